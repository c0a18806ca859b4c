package boltkv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// emptied returns the path of a store with small pages, after some values have been deleted.
func emptied(t testing.TB, deleted, kept int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true, PageSize: 1024, FreelistType: bbolt.FreelistMapType})
	must(t, err)
	key := func(i int) []byte { return fmt.Appendf(nil, "key %06d", i) }
	must(t, db.Update(func(tx *bbolt.Tx) error {
		data, err := tx.CreateBucket(names[ofData])
		must(t, err)
		_, err = tx.CreateBucket(names[ofLog])
		must(t, err)
		meta, err := tx.CreateBucket(metaBucket)
		must(t, err)
		must(t, meta.Put(formatKey, []byte(formatName)))
		must(t, meta.Put(versionKey, []byte{0, 0, 0, FormatVersion}))
		for i := range deleted + kept {
			must(t, data.Put(key(i), new(rows).encode(key(i), bytes.Repeat([]byte("v"), 800))))
		}
		return nil
	}))
	must(t, db.Update(func(tx *bbolt.Tx) error {
		for i := range deleted {
			must(t, tx.Bucket(names[ofData]).Delete(key(i)))
		}
		return nil
	}))
	must(t, db.Close())
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// check opens a store, checks it as bbolt does, and returns the number of its values.
func check(t testing.TB, path string) (values int) {
	t.Helper()
	db, err := openFile(path, Options{}.withDefaults())
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.View(func(tx *bbolt.Tx) error {
		// A page that is both used and free, or neither, is an error.
		for err := range tx.Check() {
			t.Errorf("the opened store: %v", err)
		}
		values = tx.Bucket(names[ofData]).Stats().KeyN
		return nil
	}))
	return values
}

// newest returns the root page of a file.
func newest(t testing.TB, path string) meta {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	m, err := newestMeta(content)
	must(t, err)
	return m
}

func TestFreePagesAreSavedWhenAStoreIsOpened(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		deleted, kept int
	}{
		{"no page is free", 0, 20},
		{"a few pages are free", 50, 20},
		{"the list has several pages", 3000, 3},
		{"the list does not fit a short count", 70_000, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := emptied(t, tt.deleted, tt.kept)
			before := newest(t, path)
			if got := check(t, path); got != tt.kept {
				t.Errorf("the opened store has %d values, want %d", got, tt.kept)
			}
			opened := newest(t, path)
			if opened.tx != before.tx+1 || opened.root != before.root {
				t.Errorf("opening changes the root page from %d of transaction %d to %d of %d", before.root, before.tx, opened.root, opened.tx)
			}
			if list := native.Uint64(opened.raw[32:]); list >= opened.highWater {
				t.Errorf("the list of free pages is page %d, want one below %d", list, opened.highWater)
			}
			check(t, path)
			if again := newest(t, path); again.highWater > opened.highWater+1 {
				t.Errorf("opening again grows the file from %d to %d pages", opened.highWater, again.highWater)
			}
		})
	}
}

// Opening is interrupted while it writes the root page: the other root page and its tree remain.
func TestOpeningMayBeInterrupted(t *testing.T) {
	t.Parallel()
	path := emptied(t, 500, 20)
	check(t, path)
	opened := newest(t, path)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt(make([]byte, 20), int64(opened.tx%2)*opened.pageSize+pageHeader+40)
	must(t, err)
	must(t, file.Close())
	if got := check(t, path); got != 20 {
		t.Errorf("the store has %d values after an interrupted start, want 20", got)
	}
}

// A store on a full disk can still be read.
func TestAStoreOpensWithoutItsListOfFreePages(t *testing.T) {
	t.Parallel()
	path := emptied(t, 500, 20)
	content, err := os.ReadFile(path)
	must(t, err)
	found, err := inspect(content)
	must(t, err)
	readOnly, err := os.Open(path)
	must(t, err)
	defer readOnly.Close()
	if err := found.saveFreePages(readOnly); err == nil {
		t.Error("saveFreePages to a file that cannot be written = nil, want an error")
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	db, err := openBolt(file, Options{}.withDefaults())
	must(t, err)
	must(t, db.Close())
}

func BenchmarkInspect(b *testing.B) {
	content, err := os.ReadFile(emptied(b, 0, 100_000))
	must(b, err)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inspect(content); err != nil {
			b.Fatal(err)
		}
	}
}
