package quota_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

// clock stands still until a test moves it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(1_700_000_000, c.ahead.Load()) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func limiter(t *testing.T, l quota.Limits) (*quota.Limiter, *clock) {
	t.Helper()
	c := new(clock)
	limiter, err := quota.New(l, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return limiter, c
}

// wait returns the time that a refusal asks to wait, and fails the test for any other error.
func wait(t *testing.T, err error) time.Duration {
	t.Helper()
	f, ok := fault.From(err)
	if !ok || f.Kind != fault.ResourceExhausted || f.Reason != fault.RateLimited || f.RetryAfter <= 0 {
		t.Fatalf("got %v, want RATE_LIMITED with a time to wait", err)
	}
	return f.RetryAfter
}

func TestRequestsBeyondTheBurstAreRefusedUntilTheRateMakesRoom(t *testing.T) {
	t.Parallel()
	l, c := limiter(t, quota.Limits{Rate: 10, Burst: 3})
	for n := range 3 {
		if err := l.Spend("ada"); err != nil {
			t.Fatalf("request %d of a burst of 3 = %v", n+1, err)
		}
	}
	again := wait(t, l.Spend("ada"))
	if again != 100*time.Millisecond {
		t.Errorf("told to wait %v, want the 100 ms that a request takes at 10 a second", again)
	}
	c.advance(again)
	if err := l.Spend("ada"); err != nil {
		t.Errorf("after the time that was told: %v", err)
	}
	wait(t, l.Spend("ada"))
}

func TestCallersDoNotFeelEachOther(t *testing.T) {
	t.Parallel()
	l, _ := limiter(t, quota.Limits{Rate: 1, Burst: 1, Concurrent: 1})
	for _, caller := range []string{"ada", "bob"} {
		if _, err := l.Enter(caller); err != nil {
			t.Errorf("Enter(%s) = %v", caller, err)
		}
		if err := l.Spend(caller); err != nil {
			t.Errorf("Spend(%s) = %v", caller, err)
		}
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	l, _ := limiter(t, quota.Limits{Concurrent: 2})
	visit, err := l.Enter("ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Enter("ada"); err != nil {
		t.Fatal(err)
	}
	_, err = l.Enter("ada")
	wait(t, err)
	visit.Leave()
	if _, err := l.Enter("ada"); err != nil {
		t.Errorf("Enter() after one left = %v", err)
	}
}

func TestNeverMoreUnderWayThanAllowed(t *testing.T) {
	t.Parallel()
	l, _ := limiter(t, quota.Limits{Concurrent: 5})
	var underway, most atomic.Int64
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			for range 200 {
				visit, err := l.Enter("ada")
				if err != nil {
					continue
				}
				n := underway.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				underway.Add(-1)
				visit.Leave()
			}
		})
	}
	callers.Wait()
	if most.Load() > 5 {
		t.Errorf("%d requests were under way, want at most 5", most.Load())
	}
	for range 5 {
		if _, err := l.Enter("ada"); err != nil {
			t.Errorf("Enter() after all have left = %v", err)
		}
	}
}

func TestProbeTakesNothing(t *testing.T) {
	t.Parallel()
	l, _ := limiter(t, quota.Limits{Rate: 1, Burst: 2})
	for range 10 {
		if err := l.Probe("ada"); err != nil {
			t.Fatalf("Probe() = %v with all of the allowance left", err)
		}
	}
	for range 2 {
		if err := l.Spend("ada"); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, l.Probe("ada"))
}

func TestZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	unlimited, _ := limiter(t, quota.Limits{})
	for _, l := range []*quota.Limiter{nil, unlimited} {
		for range 10_000 {
			if _, err := l.Enter("ada"); err != nil {
				t.Fatal(err)
			}
			if err := l.Spend("ada"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTheTableOfCallersIsBounded(t *testing.T) {
	t.Parallel()
	l, _ := limiter(t, quota.Limits{Rate: 1, Burst: 1})
	if err := l.Spend("first"); err != nil {
		t.Fatal(err)
	}
	for n := range 10_000 {
		if err := l.Spend(fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Spend("first"); err != nil {
		t.Errorf("Spend() = %v for a caller who was idle the longest, want that it begins anew", err)
	}
}

func TestNegativeLimitsAreRefused(t *testing.T) {
	t.Parallel()
	for _, l := range []quota.Limits{{Rate: -1}, {Burst: -1}, {Concurrent: -1}, {Burst: 5}} {
		if _, err := quota.New(l, time.Now); err == nil {
			t.Errorf("New(%+v) = nil, want an error", l)
		}
	}
}

func BenchmarkSpendAndEnter(b *testing.B) {
	l, err := quota.New(quota.Limits{Rate: 1e9, Concurrent: 1 << 30}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			visit, err := l.Enter("ada")
			if err != nil {
				b.Fatal(err)
			}
			if err := visit.Spend(); err != nil {
				b.Fatal(err)
			}
			visit.Leave()
		}
	})
}
