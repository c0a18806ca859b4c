package boltkv_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

var keyring = kv.NewKey("keyring")

// openAuthenticated opens a store whose rows have MACs under a secret.
func openAuthenticated(t *testing.T, path string, secret byte) *boltkv.DB {
	t.Helper()
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	a, err := kv.NewAuthenticator(1, map[byte][32]byte{1: {secret}})
	if err != nil {
		t.Fatal(err)
	}
	db.Authenticate(a, keyring)
	return db
}

func put(t *testing.T, db *boltkv.DB, key kv.Key, value string) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

// read returns the error of a Get and that of a scan that reaches the key.
func read(t *testing.T, db *boltkv.DB, key kv.Key) (got, scanned error) {
	t.Helper()
	err := db.View(t.Context(), func(r kv.Reader) error {
		_, got = r.Get(key)
		for _, err := range r.Scan(kv.Prefix(key, 1)) {
			scanned = err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, scanned
}

// An attacker edits the file while no program runs, with bbolt and without the secret.
func TestForgedRowsAreRefused(t *testing.T) {
	t.Parallel()
	a, b := kv.NewKey("a"), kv.NewKey("b")
	checksummed := func(t *testing.T, key kv.Key) []byte {
		path := filepath.Join(t.TempDir(), "store")
		db, err := boltkv.Open(path, boltkv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, key, "forged")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return edit(t, path, func(*bbolt.Bucket) error { return nil })[string(key)]
	}
	for name, forge := range map[string]func(*testing.T, map[string][]byte) []byte{
		"another value": func(_ *testing.T, rows map[string][]byte) []byte {
			row := bytes.Clone(rows[string(a)])
			row[len(row)-1] ^= 1
			return row
		},
		"the row of another key": func(_ *testing.T, rows map[string][]byte) []byte { return rows[string(b)] },
		"a row with a checksum":  func(t *testing.T, _ map[string][]byte) []byte { return checksummed(t, a) },
		"an empty row":           func(*testing.T, map[string][]byte) []byte { return []byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			db := openAuthenticated(t, path, 7)
			put(t, db, a, "value of a")
			put(t, db, b, "value of b")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			rows := edit(t, path, func(*bbolt.Bucket) error { return nil })
			edit(t, path, func(data *bbolt.Bucket) error { return data.Put(a, forge(t, rows)) })
			db = openAuthenticated(t, path, 7)
			if got, scanned := read(t, db, a); !errors.Is(got, kv.ErrCorrupt) || !errors.Is(scanned, kv.ErrCorrupt) {
				t.Errorf("Get = %v, Scan = %v, want ErrCorrupt", got, scanned)
			}
			if got, scanned := read(t, db, b); got != nil || scanned != nil {
				t.Errorf("the other row: Get = %v, Scan = %v", got, scanned)
			}
		})
	}
}

func TestRowsOfAnotherSecretAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db := openAuthenticated(t, path, 7)
	put(t, db, kv.NewKey("a"), "value")
	put(t, db, keyring.Text("root"), "sealed")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAuthenticated(t, path, 8)
	if got, _ := read(t, db, kv.NewKey("a")); !errors.Is(got, kv.ErrCorrupt) {
		t.Errorf("Get = %v, want ErrCorrupt", got)
	}
	// The keys from which the secret derives can be read without it.
	if got, _ := read(t, db, keyring.Text("root")); got != nil {
		t.Errorf("Get of an exempt row = %v", got)
	}
}

// edit changes the data of a store past Keyward, and returns its rows.
func edit(t *testing.T, path string, change func(*bbolt.Bucket) error) map[string][]byte {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]byte)
	err = errors.Join(db.Update(func(tx *bbolt.Tx) error {
		data := tx.Bucket([]byte("data"))
		return errors.Join(change(data), data.ForEach(func(key, value []byte) error {
			rows[string(key)] = bytes.Clone(value)
			return nil
		}))
	}), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
