package kvtest

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// EditRows changes the stored rows in the file of a closed boltkv store, as an attacker without keys
// can. The values are the stored bytes, with their MACs.
func EditRows(t testing.TB, path string, edit func(rows map[string][]byte)) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket := func(key string) *bbolt.Bucket {
			if key[0] == kv.Growing {
				return tx.Bucket([]byte("log"))
			}
			return tx.Bucket([]byte("data"))
		}
		before := make(map[string][]byte)
		var err error
		for _, name := range []string{"data", "log"} {
			err = errors.Join(err, tx.Bucket([]byte(name)).ForEach(func(key, value []byte) error {
				before[string(key)] = bytes.Clone(value)
				return nil
			}))
		}
		after := make(map[string][]byte, len(before))
		for key, value := range before {
			after[key] = bytes.Clone(value)
		}
		edit(after)
		for key := range before {
			if _, kept := after[key]; !kept {
				err = errors.Join(err, bucket(key).Delete([]byte(key)))
			}
		}
		for key, value := range after {
			if !bytes.Equal(before[key], value) {
				err = errors.Join(err, bucket(key).Put([]byte(key), value))
			}
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// Rows returns the stored rows in the file of a closed boltkv store.
func Rows(t testing.TB, path string) (rows map[string][]byte) {
	t.Helper()
	EditRows(t, path, func(all map[string][]byte) { rows = all })
	return rows
}
