package rewrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
)

// run runs the operation to its end, if it is running.
func (o *Operation) run(ctx context.Context) error {
	r := run{Operation: o, saved: time.Now()}
	for {
		s, _ := o.State()
		if s.Phase != IsRunning {
			return nil
		}
		if s.Key != o.Primary() {
			if _, err := o.advance(ctx, s.serial, true, func(s *State) { s.restart(o.Primary()) }); err != nil {
				return err
			}
			continue
		}
		complete, err := r.pass(ctx, s)
		if err != nil {
			return err
		}
		if !complete {
			continue
		}
		if err := r.finish(ctx, s.serial); err != nil {
			return err
		}
	}
}

// restart begins the operation again for another primary key.
func (s *State) restart(key string) {
	s.Key, s.position, s.Done, s.Total, s.Failed = key, nil, 0, 0, 0
}

// A run is the operation since the start of the program, or of the operation.
type run struct {
	*Operation

	saved    time.Time
	reported bool
}

// pass continues a pass to its end. It reports false if the operation ended or starts over.
func (r *run) pass(ctx context.Context, s State) (complete bool, err error) {
	if s.position == nil {
		total, err := r.Secrets.Count(ctx)
		if err != nil {
			return false, err
		}
		failed, err := r.rewrapSealing(ctx)
		if err != nil {
			return false, err
		}
		if _, err := r.advance(ctx, s.serial, false, func(s *State) { s.Total, s.Done, s.Failed = total, 0, failed }); err != nil {
			return false, err
		}
	}
	for position := s.position; r.Primary() == s.Key; {
		begin := time.Now()
		step, err := r.Secrets.RewrapSome(ctx, position, batchOf(s.Rate))
		if err != nil {
			return false, err
		}
		failpoint.Hit(failpoint.RewrapStepped)
		r.report(ctx, step.Err)
		store := time.Since(r.saved) > saveEvery
		if store {
			r.saved = time.Now()
		}
		running, err := r.advance(ctx, s.serial, store, func(s *State) {
			s.Done, s.Rewrapped, s.Failed = s.Done+uint64(step.Secrets), s.Rewrapped+uint64(step.Rewrapped), s.Failed+uint64(step.Failed)
			s.position = step.Next
		})
		if err != nil || !running {
			return false, err
		}
		if position = step.Next; position == nil {
			return true, nil
		}
		if err := pace(ctx, time.Since(begin), step.Secrets, s.Rate); err != nil {
			return false, err
		}
	}
	return false, nil
}

// rewrapSealing seals the key pairs of sealed values again. It returns 1 if one of them does not open.
func (r *run) rewrapSealing(ctx context.Context) (failed uint64, err error) {
	err = r.Secrets.RewrapSealing(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, kv.ErrClosed) || errors.Is(err, kv.ErrOverloaded) || errors.Is(err, kv.ErrFull) {
		return 0, err
	}
	r.Logger.WarnContext(ctx, "the key pairs of sealed values do not open; they depend on an earlier key", slog.Any("error", err))
	return 1, nil
}

// batchOf returns the number of secrets that a step examines: at most as many as the rate allows in a
// short time, so that the operation notices soon when it is canceled.
func batchOf(rate uint32) int { return int(min(max(rate/4, 1), maxBatch)) }

// pace waits after a step, so that the operation keeps to its rate and its share of the time.
func pace(ctx context.Context, took time.Duration, secrets int, rate uint32) error {
	least := time.Duration(float64(secrets) / float64(rate) * float64(time.Second))
	pause := min(time.Duration(float64(took)*(1/share-1)), maxPause)
	return wait(ctx, max(least-took, pause))
}

// wait waits, or returns the error of a context that ends before.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// report reports the first error about stored data.
func (r *run) report(ctx context.Context, err error) {
	if err == nil || r.reported || r.Report == nil {
		return
	}
	r.reported = true
	r.Report(ctx, err)
}

// finish ends the operation after a pass, unless something still depends on another key.
func (r *run) finish(ctx context.Context, serial int) error {
	s, _ := r.State()
	if s.Failed > 0 {
		_, err := r.end(ctx, changelog.Author{}, Failed, IsFailed, serial)
		return err
	}
	failpoint.Hit(failpoint.RewrapPassed)
	counts, err := r.Secrets.DependsOn(ctx)
	if err != nil {
		return fmt.Errorf("count dependents: %w", err)
	}
	if r.Primary() != s.Key {
		return nil // it starts over
	}
	if delete(counts, s.Key); len(counts) > 0 {
		return wait(ctx, again) // before another pass
	}
	failpoint.Hit(failpoint.RewrapCounted)
	_, err = r.end(ctx, changelog.Author{}, Done, IsDone, serial)
	return err
}
