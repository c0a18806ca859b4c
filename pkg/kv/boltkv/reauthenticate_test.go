package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sort"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// authenticate lets a store write rows of a generation, and read those of some others.
func authenticate(t testing.TB, db *boltkv.DB, current byte, others ...byte) {
	t.Helper()
	secrets := map[byte][32]byte{current: {current}}
	for _, generation := range others {
		secrets[generation] = [32]byte{generation}
	}
	a, err := kv.NewAuthenticator(current, secrets)
	if err != nil {
		t.Fatal(err)
	}
	db.Authenticate(a, keyring)
}

// openGeneration opens a store whose rows have MACs of a generation.
func openGeneration(t *testing.T, path string, generation byte) *boltkv.DB {
	t.Helper()
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	authenticate(t, db, generation)
	return db
}

// pass writes all rows of other generations again, and returns their number.
func pass(t testing.TB, db *boltkv.DB, limit int) (rewritten int) {
	t.Helper()
	for next, first := []byte(nil), true; first || next != nil; first = false {
		var n int
		var err error
		if next, n, err = db.Reauthenticate(t.Context(), next, limit); err != nil {
			t.Fatal(err)
		}
		if n > kv.MaxOps {
			t.Errorf("one call wrote %d rows, want at most %d", n, kv.MaxOps)
		}
		rewritten += n
	}
	return rewritten
}

func wantGenerations(t testing.TB, db *boltkv.DB, want map[byte]uint64) {
	t.Helper()
	got, err := db.Generations(t.Context())
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("Generations = %v, %v, want %v", got, err, want)
	}
}

func TestRowsGetANewGenerationWithTheSameValues(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db := openGeneration(t, path, 1)
	const each = 300
	for i := range each {
		for _, space := range []string{"a", "l", "z"} { // before, in, and behind the bucket of growing keys
			put(t, db, kv.NewKey(space).Uint(uint64(i)), fmt.Sprintf("%s %d", space, i))
		}
	}
	put(t, db, keyring.Text("root"), "sealed")
	before := describe(t, db)
	wantGenerations(t, db, map[byte]uint64{1: 3 * each})

	authenticate(t, db, 2, 1)
	put(t, db, kv.NewKey("a").Uint(0), "a 0")
	wantGenerations(t, db, map[byte]uint64{1: 3*each - 1, 2: 1})
	if got := pass(t, db, 100); got != 3*each-1 {
		t.Errorf("a pass wrote %d rows, want %d", got, 3*each-1)
	}
	wantGenerations(t, db, map[byte]uint64{2: 3 * each})
	if got := pass(t, db, 1000); got != 0 {
		t.Errorf("a second pass wrote %d rows", got)
	}
	authenticate(t, db, 2)
	if got := describe(t, db); got != before {
		t.Errorf("the store holds\n%s\nwant\n%s", got, before)
	}
	must(t, db.Close())
	db = openGeneration(t, path, 2)
	if got := describe(t, db); got != before {
		t.Errorf("after a restart, the store holds\n%s\nwant\n%s", got, before)
	}
}

func TestLargeRowsAreWrittenAgainInSeveralUpdates(t *testing.T) {
	t.Parallel()
	db := openGeneration(t, filepath.Join(t.TempDir(), "store"), 1)
	const large, rows = 100 << 10, 40
	for i := range rows {
		put(t, db, kv.NewKey("a").Uint(uint64(i)), string(make([]byte, large)))
	}
	put(t, db, kv.NewKey("b"), string(make([]byte, kv.MaxBytes-10)))
	authenticate(t, db, 2, 1)
	if got := pass(t, db, 1000); got != rows+1 {
		t.Errorf("a pass wrote %d rows, want %d", got, rows+1)
	}
	wantGenerations(t, db, map[byte]uint64{2: rows + 1})
}

