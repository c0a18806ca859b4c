package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// # Rows by update time
//
// A change of a secret adds a row to the end of the rows by update time. It leaves the row of the
// time before, because removing that would write another page. Lists pass over outdated rows.
//
// They are removed in the background, in the order of their keys, so that a commit removes many from
// one page: all of them after as many changes as there are secrets, and those that a list met if
// they were many.

const (
	// minChanges is the minimum number of changes between two searches for all outdated rows.
	minChanges = 1000
	// outdatedBatch is the number of rows that are examined at once.
	outdatedBatch = 500
	// manyOutdated is the number of outdated rows on a page from which the rows of the page are
	// examined.
	manyOutdated = 100
)

// allUpdates is the range of the rows by update time.
func allUpdates() kv.Range { return kv.Prefix(kv.NewKey(spaceByUpdate), outdatedBatch) }

// hintOutdated lets the collector examine rows, unless it is busy.
func (s *Store) hintOutdated(rows kv.Range) {
	select {
	case s.outdated <- rows:
	default:
	}
}

// hintChanges lets the collector examine all rows if there were enough changes.
func (s *Store) hintChanges() {
	if s.commits.size.Load() >= s.outdatedDue.Load() {
		s.hintOutdated(allUpdates())
	}
}

// collectOutdated removes outdated rows after each hint, until ctx ends.
func (s *Store) collectOutdated(ctx context.Context) {
	s.hintChanges()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case rows := <-s.outdated:
			if !bytes.Equal(rows.Start, allUpdates().Start) {
				_, err = s.removeOutdated(ctx, rows)
			} else if s.commits.size.Load() >= s.outdatedDue.Load() {
				err = s.removeAllOutdated(ctx)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, kv.ErrClosed) {
			s.logger.WarnContext(ctx, "removing outdated rows failed; lists by update time may be slow", slog.Any("error", err))
		}
	}
}

// readOutdatedDue reads after how many changes to remove all outdated rows.
func (s *Store) readOutdatedDue(r kv.Reader) error {
	due, err := getCount(r, row{key: outdatedKey()})
	s.outdatedDue.Store(due)
	return err
}

// removeAllOutdated examines all rows, and stores after how many changes to do so again.
func (s *Store) removeAllOutdated(ctx context.Context) error {
	changes := s.commits.size.Load()
	left, err := s.removeOutdated(ctx, allUpdates())
	if err != nil {
		return err
	}
	due := changes + max(uint64(left), minChanges)
	s.outdatedDue.Store(due)
	return s.kv.Update(ctx, func(tx kv.Tx) error { return put(tx, outdatedKey(), &stored.Count{Count: due}) })
}

// removeOutdated removes the outdated rows of a range, and returns the number of the others.
func (s *Store) removeOutdated(ctx context.Context, within kv.Range) (left int, err error) {
	within.Limit = outdatedBatch
	for {
		var all, outdated [][]byte
		err := s.kv.View(ctx, func(r kv.Reader) (err error) {
			if all, err = scanKeys(r, within); err == nil {
				outdated, err = outdatedOf(r, all)
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("examine rows by update time: %w", err)
		}
		for batch := range slices.Chunk(outdated, garbageBatch) {
			if err := s.kv.Update(ctx, func(tx kv.Tx) error { return removeOutdatedOf(tx, batch) }); err != nil {
				return 0, fmt.Errorf("remove rows by update time: %w", err)
			}
		}
		if left += len(all) - len(outdated); len(all) < outdatedBatch {
			return left, nil
		}
		within = within.Behind(all[len(all)-1])
	}
}

// removeOutdatedOf removes those of the rows that are still outdated.
func removeOutdatedOf(tx kv.Tx, keys [][]byte) error {
	outdated, err := outdatedOf(tx, keys)
	for _, key := range outdated {
		err = errors.Join(err, tx.Delete(key))
	}
	return err
}

// outdatedOf returns the keys of rows by update time that are not those of their secrets.
func outdatedOf(r kv.Reader, keys [][]byte) (outdated [][]byte, err error) {
	for _, key := range keys {
		name, at, err := updateOf(key)
		if err != nil {
			return nil, err
		}
		sec, _, err := findSecret(r, name)
		switch {
		case fault.Is(err, NotFound):
		case err != nil:
			return nil, err
		case sec.updatedAt(at):
			continue
		}
		outdated = append(outdated, key)
	}
	return outdated, nil
}

// updatedAt reports whether the time in a row by update time is that of the secret.
func (s *Secret) updatedAt(at uint64) bool { return uint64(s.Updated.UnixNano()) == at }
