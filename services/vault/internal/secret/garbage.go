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

// collect removes the keys of queued uids, immediately and after each hint, until ctx ends.
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

// removeGarbage runs until the queue is empty.
func (s *Store) removeGarbage(ctx context.Context) error {
	for {
		var left bool
		err := s.kv.View(ctx, func(r kv.Reader) error {
			queued, err := firstGarbage(r)
			left = queued != ""
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

// firstGarbage returns the first uid in the queue, or an empty string.
func firstGarbage(r kv.Reader) (uid string, err error) {
	queue := kv.NewKey(spaceGarbage)
	queued, err := scanKeys(r, kv.Prefix(queue, 1))
	if err != nil || len(queued) == 0 {
		return "", err
	}
	return lastUID(queued[0], queue)
}

// removeSome removes keys of the first uid in the queue, and the uid from the queue if no keys
// remain.
func removeSome(tx kv.Tx) error {
	uid, err := firstGarbage(tx)
	if err != nil || uid == "" {
		return err
	}
	room := garbageBatch
	for _, prefix := range perUID(uid) {
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
	return tx.Delete(garbageKey(uid))
}
