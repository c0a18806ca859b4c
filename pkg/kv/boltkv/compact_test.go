package boltkv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

func TestCompactedStoreHoldsWhatItHeldAndNoMore(t *testing.T) {
	t.Parallel()
	const gone = "canary-of-a-destroyed-wrap"
	path := filepath.Join(t.TempDir(), "store")
	db := open(t, path, boltkv.Options{})
	for i := range 20 {
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			return tx.Put(fmt.Appendf(nil, "key %02d", i), bytes.Repeat([]byte(gone), 300))
		}))
	}
	for i := range 20 {
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			key := fmt.Appendf(nil, "key %02d", i)
			if i%2 == 0 {
				return tx.Delete(key)
			}
			return tx.Put(key, []byte("what stays"))
		}))
	}
	want := pairs(t, db)
	must(t, db.Close())
	before, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(before, []byte(gone)) {
		t.Fatal("the store holds nothing of what was deleted, so that there is nothing to show")
	}
	old, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { old.Close() })

	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	must(t, boltkv.Compact(link))

	after, err := os.ReadFile(path)
	must(t, err)
	if bytes.Contains(after, []byte(gone)) || len(after) >= len(before) {
		t.Errorf("the store of %d bytes, which had %d, holds what was deleted, or is no smaller", len(after), len(before))
	}
	wiped := make([]byte, len(before))
	if _, err := old.ReadAt(wiped, 0); err != nil || len(bytes.Trim(wiped, "\x00")) != 0 {
		t.Errorf("the old file is not overwritten (%v)", err)
	}
	names, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(names) != 1 {
		t.Errorf("there are %d files, want the store alone", len(names))
	}
	db = open(t, path, boltkv.Options{})
	if diff := cmp.Diff(want, pairs(t, db)); diff != "" {
		t.Errorf("the compacted store differs (-want +got):\n%s", diff)
	}
	must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("more"), nil) }))
}

func TestCompactLeavesAloneWhatItCannotCompact(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	if err := boltkv.Compact(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Compact of nothing = %v, want %v", err, fs.ErrNotExist)
	}
	must(t, os.WriteFile(path, []byte("a letter"), 0o600))
	if err := boltkv.Compact(path); !errors.Is(err, boltkv.ErrForeign) {
		t.Errorf("Compact of another file = %v, want %v", err, boltkv.ErrForeign)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "a letter" {
		t.Errorf("the other file is %q now (%v)", content, err)
	}
	must(t, os.Remove(path))

	db := open(t, path, boltkv.Options{})
	must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), []byte("value")) }))
	if err := boltkv.Compact(path); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("Compact of a store in use = %v, want %v", err, boltkv.ErrLocked)
	}
	if got := pairs(t, db); len(got) != 1 {
		t.Errorf("the store in use has %d pairs, want 1", len(got))
	}
}

// An opener that waits for a compaction must not get the old file.
func TestWhoWaitsForACompactionOpensTheNewFile(t *testing.T) {
	t.Parallel()
	path, compacted := compactOften(t)
	for range 20 {
		db, err := boltkv.Open(path, boltkv.Options{LockTimeout: time.Minute})
		must(t, err)
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			value, err := tx.Get([]byte("key"))
			if err != nil {
				return err
			}
			return tx.Put([]byte("key"), append(value, '+'))
		}))
		must(t, db.Close())
	}
	must(t, <-compacted)
	db := open(t, path, boltkv.Options{})
	if got := pairs(t, db); len(got) != 1 || len(got[0].Value) != len("value")+20 {
		t.Errorf("the store holds %q, want all 20 changes", got)
	}
}

// A reader that waits for a compaction must not fail, either.
func TestWhoWaitsForACompactionReadsTheNewFile(t *testing.T) {
	t.Parallel()
	path, compacted := compactOften(t)
	for range 20 {
		rows, said, err := examine(t, path)
		if err != nil || len(said) > 0 || rows["key"] != "value" {
			t.Errorf("the store has %q, and the examination says %q, %v", rows, said, err)
		}
	}
	must(t, <-compacted)
}

// compactOften creates a store with one pair, and compacts it many times while others use it.
func compactOften(t *testing.T) (path string, compacted <-chan error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	db := open(t, path, boltkv.Options{})
	must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), []byte("value")) }))
	must(t, db.Close())
	result := make(chan error, 1)
	go func() {
		var err error
		for range 20 {
			err = errors.Join(err, compactOnceFree(path))
		}
		result <- err
	}()
	return path, result
}

// compactOnceFree compacts a store that others hold now and then.
func compactOnceFree(path string) error {
	for {
		if err := boltkv.Compact(path); !errors.Is(err, boltkv.ErrLocked) {
			return err
		}
	}
}

func pairs(t testing.TB, db *boltkv.DB) (pairs []kv.Pair) {
	t.Helper()
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Limit: 1000}) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		return nil
	}))
	return pairs
}
