package mac

import (
	"errors"
	"testing"
	"time"

	"github.com/keyward/keyward/services/bench/internal/compare"
)

func TestReadsAreMeasuredWithAndWithoutMACs(t *testing.T) {
	t.Parallel()
	b, err := New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	got, err := compare.Run(t.Context(), b.Targets(), 2, compare.Options{Rounds: 1, Round: 20 * time.Millisecond})
	if err != nil || len(got) != 3 {
		t.Fatalf("Run = %d figures, %v; want 3", len(got), err)
	}
	for _, f := range got {
		if f.Calls == 0 || f.Errors != 0 {
			t.Errorf("%s = %d calls, %d errors (%s), want calls and no errors", f.Target, f.Calls, f.Errors, f.Error)
		}
	}
}

func TestAForgedRowIsFound(t *testing.T) {
	t.Parallel()
	b := &Bench{key: make([]byte, 32)}
	key, value := []byte("k"), make([]byte, valueSize)
	copy(value, sum(b.newMAC(), key, value[macSize:]))
	if err := check(b.newMAC(), key, value); err != nil {
		t.Errorf("check of a genuine row = %v", err)
	}
	value[valueSize-1]++
	if err := check(b.newMAC(), key, value); !errors.Is(err, errForged) {
		t.Errorf("check of a forged row = %v, want %v", err, errForged)
	}
}
