package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

var errTest = errors.New("an error of the test")

// hold occupies the writer until release is called, so that updates gather behind.
// They become one group, whose outcome release returns.
func hold(t *testing.T, db *boltkv.DB) (release func() error) {
	t.Helper()
	entered, released := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- db.Update(context.WithoutCancel(t.Context()), func(kv.Tx) error {
			close(entered)
			<-released
			return nil
		})
	}()
	<-entered
	return func() error {
		close(released)
		return <-done
	}
}

// gather starts updates until the queue, which has the given size, is full, and
// returns a channel with their outcomes.
func gather(t *testing.T, db *boltkv.DB, queue int, fn func(tx kv.Tx, n int) error) <-chan error {
	t.Helper()
	outcomes := make(chan error, queue)
	full := make(chan struct{})
	var n atomic.Int64
	// As many as fit wait, and one more is refused: then the queue is full.
	for range queue + 1 {
		go func() {
			err := db.Update(t.Context(), func(tx kv.Tx) error { return fn(tx, int(n.Add(1))) })
			if errors.Is(err, kv.ErrOverloaded) {
				close(full)
				return
			}
			outcomes <- err
		}()
	}
	<-full
	return outcomes
}

func putNumber(tx kv.Tx, n int) error {
	return tx.Put(fmt.Appendf(nil, "key %06d", n), []byte("value"))
}

func count(t *testing.T, db *boltkv.DB) (n int) {
	t.Helper()
	err := db.View(t.Context(), func(r kv.Reader) error {
		n = 0
		for _, err := range r.Scan(kv.Range{Limit: 1 << 20}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Errorf("View = %v", err)
	}
	return n
}

func TestUpdatesThatGatherShareACommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		updates, size int
		commits       int64
	}{
		"few":                      {updates: 100, commits: 1},
		"more than a group holds":  {updates: 600, commits: 2},
		"more bytes than it holds": {updates: 12, size: 900_000, commits: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var commits atomic.Int64
			db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{
				Queue:        test.updates,
				BeforeCommit: func() error { commits.Add(1); return nil },
			})
			release := hold(t, db)
			outcomes := gather(t, db, test.updates, func(tx kv.Tx, n int) error {
				return tx.Put(fmt.Appendf(nil, "%d", n), make([]byte, test.size))
			})
			must(t, release())
			for range test.updates {
				if err := <-outcomes; err != nil {
					t.Errorf("Update = %v", err)
				}
			}
			if got := commits.Load(); got != test.commits {
				t.Errorf("%d updates need %d commits, want %d", test.updates, got, test.commits)
			}
			if got := count(t, db); got != test.updates {
				t.Errorf("%d keys are stored, want %d", got, test.updates)
			}
		})
	}
}

func TestAnUpdateThatWritesNothingNeedsNoCommit(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{
		BeforeCommit: func() error { t.Error("a commit without a change"); return nil },
	})
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		if _, err := tx.Get([]byte("a")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get = %v, want %v", err, kv.ErrNotFound)
		}
		return nil
	})
	if err != nil {
		t.Errorf("Update = %v", err)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	t.Parallel()
	const queue = 3
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{Queue: queue})
	release := hold(t, db)
	outcomes := gather(t, db, queue, putNumber)
	err := db.Update(t.Context(), func(kv.Tx) error { return nil })
	if !errors.Is(err, kv.ErrOverloaded) {
		t.Errorf("Update = %v, want %v", err, kv.ErrOverloaded)
	}
	must(t, release())
	for range queue {
		if err := <-outcomes; err != nil {
			t.Errorf("Update = %v", err)
		}
	}
	if got := count(t, db); got != queue {
		t.Errorf("%d keys are stored, want %d", got, queue)
	}
}

func TestAWaitingUpdateLeavesWithItsContext(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	release := hold(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	// The writer is held until this has returned.
	err := db.Update(ctx, func(tx kv.Tx) error {
		t.Error("an update is run after it has left")
		return putNumber(tx, 0)
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update = %v, want %v", err, context.DeadlineExceeded)
	}
	must(t, release())
	if got := count(t, db); got != 0 {
		t.Errorf("%d keys are stored, want none", got)
	}
}

func TestAnUpdateThatHasBegunIsFinished(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx kv.Tx) error {
		cancel()
		return putNumber(tx, 0)
	})
	if err != nil {
		t.Errorf("Update = %v", err)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d keys are stored, want 1", got)
	}
}

func TestAFailedCommitFailsItsGroupOnly(t *testing.T) {
	t.Parallel()
	const queue = 10
	var fail atomic.Bool
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{
		Queue: queue,
		BeforeCommit: func() error {
			if fail.Load() {
				return errTest
			}
			return nil
		},
	})
	fail.Store(true)
	release := hold(t, db)
	outcomes := gather(t, db, queue, func(tx kv.Tx, n int) error {
		if n%2 == 0 {
			// It may say so because of what another member wrote, so it must
			// not be returned to the caller either.
			return kv.ErrNotFound
		}
		return putNumber(tx, n)
	})
	if err := release(); !errors.Is(err, errTest) {
		t.Errorf("Update of the holder = %v, want %v", err, errTest)
	}
	for range queue {
		if err := <-outcomes; !errors.Is(err, errTest) {
			t.Errorf("Update = %v, want %v", err, errTest)
		}
	}
	if got := count(t, db); got != 0 {
		t.Errorf("%d keys are stored, want none", got)
	}
	fail.Store(false)
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return putNumber(tx, 1) }); err != nil {
		t.Errorf("Update after the fault is lifted = %v", err)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d keys are stored, want 1", got)
	}
}

