package endpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// lateUses is how long after its end a message that was under way may still add to what
// is kept of an endpoint.
const lateUses = 5 * time.Minute

// An usesCleanup is an endpoint that was deleted and whose uses are kept still. It is queued
// in the transaction that deletes, so that no crash leaves any behind, and done twice:
// at once, and when nothing can have been added any more.
type usesCleanup struct {
	Due  time.Time `json:"due"`
	Last bool      `json:"last,omitempty"`
}

func (r *Registry) queueCleanup(tx kv.Tx, uid string, f usesCleanup) error {
	value, err := encode(f)
	if err != nil {
		return err
	}
	if err := tx.Put(cleanupKey(uid), value); err != nil {
		return fmt.Errorf("queue what to forget: %w", err)
	}
	return nil
}

// ForgetUses drops the uses of endpoints that were deleted, as far as that is due.
func (r *Registry) ForgetUses(ctx context.Context) error {
	return r.eachKey(ctx, cleanupSpace(), func(key []byte) error {
		uid, err := lastText(cleanupSpace(), key)
		if err != nil {
			return err
		}
		f, err := r.readCleanup(ctx, uid)
		if errors.Is(err, kv.ErrNotFound) || (err == nil && f.Due.After(r.now())) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.dropUses(ctx, uid); err != nil {
			return err
		}
		return r.kv.Update(ctx, func(tx kv.Tx) error {
			if f.Last {
				return tx.Delete(cleanupKey(uid))
			}
			return r.queueCleanup(tx, uid, usesCleanup{Due: r.now().Add(lateUses), Last: true})
		})
	})
}

func (r *Registry) readCleanup(ctx context.Context, uid string) (f usesCleanup, err error) {
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		value, err := reader.Get(cleanupKey(uid))
		if err != nil {
			return fmt.Errorf("read what to forget: %w", err)
		}
		return decode(value, &f)
	})
	return f, err
}
