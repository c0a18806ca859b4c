package boltkv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// A ledger is a log whose head states how many entries there are.
type ledger struct{}

func ledgerKey(n int) []byte { return kv.NewKey("ledger").Uint(uint64(n)) }

var ledgerHead = []byte("ledger-head")

func (ledger) Integrate(tx kv.Tx, records [][]byte) error {
	n, err := ledgerSize(tx)
	if err != nil {
		return err
	}
	for _, record := range records {
		if err := tx.Put(ledgerKey(n), record); err != nil {
			return err
		}
		n++
	}
	return tx.Put(ledgerHead, []byte(strconv.Itoa(n)))
}

func ledgerSize(r kv.Reader) (int, error) {
	head, err := r.Get(ledgerHead)
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(head))
}

// checkLedger checks that the head states the number of entries, which are numbered from 0.
func checkLedger(r kv.Reader) error {
	size, err := ledgerSize(r)
	if err != nil {
		return err
	}
	n := 0
	for p, err := range r.Scan(kv.Prefix(kv.NewKey("ledger"), 1<<20)) {
		if err != nil {
			return err
		}
		if string(p.Key) != string(ledgerKey(n)) {
			return fmt.Errorf("entry %d has the key %x", n, p.Key)
		}
		n++
	}
	if n != size {
		return fmt.Errorf("the head states %d entries, but the store has %d", size, n)
	}
	return nil
}

// A stage is a store whose commits wait for the test.
type stage struct {
	*boltkv.DB
	path string
	// committing receives from each commit before it starts, and outcome tells it how to end.
	committing chan struct{}
	outcome    chan error
}

func openStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		path:       filepath.Join(t.TempDir(), "store"),
		committing: make(chan struct{}),
		outcome:    make(chan error),
	}
	db, err := boltkv.Open(s.path, boltkv.Options{BeforeCommit: func() error {
		s.committing <- struct{}{}
		return <-s.outcome
	}})
	must(t, err)
	db.Attach("ledger", ledger{})
	s.DB = db
	return s
}

// write starts an update that adds a row and a record, and returns when its function has run.
func (s *stage) write(ctx context.Context, key string, more ...func(kv.Tx) error) <-chan error {
	ran, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Update(ctx, func(tx kv.Tx) error {
			defer close(ran)
			for _, fn := range more {
				if err := fn(tx); err != nil {
					return err
				}
			}
			return errors.Join(tx.Put([]byte(key), []byte("value")), tx.Append("ledger", []byte(key)))
		})
	}()
	<-ran
	return done
}

// finish ends the commit that waits.
func (s *stage) finish(err error) { s.outcome <- err }

// two starts an update whose commit waits, and one that is prepared behind it.
func (s *stage) two(ctx context.Context, more ...func(kv.Tx) error) (first, second <-chan error) {
	first = s.write(context.WithoutCancel(ctx), "first")
	<-s.committing
	return first, s.write(ctx, "second", more...)
}

// holds checks that views see exactly these rows, and a ledger that fits.
func holds(t *testing.T, db kv.Store, keys ...string) {
	t.Helper()
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		for _, key := range []string{"first", "second", "third"} {
			want := false
			for _, k := range keys {
				want = want || k == key
			}
			if _, err := r.Get([]byte(key)); (err == nil) != want {
				t.Errorf("Get(%q) = %v, want it: %t", key, err, want)
			}
		}
		if size, err := ledgerSize(r); err != nil || size != len(keys) {
			t.Errorf("the ledger has %d entries (%v), want %d", size, err, len(keys))
		}
		return checkLedger(r)
	}))
}

// fall checks that updates fail with the error of the commit.
func fall(t *testing.T, outcomes ...<-chan error) {
	t.Helper()
	for _, outcome := range outcomes {
		if err := <-outcome; !errors.Is(err, errTest) {
			t.Errorf("Update = %v, want %v", err, errTest)
		}
	}
}

