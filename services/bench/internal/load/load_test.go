package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	ten := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, tt := range []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{"no values", nil, 50, 0},
		{"one value is every percentile", []time.Duration{7}, 99, 7},
		{"half of ten values do not exceed the fifth", ten, 50, 5},
		{"more than half need the sixth", ten, 51, 6},
		{"the 99th percentile of ten values is the greatest", ten, 99, 10},
		{"the greatest", ten, 100, 10},
		{"the smallest", ten, 0, 1},
	} {
		if got := percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("%s: percentile(%v, %v) = %v, want %v", tt.name, tt.sorted, tt.p, got, tt.want)
		}
	}
}

func TestMedianDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(tt.values); got != tt.want {
			t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestCallersMakeOneCallAtATimeAndErrorsAreCounted(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	const callers, each = 4, 100
	calls := make([]Call, callers)
	for i := range calls {
		var pending, made atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		calls[i] = func(context.Context) error {
			if pending.Add(1) != 1 {
				t.Error("a caller made a second call before the first had returned")
			}
			defer pending.Add(-1)
			switch n := made.Add(1); {
			case n > each:
				stop()
				<-ctx.Done()
				return context.Canceled
			case n%2 == 0:
				return wrong
			}
			return nil
		}
	}
	got := Run(t.Context(), 50*time.Millisecond, calls)
	if got.Calls < callers || got.Errors < callers || got.Err == nil {
		t.Errorf("Run = %d calls, %d errors, %v; want some of both", got.Calls, got.Errors, got.Err)
	}
	if got.Rate() <= 0 || len(got.latencies) != got.Calls {
		t.Errorf("Run = rate %v with %d latencies, want one for each of %d calls", got.Rate(), len(got.latencies), got.Calls)
	}
}
