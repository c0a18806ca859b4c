package secret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

const (
	// garbageBatch is the number of keys that one transaction removes, in addition to the key of the
	// queue.
	garbageBatch = kv.MaxOps - 4
	// garbageRetry is the delay of the collector after a failure.
	garbageRetry = time.Second
)

// hintGarbage wakes the collector.
func (s *Store) hintGarbage() {
	select {
	case s.garbage <- struct{}{}:
	default: // a hint is already pending
	}
}

// collect removes the keys of queued incarnations, immediately and after each hint, until ctx ends.
func (s *Store) collect(ctx context.Context) {
	for {
		var retry <-chan time.Time
		if err := s.removeGarbage(ctx); err != nil {
			if ctx.Err() != nil || errors.Is(err, kv.ErrClosed) {
				return
			}
			s.logger.WarnContext(ctx, "removing deleted secrets failed, trying again", "error", err)
			retry = time.After(garbageRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.garbage:
		case <-retry:
		}
	}
}

// RemoveDeleted removes the rows of deleted secrets now, which the collector does soon. After it, the
// store has nothing of secrets that were deleted before the call.
func (s *Store) RemoveDeleted(ctx context.Context) error { return s.removeGarbage(ctx) }

// removeGarbage runs until the queue is empty.
func (s *Store) removeGarbage(ctx context.Context) error {
	for {
		var left bool
		err := s.kv.View(ctx, func(r kv.Reader) error {
			queued, err := firstGarbage(r)
			left = queued != nil
			return err
		})
		if err == nil && left {
			err = s.kv.Update(ctx, removeSome)
		}
		if err != nil {
			return fmt.Errorf("remove garbage: %w", err)
		}
		if !left {
			return nil
		}
	}
}

// firstGarbage returns the first key in the queue, or nil.
func firstGarbage(r kv.Reader) (key []byte, err error) {
	queued, err := scanKeys(r, kv.Prefix(kv.NewKey(spaceGarbage), 1))
	if err != nil || len(queued) == 0 {
		return nil, err
	}
	return queued[0], nil
}

// removeSome removes keys of the first incarnation in the queue, and it from the queue if no keys
// remain.
func removeSome(tx kv.Tx) error {
	queued, err := firstGarbage(tx)
	if err != nil || queued == nil {
		return err
	}
	name, uid, err := garbageOf(queued)
	if err != nil {
		return err
	}
	room := garbageBatch
	for _, prefix := range perUID(name, uid) {
		keys, err := scanKeys(tx, kv.Prefix(prefix, room))
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		room -= len(keys)
	}
	if room == 0 {
		return nil // there may be more
	}
	return tx.Delete(queued)
}
