package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
)

// A meeting lets two functions overlap, if the store allows it: each waits until
// the other one arrives. A store that runs them one after the other never
// lets them meet, so they wait for a moment only.
type meeting struct {
	arrived atomic.Int32
	both    chan struct{}
}

func newMeeting() *meeting { return &meeting{both: make(chan struct{})} }

func (m *meeting) wait() {
	const patience = 20 * time.Millisecond
	if m.arrived.Add(1) == 2 {
		close(m.both)
	}
	select {
	case <-m.both:
	case <-time.After(patience):
	}
}

// together runs functions at the same time, in an update each.
func together(t *testing.T, s kv.Store, fns ...func(kv.Tx) error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, fn := range fns {
		wg.Go(func() {
			if err := s.Update(t.Context(), fn); err != nil {
				t.Errorf("Update = %v", err)
			}
		})
	}
	wg.Wait()
}

func viewIsSnapshot(t *testing.T, s *subject) {
	put(t, s, "a", "1", "b", "1")
	err := s.View(t.Context(), func(r kv.Reader) error {
		if _, err := r.Get([]byte("a")); err != nil {
			return err
		}
		written := make(chan error)
		go func() {
			written <- s.Update(context.WithoutCancel(t.Context()), func(tx kv.Tx) error { return putAll(tx, "b", "2", "c", "2") })
		}()
		if err := <-written; err != nil {
			return err
		}
		got, err := collect(r, all())
		if diff := cmp.Diff([]string{"a=1", "b=1"}, got); diff != "" {
			t.Errorf("a view after a commit (-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Errorf("View = %v", err)
	}
	if diff := cmp.Diff([]string{"a=1", "b=2", "c=2"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// viewSeesWhatReturned has callers read back what they have just written, while others write.
func viewSeesWhatReturned(t *testing.T, s *subject) {
	const callers, times = 8, 30
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			key := fmt.Sprintf("k%d", caller)
			for n := 1; n <= times; n++ {
				if err := s.Update(t.Context(), func(tx kv.Tx) error { return putAll(tx, key, strconv.Itoa(n)) }); err != nil {
					t.Errorf("Update = %v", err)
				}
				err := s.View(t.Context(), func(r kv.Reader) error {
					if got, err := number(r, key); got != n || err != nil {
						t.Errorf("a view after update %d of %s sees %d, %v", n, key, got, err)
					}
					return nil
				})
				if err != nil {
					t.Errorf("View = %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// updateIsAtomicToViews moves an amount between two keys while views add them up.
func updateIsAtomicToViews(t *testing.T, s *subject) {
	const total, moves = 100, 100
	put(t, s, "a", strconv.Itoa(total), "b", "0")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop()
		for range moves {
			err := s.Update(t.Context(), func(tx kv.Tx) error {
				return errors.Join(add(tx, "a", -1), add(tx, "b", 1))
			})
			if err != nil {
				t.Errorf("Update = %v", err)
			}
		}
	})
	for ctx.Err() == nil {
		err := s.View(t.Context(), func(r kv.Reader) error {
			a, errA := number(r, "a")
			b, errB := number(r, "b")
			if a+b != total {
				t.Errorf("a view sees %d and %d, which is not %d together", a, b, total)
			}
			return errors.Join(errA, errB)
		})
		if err != nil {
			t.Errorf("View = %v", err)
		}
	}
	wg.Wait()
}

// number reads a number; a missing one is 0.
func number(r kv.Reader, key string) (int, error) {
	v, err := r.Get([]byte(key))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(v))
}

func add(tx kv.Tx, key string, n int) error {
	before, err := number(tx, key)
	if err != nil {
		return err
	}
	return putAll(tx, key, strconv.Itoa(before+n))
}

func incrementsAllCount(t *testing.T, s *subject) {
	const callers, times = 16, 20
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range times {
				if err := s.Update(t.Context(), func(tx kv.Tx) error { return add(tx, "n", 1) }); err != nil {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{fmt.Sprintf("n=%d", callers*times)}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// noPhantomInsert has updates number their inserts by the present count: if one
// misses an insert of another, two get the same number.
func noPhantomInsert(t *testing.T, s *subject) {
	meet := newMeeting()
	insert := func(tx kv.Tx) error {
		there, err := collect(tx, kv.Prefix([]byte("k"), 100))
		if err != nil {
			return err
		}
		meet.wait()
		return putAll(tx, fmt.Sprintf("k%d", len(there)), "")
	}
	together(t, s, insert, insert)
	if diff := cmp.Diff([]string{"k0=", "k1="}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

// noPhantomDelete has two updates delete a key each, unless it is the last one.
func noPhantomDelete(t *testing.T, s *subject) {
	put(t, s, "k0", "", "k1", "")
	meet := newMeeting()
	deleteUnlessLast := func(key string) func(kv.Tx) error {
		return func(tx kv.Tx) error {
			there, err := collect(tx, kv.Prefix([]byte("k"), 100))
			if err != nil {
				return err
			}
			meet.wait()
			if len(there) == 1 {
				return nil
			}
			return tx.Delete([]byte(key))
		}
	}
	together(t, s, deleteUnlessLast("k0"), deleteUnlessLast("k1"))
	if got := contents(t, s); len(got) != 1 {
		t.Errorf("%q are left, want one key", got)
	}
}

// noWriteSkew has two updates read both keys and write one each: unless one of them
// sees the other's write, both find the sum too small to stop.
func noWriteSkew(t *testing.T, s *subject) {
	put(t, s, "a", "0", "b", "0")
	meet := newMeeting()
	addUpTo1 := func(key string) func(kv.Tx) error {
		return func(tx kv.Tx) error {
			a, errA := number(tx, "a")
			b, errB := number(tx, "b")
			meet.wait()
			if err := errors.Join(errA, errB); err != nil || a+b >= 1 {
				return err
			}
			return putAll(tx, key, "1")
		}
	}
	together(t, s, addUpTo1("a"), addUpTo1("b"))
	got := contents(t, s)
	if !cmp.Equal(got, []string{"a=0", "b=1"}) && !cmp.Equal(got, []string{"a=1", "b=0"}) {
		t.Errorf("contents = %q, want exactly one 1", got)
	}
}
