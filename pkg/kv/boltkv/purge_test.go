package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// store writes values under keys, and deletes the keys with empty values.
func store(t testing.TB, db *boltkv.DB, rows map[string]string) {
	t.Helper()
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		for key, value := range rows {
			if value == "" {
				if err := tx.Delete([]byte(key)); err != nil {
					return err
				}
			} else if err := tx.Put([]byte(key), []byte(value)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// purge purges until the end.
func purge(t testing.TB, db *boltkv.DB) int64 {
	t.Helper()
	erased, err := db.Purge(t.Context(), 1)
	if err != nil {
		t.Fatalf("Purge = %v", err)
	}
	return erased
}

// contains reports whether a file contains a string anywhere.
func contains(t testing.TB, path, canary string) bool {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return bytes.Contains(content, []byte(canary))
}

// checkPurged checks a purged file with bbolt: the tree is whole, and all free pages are zero.
func checkPurged(t testing.TB, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	name := filepath.Join(t.TempDir(), "copy")
	must(t, os.WriteFile(name, content, 0o600))
	bolt, err := bbolt.Open(name, 0o600, &bbolt.Options{NoFreelistSync: true})
	must(t, err)
	defer bolt.Close()
	must(t, bolt.Update(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt finds: %v", err)
		}
		size := bolt.Info().PageSize
		for id := 2; ; id++ {
			page, err := tx.Page(id)
			if err != nil || page == nil {
				return err
			}
			free := content[id*size : (id+1)*size]
			if page.Type == "free" && len(bytes.Trim(free, "\x00")) != 0 {
				t.Errorf("the free page %d has content", id)
			}
		}
	}))
}

func TestPurgeErasesWhatWasDeletedAndReplaced(t *testing.T) {
	t.Parallel()
	for name, canary := range map[string]string{
		"a short value":            "canary-of-a-wrap",
		"a value of several pages": strings.Repeat("canary-of-a-large-value", 2000),
		"a value of many pages":    strings.Repeat("canary of a value that needs many pages", 5_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			db := open(t, path, boltkv.Options{})
			store(t, db, map[string]string{"deleted": canary + "1", "replaced": canary + "2", "kept": "what stays"})
			store(t, db, map[string]string{"deleted": "", "replaced": "another"})
			if !contains(t, path, canary) {
				t.Fatal("the file has nothing of what was deleted, so there is nothing to erase")
			}
			if db.PurgePending() == 0 {
				t.Error("PurgePending = 0 after a deletion")
			}
			if erased := purge(t, db); erased < int64(len(canary)) {
				t.Errorf("Purge erased %d bytes, want at least the %d of the value", erased, len(canary))
			}
			if contains(t, path, canary) {
				t.Error("the file contains deleted data after the purge")
			}
			if pending := db.PurgePending(); pending != 0 {
				t.Errorf("PurgePending = %d after the purge", pending)
			}
			checkPurged(t, path)
			if got := describe(t, db); got != "kept=what stays\nreplaced=another\n" {
				t.Errorf("the store has %q", got)
			}
		})
	}
}

func TestPurgeDoesNothingIfNothingWasDeleted(t *testing.T) {
	t.Parallel()
	var commits atomic.Int64
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{BeforeCommit: func() error {
		commits.Add(1)
		return nil
	}})
	store(t, db, map[string]string{"key": "value"})
	store(t, db, map[string]string{"key": "another"})
	purge(t, db)
	before := commits.Load()
	if erased := purge(t, db); erased != 0 || commits.Load() != before {
		t.Errorf("another purge erased %d bytes in %d commits", erased, commits.Load()-before)
	}
}

// A view sees its state to the end. The purge waits, and the next one continues.
func TestPurgeWaitsForViewsThatBeganBefore(t *testing.T) {
	t.Parallel()
	const canary = "canary-that-a-view-sees"
	path := filepath.Join(t.TempDir(), "store")
	db := open(t, path, boltkv.Options{})
	for i := range 50 {
		store(t, db, map[string]string{fmt.Sprint("key ", i): strings.Repeat(canary, 100)})
	}
	want := describe(t, db)
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		for i := range 50 {
			store(t, db, map[string]string{fmt.Sprint("key ", i): ""})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := db.Purge(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Purge next to a view = %v, want %v", err, context.DeadlineExceeded)
		}
		got, err := see(r, kv.Range{Limit: 1 << 20})
		if got != want {
			t.Error("the view no longer sees its state")
		}
		return err
	}))
	purge(t, db)
	if contains(t, path, canary) {
		t.Error("the file contains deleted data after the view has ended and a purge")
	}
	checkPurged(t, path)
}

