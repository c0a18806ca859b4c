package endpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// lateUses is the time during which a message that was in progress when its endpoint was deleted
// may still record a use.
const lateUses = 5 * time.Minute

// A usesCleanup is a deleted endpoint whose uses are still stored. It is queued in the transaction
// that deletes the endpoint, so that a crash leaves no uses behind. It is done twice: at once, and
// again when no more uses can be recorded.
type usesCleanup struct {
	Due  time.Time
	Last bool
}

func (r *Registry) queueCleanup(tx kv.Tx, uid string, f usesCleanup) error {
	value, err := encode(&stored.UsesCleanup{Due: kv.Nanos(f.Due), Last: f.Last})
	if err != nil {
		return err
	}
	if err := tx.Put(cleanupKey(uid), value); err != nil {
		return fmt.Errorf("queue cleanup of uses: %w", err)
	}
	return nil
}

// ForgetUses deletes the uses of deleted endpoints whose cleanup is due.
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
			return fmt.Errorf("read cleanups of uses: %w", err)
		}
		f, err = decodeCleanup(value)
		return err
	})
	return f, err
}