func TestAnUpdateSeesTheGroupThatIsBeingCommitted(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	first, second := s.two(t.Context(), func(tx kv.Tx) error {
		if _, err := tx.Get([]byte("first")); err != nil {
			t.Errorf("Get of what is being committed = %v", err)
		}
		n := 0
		for p, err := range tx.Scan(kv.Range{Start: []byte("a"), End: []byte("g"), Limit: 10}) {
			if err != nil || string(p.Key) != "first" {
				t.Errorf("Scan yields %q, %v", p.Key, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("Scan yields %d rows, want 1", n)
		}
		return nil
	})
	holds(t, s) // a view sees neither
	s.finish(nil)
	must(t, <-first)
	<-s.committing
	holds(t, s, "first")
	select {
	case err := <-second:
		t.Errorf("Update returns %v before its commit", err)
	default:
	}
	s.finish(nil)
	must(t, <-second)
	holds(t, s, "first", "second")
	must(t, s.Close())
}

func TestAPreparedGroupFallsWithItsPredecessor(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	first, second := s.two(t.Context())
	s.finish(errTest)
	fall(t, first, second)
	holds(t, s)
	third := s.write(t.Context(), "third", func(tx kv.Tx) error {
		for _, key := range []string{"first", "second"} {
			if _, err := tx.Get([]byte(key)); !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("Get(%q) after the failure = %v, want %v", key, err, kv.ErrNotFound)
			}
		}
		return nil
	})
	<-s.committing
	s.finish(nil)
	must(t, <-third)
	holds(t, s, "third")
	must(t, s.Close())
}

// An update may fail only because of what it saw of a group that then fails. Its own error would
// then be wrong.
func TestAnUpdateThatWritesNothingFallsWithItsPredecessor(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	first, second := s.two(t.Context(), func(kv.Tx) error { return kv.ErrNotFound })
	s.finish(errTest)
	fall(t, first, second)
	must(t, s.Close())
}

func TestAPreparedUpdateIsFinishedAfterItsContext(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := s.two(ctx)
	cancel()
	s.finish(nil)
	<-s.committing
	s.finish(nil)
	must(t, errors.Join(<-first, <-second))
	holds(t, s, "first", "second")
	must(t, s.Close())
}

func TestCloseWaitsForBothStages(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	first, second := s.two(t.Context())
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	s.finish(nil)
	<-s.committing
	select {
	case err := <-closed:
		t.Errorf("Close returns %v during a commit", err)
	default:
	}
	s.finish(nil)
	must(t, errors.Join(<-first, <-second, <-closed))
	holds(t, open(t, s.path, boltkv.Options{}), "first", "second")
}

// TestACrashBetweenTheStages opens copies of the file, which are what a process that is killed at
// that moment leaves behind.
func TestACrashBetweenTheStages(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	first, second := s.two(t.Context())
	holds(t, open(t, copied(t, s.path), boltkv.Options{}))
	s.finish(nil)
	must(t, <-first)
	<-s.committing
	holds(t, open(t, copied(t, s.path), boltkv.Options{}), "first")
	s.finish(nil)
	must(t, <-second)
	holds(t, open(t, copied(t, s.path), boltkv.Options{}), "first", "second")
	must(t, s.Close())
}

// copied returns the path of a copy of a file.
func copied(t *testing.T, path string) string {
	t.Helper()
	from, err := os.Open(path)
	must(t, err)
	defer from.Close()
	to, err := os.Create(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, errors.Join(err, to.Close()))
	return to.Name()
}

// TestUpdatesAreAcknowledgedInTheirOrder has each update start after the function of the one before
// it, so that they take all kinds of places in groups.
func TestUpdatesAreAcknowledgedInTheirOrder(t *testing.T) {
	t.Parallel()
	const updates = 200
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	outcomes := make([]chan error, updates)
	for n := range updates {
		ran := make(chan struct{})
		outcomes[n] = make(chan error, 1)
		go func() {
			err := db.Update(t.Context(), func(tx kv.Tx) error {
				defer close(ran)
				return putNumber(tx, n)
			})
			// All rows before this one are visible, because their groups are not later.
			outcomes[n] <- errors.Join(err, db.View(t.Context(), func(r kv.Reader) error {
				for before := range n {
					if _, err := r.Get(fmt.Appendf(nil, "key %06d", before)); err != nil {
						return fmt.Errorf("row %d after update %d: %w", before, n, err)
					}
				}
				return nil
			}))
		}()
		<-ran
	}
	for _, outcome := range outcomes {
		must(t, <-outcome)
	}
}

// TestTheFileOutgrowsItsMapping writes more than is mapped while views are open all the time.
func TestTheFileOutgrowsItsMapping(t *testing.T) {
	t.Parallel()
	const writes, readers = 90, 4 // of almost 1 MiB
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{MapSize: 1})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	for range readers {
		go func() {
			var err error
			for seen := 0; ctx.Err() == nil && err == nil; {
				err = db.View(t.Context(), func(r kv.Reader) error {
					n := 0
					for p, err := range r.Scan(kv.Range{Limit: writes, Reverse: true}) {
						if err != nil {
							return err
						}
						if len(p.Value) == 0 {
							return errors.New("a view yields an empty value")
						}
						n++
					}
					if n < seen {
						return fmt.Errorf("a view sees %d rows after one saw %d", n, seen)
					}
					seen = n
					return nil
				})
			}
			done <- err
		}()
	}
	for n := range writes {
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			return tx.Put(fmt.Appendf(nil, "%06d", n), make([]byte, 900_000))
		}))
	}
	stop()
	for range readers {
		must(t, <-done)
	}
	if got := count(t, db); got != writes {
		t.Errorf("%d rows are stored, want %d", got, writes)
	}
}
