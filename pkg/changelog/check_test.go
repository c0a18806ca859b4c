package changelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

func TestEachPartOfALogPasses(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for size := range 70 {
		if err := store.View(t.Context(), func(r kv.Reader) error { return checkParts(r, changes) }); err != nil {
			t.Errorf("the check of a log of %d entries fails: %v", size, err)
		}
		appendEntry(t, store, changes, entry("a", fmt.Sprint(size)))
	}
}

func TestACheckOfAPartNoticesEachChangedByte(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for i := range 4 {
		appendEntry(t, store, changes, entry("a", fmt.Sprint(i)))
	}
	appendTogether(t, store, changes, "a 0", "b 0", "a 0", "a 1")
	for _, pair := range dump(t, store) {
		expectPartTampered(t, store, changes, fmt.Sprintf("without %q", pair.Key), func(tx kv.Tx) error {
			return tx.Delete(pair.Key)
		})
		if !bytes.HasPrefix(pair.Key, kv.NewKey("le")) && !bytes.Equal(pair.Key, kv.NewKey("lh")) {
			continue // a listing of more entries harms no entry
		}
		for i := range pair.Value {
			changed := bytes.Clone(pair.Value)
			changed[i] ^= 1 << (i % 8)
			expectPartTampered(t, store, changes, fmt.Sprintf("byte %d of %q", i, pair.Key), func(tx kv.Tx) error {
				return tx.Put(pair.Key, changed)
			})
		}
	}
	expectPartTampered(t, store, changes, "an entry after the head", func(tx kv.Tx) error {
		return tx.Put(entryKey(8), get(t, store, entryKey(0)))
	})
}

// checkParts checks the head and each entry that it covers.
func checkParts(r kv.Reader, changes *changelog.Log) error {
	size, err := changes.CheckHead(r)
	for sequence := range size {
		_, failed := changelog.CheckEntry(r, sequence)
		err = errors.Join(err, failed)
	}
	return err
}

func expectPartTampered(t *testing.T, store kv.Store, changes *changelog.Log, name string, change func(kv.Tx) error) {
	t.Helper()
	undo := errors.New("undo")
	var got error
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		got = checkParts(tx, changes)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if !errors.Is(got, changelog.ErrTampered) {
		t.Errorf("%s: the checks return %v, want ErrTampered", name, got)
	}
}
