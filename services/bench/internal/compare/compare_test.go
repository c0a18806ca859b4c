package compare_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/load"
)

// recorder notes the order in which targets are called.
type recorder struct {
	mu    sync.Mutex
	order []string
	open  int
}

func (r *recorder) target(name string, result error) compare.Target {
	return compare.Target{Name: name, Connect: func(callers int) ([]load.Call, func(), error) {
		r.open++
		calls := make([]load.Call, callers)
		for i := range calls {
			calls[i] = func(context.Context) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.order) == 0 || r.order[len(r.order)-1] != name {
					r.order = append(r.order, name)
				}
				return result
			}
		}
		return calls, func() { r.open-- }, nil
	}}
}

func TestTargetsAreMeasuredInTurns(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	got, err := compare.Run(t.Context(), []compare.Target{r.target("a", nil), r.target("b", nil)}, 3,
		compare.Options{Rounds: 2, Round: 5 * time.Millisecond, WarmUp: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "a", "b", "a", "b"}; !slices.Equal(r.order, want) {
		t.Errorf("the targets were called in the order %v, want %v: once to warm up, and twice in turns", r.order, want)
	}
	if r.open != 0 {
		t.Errorf("%d targets are still connected", r.open)
	}
	for i, name := range []string{"a", "b"} {
		if f := got[i]; f.Target != name || f.Calls == 0 || f.Errors != 0 || f.Rate <= 0 || f.P99 < f.P50 {
			t.Errorf("figures of %s = %+v, want calls, a rate, and percentiles in order", name, f)
		}
	}
}

func TestErrorsOfCallsAreCountedAndTheFirstIsKept(t *testing.T) {
	t.Parallel()
	got, err := compare.Run(t.Context(), []compare.Target{new(recorder).target("a", errors.New("refused"))}, 1,
		compare.Options{Rounds: 1, Round: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if f := got[0]; f.Calls != 0 || f.Errors == 0 || f.Error != "refused" {
		t.Errorf("figures = %+v, want errors only", f)
	}
}

func TestATargetThatCannotConnectEndsTheRun(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	down := compare.Target{Name: "down", Connect: func(int) ([]load.Call, func(), error) { return nil, nil, refused }}
	r := new(recorder)
	if _, err := compare.Run(t.Context(), []compare.Target{r.target("a", nil), down}, 1, compare.Options{Rounds: 1}); !errors.Is(err, refused) {
		t.Errorf("Run = %v, want %v", err, refused)
	}
	if r.open != 0 {
		t.Errorf("%d targets are still connected", r.open)
	}
}
