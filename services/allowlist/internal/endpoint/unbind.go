package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// batch is the maximum number of records that one scan of the store reads.
const batch = 256

// unbinding is an entry of the queue: the bindings of one operation that are no
// longer needed. It stays until the vault has confirmed.
type unbinding struct {
	Secrets []string
	// Rounds is the number of remaining rounds of unbinding.
	Rounds int
	// NotBefore is the time when the next round is due.
	NotBefore time.Time
}

// release queues the bindings of a replaced state of an endpoint, unless the next state, saved by
// the given operation, still depends on them.
func (r *Registry) release(tx kv.Tx, old *Endpoint, next string) error {
	if old == nil || old.Operation == "" || old.Operation == next {
		return nil
	}
	needs := make([]Need, 0, len(old.References))
	for _, reference := range old.References {
		needs = append(needs, reference.Need)
	}
	return r.enqueue(tx, old.Operation, unbinding{Secrets: secretsOf(needs), Rounds: 1, NotBefore: r.now()})
}

// retire turns an intent, if it still exists, into an entry of the queue.
func (r *Registry) retire(tx kv.Tx, operation string) error {
	i, err := readIntent(tx, operation)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.Delete(intentKey(operation)); err != nil {
		return fmt.Errorf("delete intent: %w", err)
	}
	return r.enqueue(tx, operation, unbinding{Secrets: i.Secrets, Rounds: 2, NotBefore: r.now()})
}

func (r *Registry) cancel(ctx context.Context, operation string) error {
	err := r.kv.Update(ctx, func(tx kv.Tx) error { return r.retire(tx, operation) })
	r.wake()
	return err
}

func (r *Registry) enqueue(tx kv.Tx, operation string, u unbinding) error {
	value, err := encode(u.record())
	if err != nil {
		return err
	}
	if err := tx.Put(unbindKey(operation), value); err != nil {
		return fmt.Errorf("queue unbinding: %w", err)
	}
	return nil
}

// wake notifies the worker that there may be something to unbind.
func (r *Registry) wake() {
	select {
	case r.kick <- struct{}{}:
	default: // already notified
	}
}

// Unbind processes the queue: it gives up the bindings that are due and returns the time when the
// next entry is due, or the zero time for an empty queue. An entry that fails does not delay the
// others, unless the vault is unreachable; it stays, and its error is among those returned.
func (r *Registry) Unbind(ctx context.Context) (next time.Time, err error) {
	var failures []error
	start := []byte(unbindSpace())
	for {
		operations, entries, err := r.queued(ctx, start)
		if err != nil {
			return time.Time{}, errors.Join(append(failures, err)...)
		}
		for i, operation := range operations {
			due, err := r.unbind(ctx, operation, entries[i])
			if err != nil {
				failures = append(failures, err)
			}
			if vaultclient.Unavailable(err) {
				return next, errors.Join(failures...) // all the others would fail, too
			}
			if !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		}
		if len(operations) < batch {
			return next, errors.Join(failures...)
		}
		start = unbindKey(operations[len(operations)-1])
		start = append(start, 0)
	}
}

// queued reads a batch of the queue.
func (r *Registry) queued(ctx context.Context, start []byte) (operations []string, entries []unbinding, err error) {
	within := kv.Range{Start: start, End: kv.After(unbindSpace()), Limit: batch}
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		for pair, err := range reader.Scan(within) {
			if err != nil {
				return fmt.Errorf("scan unbindings: %w", err)
			}
			operation, err := lastText(unbindSpace(), pair.Key)
			if err != nil {
				return err
			}
			u, err := decodeUnbinding(pair.Value)
			if err != nil {
				return err
			}
			operations, entries = append(operations, operation), append(entries, u)
		}
		return nil
	})
	return operations, entries, err
}

// unbind does one round of an entry, if it is due, and returns the time of the next round, or the
// zero time if that was the last.
func (r *Registry) unbind(ctx context.Context, operation string, u unbinding) (time.Time, error) {
	if u.NotBefore.After(r.now()) {
		return u.NotBefore, nil
	}
	failpoint.Hit(failpoint.UnbindBegun)
	for _, secret := range u.Secrets {
		if err := r.vault.Unbind(ctx, secret, operation); err != nil {
			return u.NotBefore, fmt.Errorf("unbind: %w", err)
		}
	}
	failpoint.Hit(failpoint.UnbindDone)
	if err := r.step("unbound"); err != nil {
		return u.NotBefore, err
	}
	again := u
	again.Rounds, again.NotBefore = u.Rounds-1, r.now().Add(SaveBound)
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		if again.Rounds > 0 {
			return r.enqueue(tx, operation, again)
		}
		return tx.Delete(unbindKey(operation))
	})
	if err != nil {
		return u.NotBefore, fmt.Errorf("finish unbinding: %w", err)
	}
	if again.Rounds > 0 {
		return again.NotBefore, nil
	}
	return time.Time{}, nil
}

// logFailure logs the failure of a background task. The errors contain no names.
func (r *Registry) logFailure(ctx context.Context, task string, err error) {
	if err != nil && ctx.Err() == nil {
		r.logger.WarnContext(ctx, "background task will be retried", slog.String("task", task), slog.Any("error", err))
	}
}
