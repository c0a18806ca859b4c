package slowwork_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

func begin(t *testing.T, next slowwork.Turn, now, later int) {
	t.Helper()
	if err := next.Begin(now, later); err != nil {
		t.Error(err)
	}
}

func TestNoMoreWorkThanPlacesIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(3)
		var now, most atomic.Int32
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				next := q.For(t.Context(), slowwork.Share{Workspace: fmt.Sprint(i % 5)})
				for range 2 {
					begin(t, next, i, 0)
					at := now.Add(1)
					for seen := most.Load(); at > seen && !most.CompareAndSwap(seen, at); seen = most.Load() {
					}
					time.Sleep(time.Second) // of the bubble's clock
					now.Add(-1)
				}
				next.End()
				next.End() // to no effect
			})
		}
		all.Wait()
		if most.Load() != 3 || q.Waiting() != 0 {
			t.Errorf("%d at once, and %d wait at the end, want 3 and 0", most.Load(), q.Waiting())
		}
	})
}

// A job is a message of so many pieces.
type job struct {
	workspace, endpoint string
	pieces, work        int
}

// order returns the pieces of jobs in the order in which they are done. The jobs arrive one
// after another while a first one is in progress.
func order(t *testing.T, jobs ...job) (done []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(1)
		first := q.For(t.Context(), slowwork.Share{Workspace: "first"})
		begin(t, first, 0, 0)
		var mutex sync.Mutex
		var all sync.WaitGroup
		for _, j := range jobs {
			all.Go(func() {
				next := q.For(t.Context(), slowwork.Share{Workspace: j.workspace, Endpoint: j.endpoint})
				for left := j.pieces - 1; left >= 0; left-- {
					begin(t, next, j.work, left*j.work)
					mutex.Lock()
					done = append(done, j.workspace+j.endpoint)
					mutex.Unlock()
				}
				next.End()
			})
			synctest.Wait()
		}
		first.End()
		all.Wait()
	})
	return done
}

func TestWorkIsSharedOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		jobs []job
		want []string
	}{
		{
			"the messages of an endpoint are done one after another",
			[]job{{"a", "1", 2, 10}, {"a", "1", 2, 10}},
			[]string{"a1", "a1", "a1", "a1"},
		},
		{
			"workspaces take turns, however much one has queued",
			[]job{{"a", "1", 3, 10}, {"a", "1", 3, 10}, {"b", "1", 3, 10}},
			[]string{"a1", "b1", "a1", "b1", "a1", "b1", "a1", "a1", "a1"},
		},
		{
			"a workspace has no more for having more endpoints",
			[]job{{"a", "1", 1, 10}, {"a", "2", 1, 10}, {"a", "3", 1, 10}, {"b", "1", 3, 10}},
			[]string{"a1", "b1", "a2", "b1", "a3", "b1"},
		},
		{
			"endpoints of a workspace take turns",
			[]job{{"a", "1", 3, 10}, {"a", "2", 3, 10}},
			[]string{"a1", "a2", "a1", "a2", "a1", "a2"},
		},
		{
			"shares are of work, not of pieces",
			[]job{{"a", "1", 2, 30}, {"b", "1", 6, 10}},
			[]string{"a1", "b1", "b1", "b1", "a1", "b1", "b1", "b1"},
		},
	} {
		if diff := cmp.Diff(tt.want, order(t, tt.jobs...)); diff != "" {
			t.Errorf("%s: order (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Regardless of the messages that one workspace has queued, another workspace waits for one of
// its pieces before each of its own.
func TestALightWorkspaceIsNotDelayedByAHeavyOne(t *testing.T) {
	t.Parallel()
	const piece = 50_000
	for _, messages := range []int{1, 24, 500} {
		var jobs []job
		for i := range messages {
			jobs = append(jobs, job{"heavy", fmt.Sprint(i % 5), 200, piece})
		}
		done := order(t, append(jobs, job{"light", "", 12, piece})...)
		last := len(done) - 1
		for ; done[last] != "light"; last-- {
		}
		if last > 24 {
			t.Errorf("with %d other messages: %d pieces were done before the 12 of another workspace", messages, last)
		}
	}
}

// Work that was done for a workspace while it was alone does not count against it, and unused
// shares are not saved up.
func TestTheTimeAloneDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(1)
		alone := q.For(t.Context(), slowwork.Share{Workspace: "a"})
		for range 100 {
			begin(t, alone, 10, 0)
		}
		var mutex sync.Mutex
		var done []string
		var all sync.WaitGroup
		for _, workspace := range []string{"a", "b"} {
			all.Go(func() {
				next := q.For(t.Context(), slowwork.Share{Workspace: workspace})
				for range 4 {
					begin(t, next, 10, 0)
					mutex.Lock()
					done = append(done, workspace)
					mutex.Unlock()
				}
				next.End()
			})
			synctest.Wait()
		}
		alone.End()
		all.Wait()
		if at := slices.Index(done, "a"); at < 0 || at > 2 {
			t.Errorf("order %q: the workspace that was alone waits for %d pieces", done, at)
		}
	})
}

