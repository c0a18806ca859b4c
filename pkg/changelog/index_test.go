package changelog

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// The results of an index do not depend on which entries were committed together.
func TestIndexFindsWhatWasCommittedTogetherAndApart(t *testing.T) {
	t.Parallel()
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })

	prefix, other := scopeKey("workspaces/a"), scopeKey("workspaces/b")
	var want []uint64
	// Each commit takes so many sequences, of which each third is the other's.
	next := uint64(0)
	for _, commit := range []int{1, 1, 2, 9, 1, 3 * maxListed, 3*maxListed + 2, 1, 5} {
		added := make(indexed)
		for range commit {
			if next++; next%3 == 0 {
				added.add(other, next)
				continue
			}
			added.add(prefix, next)
			want = append(want, next)
		}
		if err := store.Update(t.Context(), func(tx kv.Tx) error { return added.write(tx.Put) }); err != nil {
			t.Fatal(err)
		}
	}
	err = store.View(t.Context(), func(r kv.Reader) error {
		for at := range next + 3 {
			for _, limit := range []int{0, 1, 2, 7, maxListed, 1000} {
				checkIndex(t, r, prefix, want, at, limit)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkIndex compares both ways to read with what a list of all sequences says.
func checkIndex(t *testing.T, r kv.Reader, prefix kv.Key, all []uint64, at uint64, limit int) {
	t.Helper()
	split, _ := slices.BinarySearch(all, at)
	smaller, others := slices.Clone(all[:split]), all[split:]
	slices.Reverse(smaller)
	got, err := newest(r, prefix, at, limit)
	if want := smaller[:min(limit, len(smaller))]; err != nil || !slices.Equal(got, want) {
		t.Errorf("newest(before %d, limit %d) = %v, %v, want %v", at, limit, got, err, want)
	}
	got, err = oldest(r, prefix, at, limit)
	if want := others[:min(limit, len(others))]; err != nil || !slices.Equal(got, want) {
		t.Errorf("oldest(from %d, limit %d) = %v, %v, want %v", at, limit, got, err, want)
	}
}
