package boltkv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// crashEnv and purgeEnv name the store that this binary, run as a child, writes to until killed. With
// purgeEnv, it also deletes rows and purges.
const (
	crashEnv = "KEYWARD_BOLTKV_CRASH_STORE"
	purgeEnv = "KEYWARD_BOLTKV_PURGE_STORE"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		fmt.Fprintln(os.Stderr, writeForEver(path))
		os.Exit(1)
	}
	if path := os.Getenv(purgeEnv); path != "" {
		fmt.Fprintln(os.Stderr, purgeForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	crashWriters = 8
	crashKeys    = 3 // written by each update
)

func crashKey(writer, update, key int) []byte {
	return kv.NewKey("crash").Uint(uint64(writer)).Uint(uint64(update)).Uint(uint64(key))
}

// writeForEver writes rows.
func writeForEver(path string) error {
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	db.Attach("ledger", ledger{})
	return updateForEver(db, func(tx kv.Tx, writer, update int) error {
		for key := range crashKeys {
			if err := tx.Put(crashKey(writer, update, key), make([]byte, 100)); err != nil {
				return err
			}
		}
		return tx.Append("ledger", nil)
	})
}

// updateForEver runs updates of several writers, and prints a line for each that was acknowledged.
func updateForEver(db *boltkv.DB, fn func(tx kv.Tx, writer, update int) error) error {
	failed := make(chan error)
	for writer := range crashWriters {
		go func() {
			for update := 0; ; update++ {
				err := db.Update(context.Background(), func(tx kv.Tx) error { return fn(tx, writer, update) })
				if err != nil {
					failed <- err
					return
				}
				// One write each, so that lines stay whole.
				if _, err := fmt.Fprintf(os.Stdout, "%d %d\n", writer, update); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills a writing process a few
// times, always with the same store.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	for round := range 4 {
		path := filepath.Join(t.TempDir(), "store")
		acknowledged := killAfter(t, crashEnv, path, 50+200*round)
		db := open(t, path, boltkv.Options{})
		err := db.View(t.Context(), func(r kv.Reader) error {
			for writer := range crashWriters {
				if err := checkWriter(r, writer, acknowledged[writer]); err != nil {
					t.Errorf("round %d, writer %d: %v", round, writer, err)
				}
			}
			return checkLedger(r)
		})
		must(t, err)
	}
}

// killAfter kills a child when it has acknowledged that many updates, and returns
// how many each writer had.
func killAfter(t *testing.T, env, path string, updates int) [crashWriters]int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), env+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())

	var acknowledged [crashWriters]int
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var writer, update int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &writer, &update); err != nil {
			break // the kill has cut the last line
		}
		acknowledged[writer] = update + 1
		if n == updates {
			must(t, child.Process.Kill())
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child ends with %v, want it killed", err)
	}
	return acknowledged
}

// checkWriter checks that the store has a writer's updates without a gap, each complete, and at
// least the acknowledged ones.
func checkWriter(r kv.Reader, writer, acknowledged int) error {
	n := 0
	for p, err := range r.Scan(kv.Prefix(kv.NewKey("crash").Uint(uint64(writer)), 1<<20)) {
		if err != nil {
			return err
		}
		if want := crashKey(writer, n/crashKeys, n%crashKeys); string(p.Key) != string(want) {
			return fmt.Errorf("found key %x, want %x", p.Key, want)
		}
		n++
	}
	if n%crashKeys != 0 || n < acknowledged*crashKeys {
		return fmt.Errorf("%d keys are there, want %d for each of at least %d updates", n, crashKeys, acknowledged)
	}
	return nil
}