// A clock lets a million units of work take one second.
func worked(next slowwork.Turn, pieces int) error {
	for left := pieces - 1; left >= 0; left-- {
		if err := next.Begin(100_000, left*100_000); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // of the bubble's clock
	}
	next.End()
	return nil
}

// Of many messages at once, those that can be done in time are, the others are refused
// at once, and nothing is done for those.
func TestWhatCannotBeDoneInTimeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(1)
		learn := q.For(t.Context(), slowwork.Share{})
		if err := worked(learn, 200); err != nil { // how fast this machine is
			t.Fatal(err)
		}
		var done, refused, late atomic.Int32
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second) // the sixth would need 12
				defer cancel()
				err := worked(q.For(ctx, slowwork.Share{Workspace: "a", Endpoint: fmt.Sprint(i % 3)}), 20)
				var refusal *slowwork.LateError
				switch took := time.Since(begun); {
				case err == nil:
					done.Add(1)
				case errors.As(err, &refusal) && refusal.Wait >= time.Second && took == 0:
					refused.Add(1)
				default:
					late.Add(1)
					t.Logf("after %v: %v", took, err)
				}
			})
		}
		all.Wait()
		// Another endpoint's share may run before an admitted message, which is then late.
		if done.Load() < 4 || done.Load() > 5 || late.Load() > 1 {
			t.Errorf("%d done, %d refused at once, %d late; want 4 or 5 of 2 s in the 11 s, and one late at most",
				done.Load(), refused.Load(), late.Load())
		}
		if err := worked(q.For(t.Context(), slowwork.Share{Workspace: "a"}), 200); err != nil {
			t.Errorf("without a deadline: %v", err)
		}
	})
}

// A message of another workspace is done in time, though the queue is full.
func TestAFullQueueRefusesOnlyTheWorkspaceThatFilledIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(1)
		if err := worked(q.For(t.Context(), slowwork.Share{}), 200); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() { _ = worked(q.For(ctx, slowwork.Share{Workspace: "a"}), 20) })
		}
		synctest.Wait()
		begun := time.Now()
		if err := worked(q.For(ctx, slowwork.Share{Workspace: "b"}), 6); err != nil {
			t.Errorf("another workspace: %v", err)
		}
		if took := time.Since(begun); took > 1500*time.Millisecond {
			t.Errorf("another workspace's 0.6 s took %v", took)
		}
		all.Wait()
	})
}

func TestCanceledCallersLeaveTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := slowwork.NewQueue(1)
		first := q.For(t.Context(), slowwork.Share{})
		begin(t, first, 1, 0)
		ctx, leave := context.WithCancel(t.Context())
		failed := make(chan error)
		for range 3 {
			go func() { failed <- q.For(ctx, slowwork.Share{}).Begin(1, 0) }()
		}
		synctest.Wait()
		if q.Waiting() != 3 {
			t.Errorf("%d wait, want 3", q.Waiting())
		}
		leave()
		for range 3 {
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("a turn of a caller that went away: %v", err)
			}
		}
		if err := q.For(ctx, slowwork.Share{}).Begin(1, 0); !errors.Is(err, context.Canceled) || q.Waiting() != 0 {
			t.Errorf("a turn of a caller that is gone: %v, and %d wait", err, q.Waiting())
		}
		first.End()
		first.End() // once is all that counts
		second := q.For(t.Context(), slowwork.Share{})
		begin(t, second, 1, 0)
		soon, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if err := q.For(soon, slowwork.Share{}).Begin(1, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second place of one: %v", err)
		}
		second.End()
	})
}

// Places are neither lost nor created when callers leave at the moment of their turn.
func TestNoPlaceIsLost(t *testing.T) {
	t.Parallel()
	q := slowwork.NewQueue(2)
	var now atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, leave := context.WithCancel(t.Context())
			go leave()
			next := q.For(ctx, slowwork.Share{Workspace: fmt.Sprint(i % 3), Endpoint: fmt.Sprint(i % 2)})
			defer next.End()
			for range 3 {
				if next.Begin(i, 2*i) != nil {
					return
				}
				if now.Add(1) > 2 {
					t.Error("more than two at once")
				}
				now.Add(-1)
			}
		})
	}
	all.Wait()
	one, two := q.For(t.Context(), slowwork.Share{}), q.For(t.Context(), slowwork.Share{})
	begin(t, one, 1, 0)
	begin(t, two, 1, 0)
	one.End()
	two.End()
}
