package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// # Pruned versions
//
// A secret may keep only its newest versions (keep_versions). Older ones are destroyed as by
// [Store.Destroy], unless they are in use: the current one, and those that Destroy refuses without
// force. An update destroys a few in its own transaction. The rest follows in the background: after
// the update, and once an hour, when versions may no longer be in use, but not while changes are held
// after a restore. For that, each secret that keeps a number of versions has a row of its own, so that
// the others need not be read.

const (
	// maxPruned is the maximum number of versions that one transaction destroys, each with an entry.
	maxPruned = 4
	// maxIdle is the maximum number of versions of a secret that an update examines.
	maxIdle = 32
	// keptBatch is the number of secrets that are examined at once.
	keptBatch = 500
	// hinted is the number of secrets that wait for the background.
	hinted = 64
)

// The pace of the background.
const (
	firstPrune = time.Minute
	pruneEvery = time.Hour
)

// pruner is the call of the changes that the vault makes by itself.
func pruner() Call {
	return Call{Author: changelog.System("vault")}
}

// putKept writes the row of a secret that keeps a number of versions. It remains until the background
// finds that the secret no longer does.
func putKept(tx *writes, before, after Secret) error {
	if after.KeepVersions == 0 || before.KeepVersions != 0 {
		return nil
	}
	return writing("row of kept versions", tx.Put(keptKey(after.Name), nil))
}

// excess yields the versions beyond those to keep, oldest first. Destroyed versions do not count.
func (s Secret) excess() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if s.KeepVersions == 0 {
			return
		}
		more := int64(s.Last) - size(s.Destroyed) - size(s.Skipped) - int64(s.KeepVersions)
		gone := slices.Concat(s.Destroyed, s.Skipped)
		slices.SortFunc(gone, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
		for number := uint32(1); more > 0; number++ {
			if len(gone) > 0 && number >= gone[0].First {
				number, gone = gone[0].Last, gone[1:]
				continue
			}
			if more--; !yield(number) {
				return
			}
		}
	}
}

// prunable returns the first versions beyond those to keep that are not in use, at most maxPruned. It
// examines a limited number.
func (s Secret) prunable(r kv.Reader, now time.Time, limit int) (numbers []uint32, err error) {
	for number := range s.excess() {
		if limit--; limit < 0 || len(numbers) == maxPruned {
			break
		}
		idle, err := s.prunes(r, number, now)
		if err != nil {
			return nil, err
		}
		if idle {
			numbers = append(numbers, number)
		}
	}
	return numbers, nil
}

// prunes reports whether a version is not in use.
func (s Secret) prunes(r kv.Reader, number uint32, now time.Time) (bool, error) {
	if number == s.Current {
		return false, nil
	}
	v := Version{Number: number}
	var err error
	if v.Uses, err = loadUses(r, s.Name, s.UID, number); err != nil {
		return false, err
	}
	err = v.idle(r, s, now)
	if fault.Is(err, VersionInUse) {
		return false, nil
	}
	return err == nil, err
}

// pruneSome destroys versions beyond those to keep, in the transaction of an update and after its
// entry. It destroys nothing while changes are held after a restore.
func (s *Store) pruneSome(tx *writes, sec *Secret) error {
	if sec.KeepVersions == 0 {
		return nil
	}
	if held, err := restore.Pending(tx); held || err != nil {
		return err
	}
	numbers, err := sec.prunable(tx, sec.Updated, maxIdle)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if err := s.prune(tx, sec, number); err != nil {
			return err
		}
	}
	return nil
}

// prune destroys a version, with an entry at sec.Updated.
func (s *Store) prune(tx *writes, sec *Secret, number uint32) error {
	v, err := s.loadUsed(tx, *sec, number)
	if err != nil {
		return err
	}
	if err := s.destroy(tx, sec, &v); err != nil {
		return err
	}
	if err := rewriteVersion(tx, sec, v); err != nil {
		return err
	}
	sec.Revision++
	return s.touch(tx, pruner(), sec, entry{action: PrunedVersion, at: sec.Updated, version: number})
}

