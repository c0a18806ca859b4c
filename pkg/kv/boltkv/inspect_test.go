package boltkv

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// smallStore returns the bytes of a store with small pages, which a fuzzer gets
// through quickly: a branch, leaves, a value that overflows and a small bucket.
func smallStore(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		data, err := tx.CreateBucket(names[ofData])
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket(metaBucket)
		for i := range 10 {
			key := []byte{'k', byte(i)}
			err = errors.Join(err, data.Put(key, new(rows).encode(key, bytes.Repeat([]byte("v"), 150*i))))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content[:min(len(content), 16<<10)]
}

func TestInspectAcceptsASoundFile(t *testing.T) {
	t.Parallel()
	content := smallStore(t)
	if _, err := inspect(content); err != nil {
		t.Errorf("inspect = %v", err)
	}
}

// FuzzInspect spoils two bytes of a store: it is refused with a known error, or bbolt
// can open it and read it all, in which bbolt would otherwise end the process.
func FuzzInspect(f *testing.F) {
	sound := smallStore(f)
	f.Add(0, byte(0), 0, byte(0))
	f.Add(2048+8, byte(1), 3072, byte(255))
	f.Add(4096+10, byte(255), 4096+16, byte(7))
	f.Fuzz(func(t *testing.T, i int, x byte, j int, y byte) {
		content := bytes.Clone(sound)
		content[uint(i)%uint(len(content))] ^= x
		content[uint(j)%uint(len(content))] ^= y
		if _, err := inspect(content); err != nil {
			if !errors.Is(err, kv.ErrCorrupt) && !errors.Is(err, ErrForeign) {
				t.Errorf("inspect = %v, want a known error", err)
			}
			return
		}
		readThrough(t, content)
	})
}

func readThrough(t *testing.T, content []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openBolt(file, Options{MapSize: 1 << 16}.withDefaults())
	if err != nil {
		return
	}
	defer db.Close()
	var all states
	defer all.set(nil)
	if err := all.publish(db); err != nil {
		return
	}
	base, err := all.acquire()
	if err != nil {
		t.Fatal(err)
	}
	if base.buckets[ofData] == nil {
		base.release()
		return
	}
	var s snapshot
	s.begin(base, new(rows))
	defer s.end()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, err := range s.Scan(kv.Range{Limit: 1000}) {
		if err != nil {
			return
		}
	}
}
