package boltkv_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

func TestReopenedStoreHoldsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(tx kv.Tx) error {
				return tx.Put(fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i))
			})
			if err != nil {
				t.Errorf("Update = %v", err)
			}
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(r kv.Reader) error {
		n := 0
		for p, err := range r.Scan(kv.Prefix([]byte("k"), 1000)) {
			if err != nil {
				return err
			}
			if string(p.Value) != "v"+string(p.Key[1:]) {
				return errors.New("wrong value")
			}
			n++
		}
		if n != 500 {
			return fmt.Errorf("%d pairs", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
