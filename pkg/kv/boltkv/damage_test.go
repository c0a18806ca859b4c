package boltkv_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

func TestARottenValueIsReported(t *testing.T) {
	t.Parallel()
	content := storeFile(t)
	victim, other := []byte("key 07"), []byte("key 08")
	for name, spoil := range map[string]func(content []byte){
		"one bit": func(content []byte) {
			content[bytes.Index(content, bytes.Repeat(victim, 20))+50] ^= 1
		},
		"another key's": func(content []byte) {
			// Both values and their checksums have the same length.
			copy(content[bytes.Index(content, bytes.Repeat(victim, 20))-4:], other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			spoiled := bytes.Clone(content)
			spoil(spoiled)
			must(t, os.WriteFile(path, spoiled, 0o600))
			db := open(t, path, boltkv.Options{})
			err := db.View(t.Context(), func(r kv.Reader) error {
				if _, err := r.Get(other); err != nil {
					t.Errorf("Get of a sound key = %v", err)
				}
				_, err := r.Get(victim)
				return err
			})
			if !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("%x", sha256.Sum256(victim))) {
				t.Errorf("Get = %v, want %v and the digest of the key", err, kv.ErrCorrupt)
			}
			if strings.Contains(err.Error(), string(victim)) || strings.Contains(err.Error(), fmt.Sprintf("%x", victim)) {
				t.Errorf("Get = %v, want nothing of the key, which is a name", err)
			}
			if err := scanAll(t, db); !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("Scan = %v, want %v", err, kv.ErrCorrupt)
			}
			must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(victim, nil) }))
		})
	}
}

// scanAll reads everything, and fails the test for a pair that was never stored.
func scanAll(t testing.TB, db *boltkv.DB) error {
	t.Helper()
	return db.View(t.Context(), func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Limit: 1000}) {
			if err != nil {
				return err
			}
			if len(bytes.ReplaceAll(p.Value, p.Key, nil)) != 0 {
				t.Errorf("Scan yields %q for %q, which is not its value", p.Value, p.Key)
			}
		}
		return nil
	})
}

// TestDamageNeverEndsTheProcess spoils a store at many places, one at a time. Opening
// or reading it may fail, but must neither crash nor yield what was never stored.
func TestDamageNeverEndsTheProcess(t *testing.T) {
	t.Parallel()
	content := storeFile(t)
	path := filepath.Join(t.TempDir(), "store")
	refused, reported := 0, 0
	for i := 0; i < len(content); i += 211 {
		spoiled := bytes.Clone(content)
		spoiled[i] ^= byte(1 << (i % 8))
		must(t, os.WriteFile(path, spoiled, 0o600))
		db, err := boltkv.Open(path, boltkv.Options{MapSize: 1 << 20})
		if err != nil {
			if !errors.Is(err, kv.ErrCorrupt) && !errors.Is(err, boltkv.ErrForeign) && !errors.Is(err, boltkv.ErrNewer) {
				t.Errorf("byte %d: Open = %v, want a known error", i, err)
			}
			refused++
			continue
		}
		if err := scanAll(t, db); err != nil {
			if !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("byte %d: Scan = %v, want %v", i, err, kv.ErrCorrupt)
			}
			reported++
		}
		must(t, db.Close())
	}
	if refused == 0 || reported == 0 {
		t.Errorf("%d files are refused and %d values reported, want some of both", refused, reported)
	}
}

// TestAShortenedFileIsRefused cuts the file, in which a read beyond the end of the
// mapped file would end the process.
func TestAShortenedFileIsRefused(t *testing.T) {
	t.Parallel()
	content := storeFile(t)
	path := filepath.Join(t.TempDir(), "store")
	for size := 0; size < len(content)-4096; size += 1024 {
		must(t, os.WriteFile(path, content[:size], 0o600))
		db, err := boltkv.Open(path, boltkv.Options{})
		if !errors.Is(err, kv.ErrCorrupt) && !errors.Is(err, boltkv.ErrForeign) {
			t.Errorf("Open of %d bytes of %d = %v, want a known error", size, len(content), err)
		}
		if err == nil {
			db.Close()
		}
	}
}

// TestAFaultOfTheDiskIsAnError shortens the file behind an open store, which makes
// the system signal a fault as a disk that cannot read does.
func TestAFaultOfTheDiskIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	must(t, os.WriteFile(path, storeFile(t), 0o600))
	db := open(t, path, boltkv.Options{})
	// The two root pages stay: they are read all the time and never leave memory.
	must(t, os.Truncate(path, 2*int64(os.Getpagesize())))
	if err := scanAll(t, db); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("Scan = %v, want %v", err, kv.ErrCorrupt)
	}
	err := db.Update(t.Context(), func(tx kv.Tx) error { return putNumber(tx, 1) })
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("Update = %v, want %v", err, kv.ErrCorrupt)
	}
}
