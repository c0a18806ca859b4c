package turn_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/turn"
)

func take(t *testing.T, next turn.Turn, work int) func() {
	t.Helper()
	done, err := next(work)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestNoMoreWorkThanPlacesIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := turn.NewQueue(3)
		var now, most atomic.Int32
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				defer take(t, q.For(t.Context()), i)()
				at := now.Add(1)
				for seen := most.Load(); at > seen && !most.CompareAndSwap(seen, at); seen = most.Load() {
				}
				time.Sleep(time.Second) // of the bubble's clock
				now.Add(-1)
			})
		}
		all.Wait()
		if most.Load() != 3 || q.Waiting() != 0 {
			t.Errorf("%d at once, and %d wait at the end, want 3 and none", most.Load(), q.Waiting())
		}
	})
}

// order returns in which order works that come one after another are called while a first
// one is under way.
func order(t *testing.T, works ...int) []int {
	t.Helper()
	var called []int
	synctest.Test(t, func(t *testing.T) {
		q := turn.NewQueue(1)
		first := take(t, q.For(t.Context()), 0)
		var mutex sync.Mutex
		var all sync.WaitGroup
		for i, work := range works {
			all.Go(func() {
				defer take(t, q.For(t.Context()), work)()
				mutex.Lock()
				defer mutex.Unlock()
				called = append(called, i)
			})
			synctest.Wait()
		}
		first()
		all.Wait()
	})
	return called
}

func TestTheLighterGoFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		works, want []int
	}{
		{"a light one overtakes heavy ones", []int{2000, 2000, 30, 2000}, []int{2, 0, 1, 3}},
		{"equal ones keep their order", []int{7, 7, 7, 7}, []int{0, 1, 2, 3}},
	} {
		if diff := cmp.Diff(tt.want, order(t, tt.works...)); diff != "" {
			t.Errorf("%s: order (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A stream of lighter work does not keep a heavy one waiting for longer than its own
// amount.
func TestAHeavyOneIsDueInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := turn.NewQueue(1)
		done := take(t, q.For(t.Context()), 0)
		var called atomic.Bool
		go func() {
			defer take(t, q.For(t.Context()), 100)()
			called.Store(true)
		}()
		synctest.Wait()
		overtook := 0
		for ; !called.Load() && overtook < 1000; overtook++ {
			next := make(chan func())
			go func() { next <- take(t, q.For(t.Context()), 10) }()
			synctest.Wait() // it waits too
			done()
			done = <-next
		}
		done()
		if overtook > 12 {
			t.Errorf("%d works of 10 overtook one of 100", overtook)
		}
	})
}

func TestWhoGoesAwayLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := turn.NewQueue(1)
		done := take(t, q.For(t.Context()), 1)
		ctx, leave := context.WithCancel(t.Context())
		failed := make(chan error)
		for range 3 {
			go func() {
				_, err := q.For(ctx)(1)
				failed <- err
			}()
		}
		synctest.Wait()
		if q.Waiting() != 3 {
			t.Errorf("%d wait, want 3", q.Waiting())
		}
		leave()
		for range 3 {
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("a turn of who went away: %v", err)
			}
		}
		if _, err := q.For(ctx)(1); !errors.Is(err, context.Canceled) || q.Waiting() != 0 {
			t.Errorf("a turn of who is not there: %v, and %d wait", err, q.Waiting())
		}
		done()
		done() // once is all that counts
		second := take(t, q.For(t.Context()), 1)
		soon, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if _, err := q.For(soon)(1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second place of one: %v", err)
		}
		second()
	})
}

// Places are neither lost nor made where callers leave just as they are called.
func TestPlacesAreKeptWhateverHappens(t *testing.T) {
	t.Parallel()
	q := turn.NewQueue(2)
	var now atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, leave := context.WithCancel(t.Context())
			go leave()
			done, err := q.For(ctx)(i)
			if err != nil {
				return
			}
			if now.Add(1) > 2 {
				t.Error("more than two at once")
			}
			now.Add(-1)
			done()
		})
	}
	all.Wait()
	one, two := take(t, q.For(t.Context()), 1), take(t, q.For(t.Context()), 1)
	one()
	two()
}
