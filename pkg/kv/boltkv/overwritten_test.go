package boltkv_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// The lock of the file does not stop a program that ignores it, such as cp.
func TestNothingIsWrittenOnTopOfAnOlderFileThatWasCopiedOverTheOpenOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	defer db.Close()
	put := func(value string) error {
		return db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), []byte(value)) })
	}
	must(t, put("one"))
	older, err := os.ReadFile(path)
	must(t, err)
	must(t, put("two"))
	must(t, put("three"))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt(older, 0)
	must(t, errors.Join(err, file.Close()))
	for range 2 {
		if err := put("four"); !errors.Is(err, boltkv.ErrOverwritten) {
			t.Errorf("Update() = %v, want %v", err, boltkv.ErrOverwritten)
		}
	}
}
