package slab_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/vault/internal/slab"
)

func TestStringsStayAsTheyWereMade(t *testing.T) {
	t.Parallel()
	var made slab.Strings
	var got, want []string
	for n := range 2000 {
		text := bytes.Repeat([]byte{byte('a' + n%26)}, n%90)
		want = append(want, string(text))
		got = append(got, made.Of(text))
		clear(text) // the caller reuses it
	}
	large := strings.Repeat("x", 100_000)
	got, want = append(got, made.Of([]byte(large)), made.Of([]byte("y"))), append(want, large, "y")
	if !slices.Equal(got, want) {
		t.Error("the strings differ from their texts")
	}
}

func TestStringsOfAPageShareAllocations(t *testing.T) {
	text := []byte("workspaces/acme/secrets/payment-key")
	allocations := testing.AllocsPerRun(100, func() {
		var made slab.Strings
		for range 100 {
			made.Of(text)
		}
	})
	if allocations > 5 {
		t.Errorf("100 strings take %v allocations, want at most 5", allocations)
	}
}
