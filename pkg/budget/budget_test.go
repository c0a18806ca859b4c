package budget_test

import (
	"math"
	"testing"

	"github.com/keyward/keyward/pkg/budget"
)

func TestBudgetFollowsFromRandomBits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		bits int
		want uint64
	}{
		{"nothing random has none", 0, math.MaxUint64},
		{"less than the margin is nothing", 31, 0},
		{"the margin alone is one value", 32, 1},
		{"8 characters of text", 47, 181},
		{"the IV of Triple DES", 64, 1 << 16},
		{"12 characters of text", 71, 741_455},
		{"the IV of GCM", 96, 1 << 32},
		{"the block of AES", 128, 1 << 48},
		{"the last even number that is limited", 156, 1 << 62},
		{"one more", 158, math.MaxUint64},
	}
	for _, tt := range tests {
		if got := budget.Of(tt.bits); got != tt.want {
			t.Errorf("%s: Of(%d) = %d, want %d", tt.name, tt.bits, got, tt.want)
		}
	}
}

func TestBudgetKeepsCollisionsRare(t *testing.T) {
	t.Parallel()
	for bits := 32; budget.Limited(bits); bits++ {
		n := float64(budget.Of(bits))
		if log := 2*math.Log2(n) - 1 - float64(bits); log > -33+1e-9 {
			t.Errorf("%d bits: %v values collide with a probability of 2^%v", bits, n, log)
		}
	}
}

func TestOwnersAreWarnedAtASixteenth(t *testing.T) {
	t.Parallel()
	for used, want := range map[uint64]bool{1<<28 - 1: false, 1 << 28: true, 1 << 32: true} {
		if got := budget.Warned(used, 1<<32); got != want {
			t.Errorf("Warned(%d, 2^32) = %v", used, got)
		}
	}
	if !budget.Warned(0, 0) {
		t.Error("a budget of nothing warns of nothing")
	}
}
