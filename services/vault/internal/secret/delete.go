package secret

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// A Deletion holds the options of a deletion.
type Deletion struct {
	// Etag, if not empty, must be the current etag.
	Etag string
	// Force also deletes a secret that is in use, with its bindings.
	Force bool
}

// Delete removes a secret for good and frees its name. With a grace, [Store.Undelete] brings the
// secret back until the time that Delete returns. Delete fails with SECRET_NOT_FOUND, with
// ETAG_MISMATCH, with RESTORE_PENDING, or, without force, with SECRET_IN_USE. Deleting a deleted secret changes nothing,
// unless it is forced, which purges the secret. A repeated request succeeds, even if the name is in
// use again.
func (s *Store) Delete(ctx context.Context, call Call, name Name, d Deletion) (purge time.Time, err error) {
	now := s.timestamp()
	err = s.write(ctx, func(tx *writes) error {
		purge = time.Time{}
		uid, seen, err := s.replayed(tx, call)
		if err != nil {
			return err
		}
		if seen {
			purge, err = purgeTime(tx, name, uid)
			return err
		}
		sec, err := loadKept(tx, name)
		if err != nil {
			return err
		}
		if err := sec.checkEtag(d.Etag); err != nil {
			return err
		}
		if err := restore.Held(tx); err != nil {
			return err
		}
		if sec.deleted() {
			purge, err = s.deleteAgain(tx, call, sec, d, now)
			return err
		}
		_, removed := differences(sec, Secret{})
		e := entry{action: Deleted, at: later(sec.Updated, now), detail: removed}
		if sec.References > 0 {
			referrers, err := someReferrers(tx, referrersKey(sec.Name, sec.UID))
			if err != nil {
				return err
			}
			if !d.Force {
				return inUse(referrers, int(sec.References))
			}
			e.action, e.detail.Referrers = ForceDeleted, referrers
		}
		if s.grace > 0 {
			purge, err = s.shelve(tx, call, sec, e)
			return err
		}
		if err := s.remove(tx, sec); err != nil {
			return err
		}
		if err := s.record(tx, call, sec, e); err != nil {
			return err
		}
		return s.remember(tx, call, sec)
	})
	s.hintGarbage()
	if !purge.IsZero() {
		s.hintDeleted()
	}
	return purge, s.settle(ctx, name, err)
}

// remove deletes the name and leaves the rest to the collector.
func (s *Store) remove(tx *writes, sec Secret) error {
	if err := s.accountRemoved(tx, sec); err != nil {
		return err
	}
	if err := tx.delete(secretRow(sec.Name)); err != nil {
		return fmt.Errorf("delete secret: %w", err)
	}
	if err := tx.Put(garbageKey(sec.Name, sec.UID), nil); err != nil {
		return fmt.Errorf("queue garbage: %w", err)
	}
	return nil
}

// someReferrers returns the first referrers whose keys start with the prefix.
func someReferrers(r kv.Reader, prefix kv.Key) ([]string, error) {
	keys, err := scanKeys(r, kv.Prefix(prefix, maxReferrers))
	if err != nil {
		return nil, fmt.Errorf("read referrers: %w", err)
	}
	referrers := make([]string, len(keys))
	for i, key := range keys {
		if referrers[i], err = lastText(key, prefix); err != nil {
			return nil, fmt.Errorf("read referrers: %w", err)
		}
	}
	return referrers, nil
}

// inUse returns the error for a change that would leave a referrer without its secret.
func inUse(referrers []string, count int) error {
	return fault.New(fault.FailedPrecondition, InUse, "the secret is in use; remove the references to it first").
		With("referrers", strings.Join(referrers[:min(len(referrers), maxReferrers)], ", ")).
		With("count", strconv.Itoa(min(count, MaxReferences)))
}