// An attacker edits the file before the secret is replaced. The forged row must not get a valid MAC.
func TestAForgedRowIsNotAuthenticatedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	db := openGeneration(t, path, 1)
	forged, unmarked := kv.NewKey("b"), kv.NewKey("c")
	for _, key := range []kv.Key{kv.NewKey("a"), forged, unmarked, kv.NewKey("d")} {
		put(t, db, key, "value")
	}
	must(t, db.Close())
	rows := edit(t, path, func(data *bbolt.Bucket) error {
		row := bytes.Clone(data.Get(forged))
		row[len(row)-1] ^= 1
		return errors.Join(data.Put(forged, row), data.Put(unmarked, nil))
	})
	db = openGeneration(t, path, 1)
	authenticate(t, db, 2, 1)
	next, rewritten, err := db.Reauthenticate(t.Context(), nil, 100)
	if next != nil || rewritten != 2 || !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("Reauthenticate = %q, %d, %v, want 2 rows and ErrCorrupt", next, rewritten, err)
	}
	wantGenerations(t, db, map[byte]uint64{0: 1, 1: 1, 2: 2})
	if got, scanned := read(t, db, forged); !errors.Is(got, kv.ErrCorrupt) || !errors.Is(scanned, kv.ErrCorrupt) {
		t.Errorf("Get = %v, Scan = %v, want ErrCorrupt", got, scanned)
	}
	must(t, db.Close())
	after := edit(t, path, func(*bbolt.Bucket) error { return nil })
	for _, key := range []kv.Key{forged, unmarked} {
		if !bytes.Equal(after[string(key)], rows[string(key)]) {
			t.Errorf("the row %q was written again", key)
		}
	}
}

// An update that began before the change writes a row of the earlier generation after it.
func TestAPassWaitsForUpdatesOfTheEarlierGeneration(t *testing.T) {
	t.Parallel()
	db := openGeneration(t, filepath.Join(t.TempDir(), "store"), 1)
	entered, released, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Update(context.WithoutCancel(t.Context()), func(tx kv.Tx) error {
			close(entered)
			<-released
			return tx.Put(kv.NewKey("a"), []byte("late"))
		})
	}()
	<-entered
	authenticate(t, db, 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := db.Reauthenticate(ctx, nil, 100); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Reauthenticate during the update = %v, want it to wait", err)
	}
	if counts, err := db.Generations(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Generations during the update = %v, %v, want it to wait", counts, err)
	}
	close(released)
	must(t, <-done)
	wantGenerations(t, db, map[byte]uint64{1: 1})
	if got := pass(t, db, 100); got != 1 {
		t.Errorf("the pass wrote %d rows, want 1", got)
	}
}

// TestSecretsAreReplacedWhileCallersDoAnything replaces the secret several times under the callers of
// TestUpdatesAreSerializable, and erases each secret as soon as no row depends on it.
func TestSecretsAreReplacedWhileCallersDoAnything(t *testing.T) {
	t.Parallel()
	const callers, generations = 8, 6
	path := filepath.Join(t.TempDir(), "store")
	db := openGeneration(t, path, 1)
	var mu sync.Mutex
	var episodes []episode
	var wg sync.WaitGroup
	replaced := make(chan struct{})
	for caller := range callers {
		wg.Go(func() {
			d := dice(1 + caller)
			for {
				select {
				case <-replaced:
					return
				default:
				}
				if e, ok := liveThrough(t, db, &d); ok {
					mu.Lock()
					episodes = append(episodes, e)
					mu.Unlock()
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-replaced:
					return
				default:
				}
				err := db.View(t.Context(), func(r kv.Reader) error {
					_, err := see(r, kv.Range{Limit: 1 << 20})
					return err
				})
				if err != nil {
					t.Errorf("View = %v", err)
					return
				}
			}
		})
	}
	for generation := byte(2); generation <= generations; generation++ {
		authenticate(t, db, generation, generation-1)
		pass(t, db, 7)
		if counts, err := db.Generations(t.Context()); err != nil || len(counts) > 1 || counts[generation-1] > 0 {
			t.Errorf("after a pass, Generations = %v, %v, want %d only", counts, err, generation)
		}
		authenticate(t, db, generation)
	}
	close(replaced)
	wg.Wait()
	must(t, db.Close())
	db = openGeneration(t, path, generations)
	model := make(map[string]string)
	sort.Slice(episodes, func(i, j int) bool { return episodes[i].order < episodes[j].order })
	for _, e := range episodes {
		replay(t, model, e)
	}
	if got, want := describe(t, db), describeModel(model, kv.Range{Limit: 1 << 20}); got != want {
		t.Errorf("the store holds\n%s\nwant\n%s", got, want)
	}
}