// The caller of Update sees what a function panicked with, and where.
func TestAPanicTellsWhereItWasRaised(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	defer func() {
		raised, ok := recover().(*kv.PanicError)
		if !ok {
			t.Fatal("Update does not panic with a *kv.PanicError")
		}
		var crash runtime.Error
		if !errors.As(raised, &crash) || raised.Value != error(crash) { //nolint:errorlint // the very value
			t.Errorf("Update panics with %v, want the error of the runtime", raised.Value)
		}
		var stack []string
		frames := runtime.CallersFrames(raised.Stack)
		for more := true; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			stack = append(stack, frame.Function)
		}
		if !slices.ContainsFunc(stack, func(name string) bool { return strings.HasSuffix(name, ".outOfRange") }) {
			t.Errorf("stack = %q, want outOfRange in it", stack)
		}
	}()
	err := db.Update(t.Context(), outOfRange)
	t.Errorf("Update = %v, want a panic", err)
}

//go:noinline
func outOfRange(tx kv.Tx) error { return tx.Put([]byte{}[1:][:5:5], nil) }

// A panickyLog panics at the first record.
type panickyLog struct{}

func (panickyLog) Integrate(kv.Tx, [][]byte) error { panic("a panic of the test") }

func TestTheWriterOutlivesALogThatPanics(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	db.Attach("log", panickyLog{})
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Append("log", nil) }); err == nil {
		t.Error("Update = nil, want an error")
	}
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return putNumber(tx, 1) }); err != nil {
		t.Errorf("Update after it = %v", err)
	}
}

func TestATransactionEndsWithItsFunction(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	var leaked []kv.Reader
	err := errors.Join(
		db.Update(t.Context(), func(tx kv.Tx) error { leaked = append(leaked, tx); return putNumber(tx, 0) }),
		db.View(t.Context(), func(r kv.Reader) error { leaked = append(leaked, r); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range leaked {
		if _, err := r.Get([]byte("a")); err == nil || errors.Is(err, kv.ErrNotFound) {
			t.Errorf("%T: Get after the end = %v, want an error", r, err)
		}
		for _, err := range r.Scan(kv.Range{Limit: 1}) {
			if err == nil {
				t.Errorf("%T: Scan after the end yields", r)
			}
		}
		if tx, ok := r.(kv.Tx); ok {
			if err := tx.Put([]byte("a"), nil); err == nil {
				t.Error("Put after the end succeeds")
			}
		}
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d keys are stored, want 1", got)
	}
}

func TestAnEmptyKeyIsRefused(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(nil, nil) }); err == nil {
		t.Error("Update(put an empty key) = nil, want an error")
	}
}

// TestScansPassWhatTheGroupHasDeleted deletes so much that whole leaves of the tree
// are empty until the commit, which bbolt's cursors take for the end.
func TestScansPassWhatTheGroupHasDeleted(t *testing.T) {
	t.Parallel()
	const keys, chunk = 640, kv.MaxOps
	for name, test := range map[string]struct{ from, to int }{
		"in the middle": {chunk, keys - chunk},
		"at the start":  {0, keys - chunk},
		"at the end":    {chunk, keys},
		"everything":    {0, keys},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := (test.to-test.from)/chunk + 1
			db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{Queue: queue})
			for first := 0; first < keys; first += chunk {
				err := db.Update(t.Context(), func(tx kv.Tx) error {
					for i := first; i < first+chunk; i++ {
						if err := tx.Put(fmt.Appendf(nil, "key %06d", i), bytes.Repeat([]byte("v"), 500)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			release := hold(t, db)
			outcomes := gather(t, db, queue, func(tx kv.Tx, n int) error {
				if n == queue {
					return seeOnly(tx, keys-(test.to-test.from))
				}
				first := test.from + (n-1)*chunk
				for i := first; i < first+chunk; i++ {
					if err := tx.Delete(fmt.Appendf(nil, "key %06d", i)); err != nil {
						return err
					}
				}
				return nil
			})
			must(t, release())
			for range queue {
				if err := <-outcomes; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// seeOnly scans in both directions, with and without bounds, and counts.
func seeOnly(tx kv.Tx, want int) error {
	for _, end := range [][]byte{nil, []byte("key 000639x"), []byte("z")} {
		for _, reverse := range []bool{false, true} {
			n := 0
			for _, err := range tx.Scan(kv.Range{End: end, Limit: 10_000, Reverse: reverse}) {
				if err != nil {
					return err
				}
				n++
			}
			if n != want {
				return fmt.Errorf("scan to %q, reverse %t, sees %d keys, want %d", end, reverse, n, want)
			}
		}
	}
	return nil
}
