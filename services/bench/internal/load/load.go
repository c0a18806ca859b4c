// Package load makes calls in a closed loop: each caller makes its next call when the last one has
// returned.
package load

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Call makes one call and waits for its result.
type Call func(context.Context) error

// A Sample is the result of some seconds of load.
type Sample struct {
	// Calls is the number of calls that succeeded, and Errors the number of the others.
	Calls, Errors int
	// Err is the first error.
	Err error
	// Elapsed is the time from the first call to the end of the last one.
	Elapsed time.Duration
	// latencies are those of the calls that succeeded, in order.
	latencies []time.Duration
}

// Run makes calls for a time. Each caller has a Call of its own, and makes at least one call.
func Run(ctx context.Context, d time.Duration, callers []Call) Sample {
	results := make([]Sample, len(callers))
	begun := time.Now()
	end := begun.Add(d)
	var group sync.WaitGroup
	for i, call := range callers {
		group.Go(func() { results[i] = loop(ctx, end, call) })
	}
	group.Wait()
	sum := Sample{Elapsed: time.Since(begun)}
	for _, r := range results {
		sum.Calls += r.Calls
		sum.Errors += r.Errors
		sum.latencies = append(sum.latencies, r.latencies...)
		if sum.Err == nil {
			sum.Err = r.Err
		}
	}
	slices.Sort(sum.latencies)
	return sum
}

func loop(ctx context.Context, end time.Time, call Call) (s Sample) {
	begun := time.Now()
	for ctx.Err() == nil {
		err := call(ctx)
		now := time.Now()
		if err != nil {
			s.Errors++
			if s.Err == nil {
				s.Err = err
			}
		} else {
			s.Calls++
			s.latencies = append(s.latencies, now.Sub(begun))
		}
		if !now.Before(end) {
			break
		}
		begun = now
	}
	return s
}

// Rate returns the number of successful calls per second.
func (s Sample) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Calls) / s.Elapsed.Seconds()
}

// Percentile returns the latency that p percent of the calls did not exceed.
func (s Sample) Percentile(p float64) time.Duration { return percentile(s.latencies, p) }

// percentile returns the smallest value that at least p percent of the sorted values do not exceed
// (the nearest rank), or 0 without values.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(p / 100 * float64(len(sorted)))
	if float64(rank) < p/100*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Median returns the middle value, or the mean of the two in the middle. It returns 0 without
// values.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
