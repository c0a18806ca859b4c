// Package compare measures several servers in turns, so that other load of the machine affects all
// of them.
package compare

import (
	"context"
	"fmt"
	"time"

	"github.com/keyward/keyward/services/bench/internal/load"
	"github.com/keyward/keyward/services/bench/internal/program"
)

// A Target is a server, or code in this process, that is measured.
type Target struct {
	// Name is the name of the target in a report.
	Name string
	// Programs are the processes whose cost counts. Without one, this process's does.
	Programs []*program.Program
	// Connect returns callers and a function that disconnects them.
	Connect func(callers int) ([]load.Call, func(), error)
}

// Options are the times of a measurement.
type Options struct {
	// Rounds is the number of rounds, of which figures are medians.
	Rounds int
	// Round is the duration of a round, and WarmUp that of the load before the first one.
	Round, WarmUp time.Duration
}

// Figures are what a target achieved: medians over the rounds.
type Figures struct {
	// Target is the name of the target.
	Target string `json:"target"`
	// Calls is the number of successful calls, and Errors that of the others, in all rounds.
	Calls  int `json:"calls"`
	Errors int `json:"errors"`
	// Error is the first error.
	Error string `json:"error,omitempty"`
	// Rate is the number of calls per second.
	Rate float64 `json:"calls_per_second"`
	// P50 and P99 are percentiles of the latency.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	// CPU is the time that the processes spent for a call, in user mode and in the kernel.
	CPU time.Duration `json:"cpu_ns_per_call"`
	// Written is the number of bytes written to the disk for a call, or -1 if it is unknown.
	Written float64 `json:"bytes_written_per_call"`
	// Allocations is the number of objects allocated for a call, or 0 if it is unknown.
	Allocations float64 `json:"allocations_per_call"`
	// Memory is the anonymous memory of the processes in bytes after the last round.
	Memory int64 `json:"anonymous_memory_bytes"`
}

// Run measures targets with a number of callers.
func Run(ctx context.Context, targets []Target, callers int, opts Options) ([]Figures, error) {
	benches := make([]*bench, len(targets))
	for i, target := range targets {
		calls, disconnect, err := target.Connect(callers)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", target.Name, err)
		}
		defer disconnect()
		benches[i] = &bench{target: target, calls: calls}
		if warm := load.Run(ctx, opts.WarmUp, calls); warm.Err != nil {
			benches[i].failed(warm)
		}
	}
	for range opts.Rounds {
		for _, b := range benches {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := b.round(ctx, opts.Round); err != nil {
				return nil, fmt.Errorf("measure %s: %w", b.target.Name, err)
			}
		}
	}
	figures := make([]Figures, len(benches))
	for i, b := range benches {
		figures[i] = b.figures()
	}
	return figures, nil
}

// A bench is a target under measurement. The slices have an element for each round.
type bench struct {
	target Target
	calls  []load.Call

	sum                                  Figures
	rate, p50, p99, cpu, written, allocs []float64
}

func (b *bench) failed(s load.Sample) {
	b.sum.Errors += s.Errors
	if b.sum.Error == "" && s.Err != nil {
		b.sum.Error = s.Err.Error()
	}
}

// round measures one round.
func (b *bench) round(ctx context.Context, d time.Duration) error {
	before, err := b.usage(ctx)
	if err != nil {
		return err
	}
	s := load.Run(ctx, d, b.calls)
	after, err := b.usage(ctx)
	if err != nil {
		return err
	}
	b.sum.Calls += s.Calls
	b.failed(s)
	b.sum.Memory = after.Memory
	calls := float64(max(s.Calls, 1))
	b.rate = append(b.rate, s.Rate())
	b.p50 = append(b.p50, float64(s.Percentile(50)))
	b.p99 = append(b.p99, float64(s.Percentile(99)))
	b.cpu = append(b.cpu, float64(after.CPU-before.CPU)/calls)
	b.allocs = append(b.allocs, (after.Allocations-before.Allocations)/calls)
	if before.Written >= 0 && after.Written >= 0 {
		b.written = append(b.written, float64(after.Written-before.Written)/calls)
	}
	return nil
}

// usage returns the sum of what the processes have used.
func (b *bench) usage(ctx context.Context) (sum program.Usage, err error) {
	if len(b.target.Programs) == 0 {
		return program.Own()
	}
	for _, p := range b.target.Programs {
		u, err := p.Usage(ctx)
		if err != nil {
			return sum, err
		}
		sum.CPU += u.CPU
		sum.Memory += u.Memory
		sum.Allocations += u.Allocations
		if u.Written < 0 || sum.Written < 0 {
			sum.Written = -1
		} else {
			sum.Written += u.Written
		}
	}
	return sum, nil
}

func (b *bench) figures() Figures {
	f := b.sum
	f.Target = b.target.Name
	f.Rate = load.Median(b.rate)
	f.P50, f.P99 = time.Duration(load.Median(b.p50)), time.Duration(load.Median(b.p99))
	f.CPU = time.Duration(load.Median(b.cpu))
	f.Allocations = load.Median(b.allocs)
	f.Written = -1
	if len(b.written) > 0 {
		f.Written = load.Median(b.written)
	}
	return f
}