func TestPurgeErasesWhatAnEarlierProcessLeft(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-an-earlier-process"
	path := filepath.Join(t.TempDir(), "store")
	db := open(t, path, boltkv.Options{})
	store(t, db, map[string]string{"key": strings.Repeat(canary, 1000)})
	store(t, db, map[string]string{"key": ""})
	must(t, db.Close())
	// A commit that did not complete has written beyond the pages in use.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	info, err := file.Stat()
	must(t, err)
	_, err = file.WriteAt([]byte(canary), info.Size()-100)
	must(t, errors.Join(err, file.Close()))

	db = open(t, path, boltkv.Options{})
	purge(t, db)
	if contains(t, path, canary) {
		t.Error("the file contains data that was deleted before the start")
	}
	purge(t, db) // the list of free pages, which the first commit after the start frees
	checkPurged(t, path)
	store(t, db, map[string]string{"key": "value"})
}

func TestClosedStoreIsNotPurged(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	must(t, db.Close())
	if _, err := db.Purge(t.Context(), 1); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("Purge of a closed store = %v, want %v", err, kv.ErrClosed)
	}
}

// TestPurgesLeaveWhatIsStoredAlone has many callers change rows and read states for a long time while
// purges run, and reopens the store: each view must see one state, the store must have what a map has,
// and a purge after that must leave nothing else in the file.
func TestPurgesLeaveWhatIsStoredAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	const rounds, writers, updates = 4, 4, 25
	models := make([]map[string]string, writers)
	var gone sync.Map
	for round := range rounds {
		db := open(t, path, boltkv.Options{MapSize: 32 << 20})
		ctx, stop := context.WithCancel(t.Context())
		var background, writing sync.WaitGroup
		for range 2 {
			background.Go(func() {
				for ctx.Err() == nil {
					if _, err := db.Purge(ctx, 0.5); err != nil && ctx.Err() == nil {
						t.Errorf("Purge = %v", err)
					}
				}
			})
		}
		for reader := range 2 {
			background.Go(func() { readStates(ctx, t, db, dice(1000*round+reader)) })
		}
		for writer := range writers {
			writing.Go(func() {
				if models[writer] == nil {
					models[writer] = make(map[string]string)
				}
				d := dice(100*round + writer + 1)
				for range updates {
					changeRows(t, db, &d, writer, models[writer], &gone)
				}
			})
		}
		writing.Wait()
		stop()
		background.Wait()
		if round%2 == 0 {
			purge(t, db)
			checkPurged(t, path)
			checkGone(t, path, &gone)
		}
		all := make(map[string]string)
		for _, model := range models {
			maps.Copy(all, model)
		}
		if got, want := describe(t, db), describeModel(all, kv.Range{Limit: 1 << 20}); got != want {
			t.Errorf("round %d: the store differs from the model", round)
		}
		must(t, db.Close())
	}
}

// changeRows makes one update of random puts and deletions.
func changeRows(t *testing.T, db *boltkv.DB, d *dice, writer int, model map[string]string, gone *sync.Map) {
	rows := make(map[string]string)
	for range 1 + d.roll(20) {
		key := fmt.Sprintf("%d key %02d", writer, d.roll(80))
		if d.roll(3) == 0 {
			rows[key] = ""
			continue
		}
		size := d.roll(900)
		if d.roll(40) == 0 {
			size = d.roll(40_000)
		}
		rows[key] = fmt.Sprintf("canary %016x %s", d.roll(1<<60), strings.Repeat("v", size))
	}
	store(t, db, rows)
	for key, value := range rows {
		if before := model[key]; before != "" {
			gone.Store(before[:len("canary ")+16], true)
		}
		if value == "" {
			delete(model, key)
		} else {
			model[key] = value
		}
	}
}

// readStates opens views that stay open for a while, and reads their states twice.
func readStates(ctx context.Context, t *testing.T, db *boltkv.DB, d dice) {
	for ctx.Err() == nil {
		err := db.View(ctx, func(r kv.Reader) error {
			before, err := see(r, kv.Range{Limit: 1 << 20})
			if err != nil {
				return err
			}
			wait, cancel := context.WithTimeout(ctx, time.Duration(d.roll(30))*time.Millisecond)
			<-wait.Done()
			cancel()
			after, err := see(r, kv.Range{Limit: 1 << 20})
			if before != after {
				t.Error("a view saw two states")
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("View = %v", err)
		}
	}
}

func checkGone(t *testing.T, path string, gone *sync.Map) {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	const mark = "canary "
	found := 0
	for {
		_, rest, ok := bytes.Cut(content, []byte(mark))
		if !ok {
			break
		}
		if _, ok := gone.Load(mark + string(rest[:16])); ok {
			found++
		}
		content = rest
	}
	if found > 0 {
		t.Errorf("the file contains deleted values in %d places", found)
	}
}