// hintPruning lets the background examine a secret after an update, unless it is busy. The next hour
// finds what it misses.
func (s *Store) hintPruning(sec Secret) {
	for range sec.excess() {
		select {
		case s.pruning <- sec.Name:
		default:
		}
		return
	}
}

// keepPruning destroys versions in the background, until ctx ends.
func (s *Store) keepPruning(ctx context.Context) {
	due := time.NewTimer(firstPrune)
	defer due.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case name := <-s.pruning:
			err = s.pruneSecret(ctx, name)
		case <-due.C:
			err = s.pruneAll(ctx)
			due.Reset(pruneEvery)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, kv.ErrClosed) {
			s.logger.WarnContext(ctx, "destroying versions beyond keep_versions failed, trying again within an hour", slog.Any("error", err))
		}
	}
}

// pruneAll examines all secrets that keep a number of versions. A failure for one does not prevent
// the others.
func (s *Store) pruneAll(ctx context.Context) error {
	var failed error
	within := kv.Prefix(kv.NewKey(spaceKept), keptBatch)
	for {
		var rows [][]byte
		err := s.kv.View(ctx, func(r kv.Reader) (err error) {
			rows, err = scanKeys(r, within)
			return err
		})
		if err != nil {
			return fmt.Errorf("read rows of kept versions: %w", err)
		}
		for _, row := range rows {
			name, _, err := cutName(row, spaceKept)
			if err == nil {
				err = s.pruneSecret(ctx, name)
			}
			if errors.Is(err, kv.ErrClosed) || ctx.Err() != nil {
				return err
			}
			failed = errors.Join(failed, err)
		}
		if len(rows) < keptBatch {
			return failed
		}
		within = within.Behind(rows[len(rows)-1])
	}
}

// pruneSecret destroys the versions of a secret beyond those to keep, a few at a time. If the secret
// keeps all versions, or does not exist, its row is removed.
func (s *Store) pruneSecret(ctx context.Context, name Name) error {
	for {
		var numbers []uint32
		keeps := true
		err := s.kv.View(ctx, func(r kv.Reader) error {
			sec, _, err := findSecret(r, name)
			if keeps = sec.KeepVersions > 0; fault.Is(err, NotFound) {
				return nil
			}
			if err == nil && !sec.deleted() {
				numbers, err = sec.prunable(r, s.timestamp(), maxExamined)
			}
			return err
		})
		switch {
		case err != nil:
			return fmt.Errorf("find versions to destroy: %w", err)
		case !keeps:
			return s.forgetKept(ctx, name)
		case len(numbers) == 0:
			return nil
		}
		pruned, err := s.pruneAgain(ctx, name)
		if err != nil {
			return fmt.Errorf("destroy versions: %w", err)
		}
		if pruned == 0 {
			return nil // in use again, or destroyed in the meantime
		}
	}
}

// pruneAgain destroys a few versions of a secret in a transaction of its own, and returns their
// number.
func (s *Store) pruneAgain(ctx context.Context, name Name) (pruned int, err error) {
	now := s.timestamp()
	err = s.write(ctx, func(tx *writes) error {
		pruned = 0
		if held, err := restore.Pending(tx); held || err != nil {
			return err
		}
		sec, err := loadIntact(tx, name)
		if fault.Is(err, NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		numbers, err := sec.prunable(tx, now, maxExamined)
		if err != nil || len(numbers) == 0 {
			return err
		}
		sec.Updated = later(sec.Updated, now)
		if err := tx.Put(updateKey(name, sec.Updated), nil); err != nil {
			return writing("update time", err)
		}
		for _, number := range numbers {
			if err := s.prune(tx, &sec, number); err != nil {
				return err
			}
			pruned++
		}
		return nil
	})
	return pruned, err
}

// forgetKept removes the row of a secret that does not keep a number of versions.
func (s *Store) forgetKept(ctx context.Context, name Name) error {
	err := s.kv.Update(ctx, func(tx kv.Tx) error {
		sec, _, err := findSecret(tx, name)
		if fault.Is(err, NotFound) {
			err = nil
		}
		if err != nil || sec.KeepVersions > 0 {
			return err
		}
		return tx.Delete(keptKey(name))
	})
	return writing("row of kept versions", err)
}
