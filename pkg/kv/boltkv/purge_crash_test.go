package boltkv_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// crashKept is the number of rows of each writer that remain. Each update writes one and deletes the
// earliest.
const crashKept = 3

// crashValue is unlike all others. Some need several pages.
func crashValue(writer, update int) []byte {
	sum := sha256.Sum256(crashKey(writer, update, 0))
	return bytes.Repeat(sum[:], 1+update%7*update%50)
}

// purgeForEver writes, deletes, and purges.
func purgeForEver(path string) error {
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() {
		for {
			if _, err := db.Purge(context.Background(), 1); err != nil {
				failed <- err
				return
			}
		}
	}()
	go func() {
		failed <- updateForEver(db, func(tx kv.Tx, writer, update int) error {
			if update >= crashKept {
				if err := tx.Delete(crashKey(writer, update-crashKept, 0)); err != nil {
					return err
				}
			}
			return tx.Put(crashKey(writer, update, 0), crashValue(writer, update))
		})
	}()
	return <-failed
}

// TestPurgedStoreSurvivesAKill kills a process that writes, deletes, and purges: everything
// acknowledged is present, and the next purge leaves nothing of what was deleted.
func TestPurgedStoreSurvivesAKill(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "store")
		acknowledged := killAfter(t, purgeEnv, path, 50+97*round)
		db := open(t, path, boltkv.Options{})
		purge(t, db)
		purge(t, db) // the list of free pages, which the first commit after the start frees
		checkPurged(t, path)
		content, err := os.ReadFile(path)
		must(t, err)
		for writer := range crashWriters {
			if err := checkPurgedWriter(t, db, content, writer, acknowledged[writer]); err != nil {
				t.Errorf("round %d, writer %d: %v", round, writer, err)
			}
		}
	}
}

// checkPurgedWriter checks that the store has the last rows of a writer, and none of the others in any form.
func checkPurgedWriter(t *testing.T, db *boltkv.DB, content []byte, writer, acknowledged int) error {
	t.Helper()
	var rows []kv.Pair
	must(t, db.View(t.Context(), func(r kv.Reader) (err error) {
		for p, err := range r.Scan(kv.Prefix(kv.NewKey("crash").Uint(uint64(writer)), 1<<20)) {
			if err != nil {
				return err
			}
			rows = append(rows, p)
		}
		return nil
	}))
	// The last update may have been committed without an acknowledgement.
	for last := acknowledged - 1; last <= acknowledged; last++ {
		first := max(last-crashKept+1, 0)
		if len(rows) != last-first+1 || (len(rows) > 0 && !bytes.Equal(rows[0].Key, crashKey(writer, first, 0))) {
			continue
		}
		for i, row := range rows {
			if !bytes.Equal(row.Value, crashValue(writer, first+i)) {
				return fmt.Errorf("the row of update %d has another value", first+i)
			}
		}
		for update := range first {
			if bytes.Contains(content, crashValue(writer, update)[:16]) {
				return fmt.Errorf("the file contains the value that update %d wrote", update)
			}
		}
		return nil
	}
	return fmt.Errorf("the store has %d rows, and %d updates were acknowledged", len(rows), acknowledged)
}
