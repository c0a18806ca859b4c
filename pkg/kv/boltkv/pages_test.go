package boltkv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

// TestPagesAreThoseOfTheTree compares the pages that the store follows from commit to commit with those
// that a walk through the whole tree finds, while the tree grows and shrinks by several levels.
func TestPagesAreThoseOfTheTree(t *testing.T) {
	t.Parallel()
	db, err := Open(filepath.Join(t.TempDir(), "store"), Options{})
	must(t, err)
	defer db.Close()
	db.bolt.NoSync = true
	const all, step = 4800, 48
	change := func(from, to int, key func(int) []byte, deleted bool) {
		t.Helper()
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			for i := from; i < to; i++ {
				if deleted {
					if err := tx.Delete(key(i)); err != nil {
						return err
					}
				} else if err := tx.Put(key(i), make([]byte, i*i%997)); err != nil {
					return err
				}
			}
			return nil
		}))
		if from/step%2 == 0 {
			_, err := db.Purge(t.Context(), 1)
			must(t, err)
		}
		compareWithTree(t, db)
	}
	data := func(i int) []byte { return fmt.Appendf(nil, "key %08x with a long name", uint32(i)*0x9E3779B9) }
	log := func(i int) []byte { return append([]byte{kv.Growing}, fmt.Sprintf("%08d", i)...) }
	for i := 0; i < all; i += step {
		change(i, i+step, data, false)
		change(i, i+step/3, log, false)
	}
	for i := 0; i < all; i += step {
		change(i, i+step, data, true)
		change(i, i+step/3, log, true)
	}
}

// compareWithTree checks that the live pages are those of the tree, and that no page is in two sets.
func compareWithTree(t *testing.T, db *DB) {
	t.Helper()
	content, _, err := db.content()
	must(t, err)
	found, err := inspect(content)
	must(t, err)
	if db.pages.lost {
		t.Fatal("the pages are lost")
	}
	for id := range found.meta.highWater {
		live := db.pages.live.has(id)
		_, freed := db.pages.freed[id]
		dirty := db.pages.dirty.has(id)
		if live != found.used.has(id) || (live && (freed || dirty)) || (freed && dirty) {
			t.Fatalf("page %d: used %t, but live %t, freed %t, dirty %t", id, found.used.has(id), live, freed, dirty)
		}
	}
	if slices.ContainsFunc(db.pages.kept, func(word uint32) bool { return word != 0 }) {
		t.Error("a comparison left kept pages")
	}
}

// After a commit of unknown outcome, and after very many commits without a purge, the store finds out
// what is free.
func TestPurgeFindsWhatIsFreeIfItIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(*pages){
		"after a failed commit":  func(p *pages) { p.lost = true },
		"after many freed pages": func(p *pages) { p.forget() },
		"after both":             func(p *pages) { p.forget(); p.lost = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const canary = "canary-of-an-unknown-page"
			path := filepath.Join(t.TempDir(), "store")
			db, err := Open(path, Options{})
			must(t, err)
			defer db.Close()
			set := func(value []byte) {
				t.Helper()
				must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), value) }))
			}
			set(bytes.Repeat([]byte(canary), 500))
			set([]byte("short"))
			forget(db.pages) // the second stage waits
			set([]byte("shorter"))
			_, err = db.Purge(t.Context(), 1)
			must(t, err)
			content, err := os.ReadFile(path)
			must(t, err)
			if bytes.Contains(content, []byte(canary)) {
				t.Error("the file contains what was replaced")
			}
			compareWithTree(t, db)
		})
	}
}

func TestRemainsOfAnotherProcessAreErased(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db, err := Open(path, Options{})
	must(t, err)
	must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), []byte("value")) }))
	must(t, db.Close())
	// A compaction ended before it replaced the file, and another one before it erased the old file.
	must(t, os.Link(path, path+oldInfix))
	must(t, os.WriteFile(path+tempInfix+"1", []byte("canary"), 0o600))
	remains, err := os.Open(path + tempInfix + "1")
	must(t, err)
	defer remains.Close()

	db, err = Open(path, Options{})
	must(t, err)
	defer db.Close()
	content := make([]byte, len("canary"))
	if _, err := remains.ReadAt(content, 0); err != nil || len(bytes.Trim(content, "\x00")) != 0 {
		t.Errorf("the temporary file has %q (%v), want zeros", content, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("there are %d files, want the store alone", len(entries))
	}
	err = db.View(t.Context(), func(r kv.Reader) error {
		_, err := r.Get([]byte("key"))
		return err
	})
	must(t, errors.Join(err))
}
