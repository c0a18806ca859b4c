package boltkv_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// examine opens a store for reading, and returns its content and what the examination says.
func examine(t testing.TB, path string) (rows map[string]string, said []string, err error) {
	t.Helper()
	db, err := boltkv.OpenReadOnly(path, func(what string) { said = append(said, what) })
	if err != nil {
		return nil, said, err
	}
	defer func() { must(t, db.Close()) }()
	rows = make(map[string]string)
	err = db.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range kv.All(r, kv.Range{}) {
			if err != nil {
				return err
			}
			rows[string(pair.Key)] = string(pair.Value)
		}
		return nil
	})
	return rows, said, err
}

// history makes changes of all kinds: values that need several pages, keys that grow, and deletions that
// join pages.
func history(t testing.TB, db *boltkv.DB, commits int) {
	t.Helper()
	random := dice(1)
	for n := range commits {
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			var err error
			for range 20 {
				key := fmt.Appendf(nil, "key %03d", random.roll(400))
				if random.roll(3) == 0 {
					err = errors.Join(err, tx.Delete(key))
					continue
				}
				err = errors.Join(err, tx.Put(key, bytes.Repeat(key, random.roll(30)*random.roll(30))))
			}
			return errors.Join(err, tx.Put(fmt.Appendf(nil, "l%06d", n), bytes.Repeat([]byte{1}, random.roll(9000))))
		}))
	}
}

func TestASoundStoreHasNoDifferences(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	check := func(when string) {
		t.Helper()
		before, err := os.ReadFile(path)
		must(t, err)
		if _, said, err := examine(t, path); err != nil || len(said) > 0 {
			t.Errorf("%s: the examination says %q, %v", when, said, err)
		}
		after, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s: the examination changed the file", when)
		}
	}
	db, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	closed := func(when string, commits int) {
		t.Helper()
		history(t, db, commits)
		must(t, db.Close())
		check(when)
		db, err = boltkv.Open(path, boltkv.Options{})
		must(t, err)
	}
	closed("a new store", 0)
	closed("opened and closed", 0)
	closed("a store with few rows", 1)
	closed("a store with many rows", 60)
	must(t, db.Close())
	must(t, boltkv.Compact(path))
	check("a compacted store")
}

func TestAStoreThatIsOpenIsNotExamined(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db := open(t, path, boltkv.Options{})
	if _, _, err := examine(t, path); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("OpenReadOnly = %v, want %v", err, boltkv.ErrLocked)
	}
	must(t, db.Close())
	reading, err := boltkv.OpenReadOnly(path, func(string) {})
	must(t, err)
	defer reading.Close()
	if err := reading.Update(t.Context(), func(kv.Tx) error { return nil }); !errors.Is(err, boltkv.ErrReadOnly) {
		t.Errorf("Update = %v, want %v", err, boltkv.ErrReadOnly)
	}
	if _, err := reading.Purge(t.Context(), 1); !errors.Is(err, boltkv.ErrReadOnly) {
		t.Errorf("Purge = %v, want %v", err, boltkv.ErrReadOnly)
	}
	if _, _, err := examine(t, path); err != nil {
		t.Errorf("a second OpenReadOnly = %v", err)
	}
	if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("Open = %v, want %v", err, boltkv.ErrLocked)
	}
}

// TestEachFlippedByteIsNamedOrUnused flips bytes. A byte that the examination does not name must be where
// no reader looks, and a store that opens never has other rows.
func TestEachFlippedByteIsNamedOrUnused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	history(t, db, 12)
	must(t, db.Close())
	for name, reopen := range map[string]bool{"after the last commit": false, "with a list of free pages": true} {
		if reopen {
			db, err := boltkv.Open(path, boltkv.Options{})
			must(t, err)
			must(t, db.Close())
		}
		content, err := os.ReadFile(path)
		must(t, err)
		want, _, err := examine(t, path)
		must(t, err)
		flipped := filepath.Join(t.TempDir(), "store")
		var named, unused int
		used := len(bytes.TrimRight(content, "\x00"))
		random := dice(1)
		for at := 0; at < used; at += 1 + random.roll(2*used/150) {
			spoiled := bytes.Clone(content)
			spoiled[at] ^= 1 << random.roll(8)
			must(t, os.WriteFile(flipped, spoiled, 0o600))
			rows, said, err := examine(t, flipped)
			if len(said) > 0 || err != nil {
				named++
				if err != nil && !errors.Is(err, kv.ErrCorrupt) && !errors.Is(err, boltkv.ErrForeign) && !errors.Is(err, boltkv.ErrNewer) {
					t.Errorf("%s, byte %d: %v", name, at, err)
				}
				if strings.Contains(strings.Join(said, " "), "key 0") {
					t.Errorf("%s, byte %d: the description contains a key", name, at)
				}
			} else {
				unused++
				if !maps.Equal(rows, want) {
					t.Errorf("%s, byte %d is not named, and the store has other rows", name, at)
				}
			}
			// A program that opens the file reads the same rows, or an error.
			if db, err := boltkv.Open(flipped, boltkv.Options{MapSize: 1 << 20}); err == nil {
				must(t, db.Close())
				if rows, _, err := examine(t, flipped); err == nil && !maps.Equal(rows, want) {
					t.Errorf("%s, byte %d: the store opens with other rows; the examination says %q", name, at, said)
				}
			}
		}
		t.Logf("%s: %d flips are named, %d are in unused space", name, named, unused)
		if named == 0 || unused == 0 {
			t.Errorf("%s: %d flips are named and %d are not, want some of both", name, named, unused)
		}
	}
}
