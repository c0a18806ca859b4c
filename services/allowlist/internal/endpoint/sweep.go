package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// Intervals are the intervals of the background tasks.
type Intervals struct {
	// Sweep is the time between two checks for intents that crashes left, and for due proofs.
	Sweep time.Duration
	// Reconcile is the time between two comparisons with the vault. A comparison also runs whenever
	// the vault was restarted or restored. Zero disables periodic comparisons.
	Reconcile time.Duration
	// Retry is the longest wait before a failed task is tried again.
	Retry time.Duration
}

// DefaultIntervals are the intervals of a server.
func DefaultIntervals() Intervals {
	return Intervals{Sweep: 10 * time.Second, Reconcile: time.Hour, Retry: 5 * time.Second}
}

// Run runs the background tasks until the context ends, and for a second more at most: it sweeps,
// unbinds, reconciles, checks proofs, compares senders, and switches off endpoints that lost a
// secret.
func (r *Registry) Run(ctx context.Context, every Intervals) {
	var tasks sync.WaitGroup
	tasks.Go(func() { r.runUnbind(ctx, every) })
	tasks.Go(func() { r.runProofs(ctx, every) })
	tasks.Go(func() { r.runDeleted(ctx, every) })
	tasks.Go(func() { r.runSenders(ctx, every) })
	if every.Reconcile > 0 {
		tasks.Go(func() { r.runReconcile(ctx, every) })
	}
	r.runSweep(ctx, every)
	tasks.Wait()
}

func (r *Registry) runSweep(ctx context.Context, every Intervals) {
	for wait(ctx, every.Sweep, nil) {
		r.logFailure(ctx, "sweep", r.Sweep(ctx))
		r.logFailure(ctx, "forget uses", r.ForgetUses(ctx))
		r.logFailure(ctx, "forget trials", r.forgetTrials(ctx))
		r.warnOfLegacy(ctx)
	}
}

func (r *Registry) runUnbind(ctx context.Context, every Intervals) {
	failures := 0
	for {
		next, err := r.Unbind(ctx)
		r.logFailure(ctx, "unbind", err)
		pause := every.Sweep // a lost kick loses nothing: the queue is read anyway
		kick := r.kick
		switch {
		case err != nil:
			// If the vault is down, new saves do not trigger another attempt.
			failures, kick = failures+1, nil
			pause = backOff(failures, every.Retry)
		case !next.IsZero():
			failures = 0
			pause = min(pause, max(next.Sub(r.now()), time.Millisecond))
		default:
			failures = 0
		}
		if !wait(ctx, pause, kick) {
			r.unbindLast(ctx)
			return
		}
	}
}

// lastUnbind is the time limit of the last unbinding. The vault may have stopped already.
const lastUnbind = time.Second

// unbindLast gives up the bindings that are due when the service stops. Otherwise they would block
// the deletion of their secrets until it starts again. The next start does the rest.
func (r *Registry) unbindLast(ctx context.Context) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), lastUnbind)
	defer done()
	if _, err := r.Unbind(ctx); !vaultclient.Unavailable(err) {
		r.logFailure(ctx, "unbind", err)
	}
}

func (r *Registry) runReconcile(ctx context.Context, every Intervals) {
	failures := 0
	for {
		found, err := r.Repair(ctx)
		r.logFailure(ctx, "reconcile", err)
		if found > 0 {
			r.logger.WarnContext(ctx, "references and bindings differed and were repaired", slog.Int("repairs", found))
		}
		pause := every.Reconcile
		if failures++; err == nil {
			failures = 0
		} else {
			pause = min(pause, backOff(failures, every.Retry))
		}
		if !wait(ctx, pause, r.restarted) {
			return
		}
	}
}

// backOff returns the wait after a number of failures in a row: 100 ms, doubled each time, at most
// the limit.
func backOff(failures int, limit time.Duration) time.Duration {
	const first = 100 * time.Millisecond
	if failures > bits.Len64(uint64(limit/first)) {
		return limit
	}
	return min(first<<(failures-1), limit)
}

// wait returns true when the time has passed or a kick arrives, and false when the context has
// ended.
func wait(ctx context.Context, d time.Duration, kick <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-kick:
	}
	return true
}

// Sweep cancels the intents that are older than the maximum time of a save. It changes only the
// own store; the unbinding follows.
func (r *Registry) Sweep(ctx context.Context) error { return r.sweep(ctx, r.overdue) }

func (r *Registry) sweep(ctx context.Context, dead func(intent) bool) error {
	var failures []error
	start := []byte(intentSpace())
	for {
		seen, overdue, last, err := r.intents(ctx, start, dead)
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		for _, operation := range overdue {
			if err := r.cancel(ctx, operation); err != nil {
				failures = append(failures, fmt.Errorf("cancel intent: %w", err))
			}
		}
		if seen < batch {
			return errors.Join(failures...)
		}
		start = append(last, 0)
	}
}

// intents reads a batch of intents and returns the dead ones.
func (r *Registry) intents(ctx context.Context, start []byte, dead func(intent) bool) (seen int, operations []string, last []byte, err error) {
	within := kv.Range{Start: start, End: kv.After(intentSpace()), Limit: batch}
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		for pair, err := range reader.Scan(within) {
			if err != nil {
				return fmt.Errorf("scan intents: %w", err)
			}
			seen, last = seen+1, pair.Key
			i, err := decodeIntent(pair.Value)
			if err != nil {
				return err
			}
			operation, err := lastText(intentSpace(), pair.Key)
			if err != nil {
				return err
			}
			if dead(i) {
				operations = append(operations, operation)
			}
		}
		return nil
	})
	return seen, operations, last, err
}
