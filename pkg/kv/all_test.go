package kv_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

func TestAllYieldsMoreThanAScan(t *testing.T) {
	t.Parallel()
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store.db"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	space := kv.NewKey("s")
	var keys []string
	for n := range 600 {
		key := space.Text(strconv.Itoa(n))
		keys = append(keys, string(key))
		for _, key := range []kv.Key{key, append(key, "row"...)} {
			if err := store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, nil) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(keys)
	for _, reverse := range []bool{false, true} {
		within := kv.Prefix(space, 0)
		within.Group, within.Reverse = 2, reverse
		var got []string
		err := store.View(t.Context(), func(r kv.Reader) error {
			for range 2 { // the sequence starts again
				got = nil
				for pair, err := range kv.All(r, within) {
					if err != nil {
						return err
					}
					got = append(got, string(pair.Key))
				}
			}
			for range kv.All(r, within) {
				break
			}
			return nil
		})
		if reverse {
			slices.Reverse(got)
		}
		if err != nil || !slices.Equal(got, keys) {
			t.Errorf("All yields %d keys, %v, want %d (reverse: %v)", len(got), err, len(keys), reverse)
		}
	}
}
