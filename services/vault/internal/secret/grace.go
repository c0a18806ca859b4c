package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// # Deletion with a grace
//
// With a grace, a deletion marks the row of the secret and removes nothing else. From then on, the
// secret is not found, except by those who may bring it back: [Store.Get], [List] if asked for, and
// [Store.Undelete]. Its name stays taken. Its values still count as stored, so no one can store them
// for another purpose in the meantime (twins.go), and its ledgers and counters of failed checks remain.
//
// The bindings of a secret that is deleted by force are more rows than one transaction can remove, and
// the log states each of them. No one sees them any more, and they are removed in bounded
// transactions, in the background or by [Store.Undelete], whichever is first.
//
// The time of the purge is decided by the deletion and stored. The rows of the space of deleted secrets
// are ordered by the time at which to look at a secret, so that the purge reads only what is due.

const (
	// unbindBatch is the number of bindings that one transaction removes. One has at most 19 rows.
	unbindBatch = 3
	// purgePace is the maximum time between two looks at the clock, which may be set.
	purgePace = time.Minute
)

// atOnce is the time at which to look at a secret whose bindings remain to be removed.
var atOnce = time.Unix(0, 0)

// deleted reports whether the secret was deleted and can be brought back, or is about to be purged.
func (s *Secret) deleted() bool { return !s.DeletedAt.IsZero() }

// purgeDue reports whether the time of the purge has come.
func (s *Secret) purgeDue(now time.Time) bool { return s.deleted() && !now.Before(s.PurgeAt) }

// gone reports whether the secret was deleted and can no longer be brought back, although it may not be
// purged yet. While changes are held after a restore, the time alone ends nothing.
func (s *Secret) gone(r kv.Reader, now time.Time) (bool, error) {
	if !s.purgeDue(now) {
		return false, nil
	}
	held, err := restore.Pending(r)
	return !held, err
}

// bound reports whether the secret has bindings.
func (s *Secret) bound() bool { return len(s.Holders) > 0 || s.References > 0 }

// unlessDeleted returns a secret that was loaded, or SECRET_NOT_FOUND if it is deleted.
func (s Secret) unlessDeleted(err error) (Secret, error) {
	if err == nil && s.deleted() {
		return Secret{}, notFound()
	}
	return s, err
}

// loadKeptLife is loadLife for a secret that may be deleted.
func loadKeptLife(r kv.Reader, name Name, uid string) (Secret, error) {
	sec, _, err := findSecret(r, name)
	if err == nil && sec.UID != uid {
		return Secret{}, notFound()
	}
	return sec, err
}

// exists returns the error for a name that is taken by the secret with a stored form.
func exists(name Name, text []byte) error {
	sec, err := parseSecret(name, text)
	if err != nil || !sec.deleted() {
		return fault.New(fault.AlreadyExists, Exists, "a secret with this name already exists")
	}
	return fault.New(fault.AlreadyExists, Exists, "a deleted secret has this name until it is purged; undelete it, or choose another name").
		With("purge_time", sec.PurgeAt.Format(time.RFC3339Nano))
}

// shelve deletes a secret that can be brought back, with the entry of the deletion, and returns the
// time of the purge.
func (s *Store) shelve(tx *writes, call Call, sec Secret, e entry) (time.Time, error) {
	sec.Updated, sec.DeletedAt, sec.PurgeAt = e.at, e.at, e.at.Add(s.grace)
	e.detail.PurgeAt = sec.PurgeAt
	looks := []time.Time{sec.PurgeAt}
	if sec.bound() {
		looks = append(looks, atOnce)
	}
	for _, at := range looks {
		if err := tx.Put(deletedKey(sec.Name, sec.UID, at), nil); err != nil {
			return time.Time{}, writing("time of purge", err)
		}
	}
	_, err := s.save(tx, call, sec, e)
	return sec.PurgeAt, err
}

// deleteAgain deletes a deleted secret: with force, it purges it. It returns the time of the purge, or
// the zero time if the secret is purged.
func (s *Store) deleteAgain(tx *writes, call Call, sec Secret, d Deletion, now time.Time) (time.Time, error) {
	switch {
	case d.Force:
		if err := s.purge(tx, call, sec, now); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, s.remember(tx, call, sec)
	case sec.purgeDue(now):
		return time.Time{}, notFound()
	}
	return sec.PurgeAt, s.remember(tx, call, sec)
}

// purgeTime returns when the secret with a uid is purged, or the zero time if it is not deleted.
func purgeTime(r kv.Reader, name Name, uid string) (time.Time, error) {
	sec, err := loadKeptLife(r, name, uid)
	if fault.Is(err, NotFound) {
		return time.Time{}, nil
	}
	return sec.PurgeAt, err
}

// purge removes a deleted secret for good.
func (s *Store) purge(tx *writes, call Call, sec Secret, now time.Time) error {
	if err := s.remove(tx, sec); err != nil {
		return err
	}
	if err := forgetDeleted(tx, sec); err != nil {
		return err
	}
	return s.record(tx, call, sec, entry{action: Purged, at: later(sec.Updated, now)})
}

// forgetDeleted removes the rows that say when to look at a deleted secret.
func forgetDeleted(tx *writes, sec Secret) error {
	for _, at := range []time.Time{atOnce, sec.PurgeAt} {
		if err := tx.Delete(deletedKey(sec.Name, sec.UID, at)); err != nil {
			return fmt.Errorf("delete time of purge: %w", err)
		}
	}
	return nil
}

// errBound ends a transaction that must not see bindings of a deleted secret.
var errBound = errors.New("the deleted secret still has bindings")

// Undelete brings back a deleted secret with its versions, and without the bindings that it had. It
// fails with SECRET_NOT_FOUND if there is no such secret, and from the time of the purge, which is when
// changes are no longer held if that is later. If the secret is not deleted, it changes nothing and is
// not logged. A repeated request returns the current secret.
func (s *Store) Undelete(ctx context.Context, call Call, name Name) (back Secret, err error) {
	now := s.timestamp()
	for {
		err = s.write(ctx, func(tx *writes) (err error) {
			back, err = s.undelete(tx, call, name, now)
			return err
		})
		if !errors.Is(err, errBound) {
			return back, err
		}
		if err := s.write(ctx, func(tx *writes) error { return s.unbindSome(tx, name, now) }); err != nil {
			return Secret{}, err
		}
	}
}

// undelete is the transaction of [Store.Undelete]. It fails with errBound if the secret has bindings.
func (s *Store) undelete(tx *writes, call Call, name Name, now time.Time) (Secret, error) {
	uid, seen, err := s.replayed(tx, call)
	if err != nil {
		return Secret{}, err
	}
	if seen {
		return loadLife(tx, name, uid)
	}
	sec, err := loadKept(tx, name)
	switch {
	case err != nil:
		return Secret{}, err
	case !sec.deleted():
		return sec, s.remember(tx, call, sec)
	}
	switch gone, err := sec.gone(tx, now); {
	case err != nil:
		return Secret{}, err
	case gone:
		return Secret{}, notFound()
	case sec.bound():
		return Secret{}, errBound
	}
	if err := forgetDeleted(tx, sec); err != nil {
		return Secret{}, err
	}
	sec.DeletedAt, sec.PurgeAt = time.Time{}, time.Time{}
	sec.Updated = later(sec.Updated, now)
	return s.save(tx, call, sec, entry{action: Undeleted})
}

// unbindSome removes some bindings of a deleted secret, with the reason of the deletion.
func (s *Store) unbindSome(tx *writes, name Name, now time.Time) error {
	sec, err := loadKept(tx, name)
	if err != nil || !sec.deleted() || !sec.bound() {
		return err
	}
	bindings, _, err := bindingsOf(tx, sec, Page{Limit: unbindBatch})
	if err != nil {
		return err
	}
	if len(bindings) == 0 {
		return tampered("a deleted secret has fewer bindings than it says")
	}
	call, err := s.because(tx, name)
	if err != nil {
		return err
	}
	e := entry{action: Unbound, at: now}
	for _, b := range bindings {
		if err := removeBinding(tx, &sec, b); err != nil {
			return err
		}
		e.detail.Referrers = append(e.detail.Referrers, b.Referrer)
	}
	if !sec.bound() {
		if err := tx.Delete(deletedKey(sec.Name, sec.UID, atOnce)); err != nil {
			return fmt.Errorf("delete time of unbinding: %w", err)
		}
	}
	return s.touch(tx, call, &sec, e)
}

// because returns the call of a change by the vault itself that follows from the newest change of a
// name, and has its reason.
func (s *Store) because(r kv.Reader, name Name) (Call, error) {
	newest, err := newest(r, name)
	author := changelog.System("vault")
	author.Reason = newest.Reason
	return Call{Author: author}, err
}

// newest returns the newest entry about a name, which is zero if nothing was logged.
func newest(r kv.Reader, name Name) (changelog.Entry, error) {
	entries, err := changelog.List(r, changelog.Query{Resource: name.String(), Limit: 1})
	if err != nil || len(entries) == 0 {
		return changelog.Entry{}, read("change log", err)
	}
	return entries[0], nil
}

// deleteReason adds the reason of a deletion to a SECRET_NOT_FOUND for a workload, which shows it with
// what needs the secret. An empty uid means any.
func (s *Store) deleteReason(ctx context.Context, name Name, uid string, err error) error {
	refusal, ok := fault.From(err)
	if !ok || refusal.Reason != NotFound {
		return err
	}
	var last changelog.Entry
	if failed := s.kv.View(ctx, func(r kv.Reader) (err error) {
		last, err = newest(r, name)
		return err
	}); failed != nil {
		return err
	}
	// The newest entry of a secret that is not found is about its deletion, or follows from that.
	if last.Reason == "" || uid != "" && last.UID != uid {
		return err
	}
	return refusal.With("delete_reason", last.Reason)
}

// hintDeleted wakes the purge.
func (s *Store) hintDeleted() {
	select {
	case s.deleted <- struct{}{}:
	default: // a hint is already pending
	}
}

// purgeDeleted purges deleted secrets when their time has come, and removes their bindings before,
// until ctx ends.
func (s *Store) purgeDeleted(ctx context.Context) {
	for {
		pause, err := s.lookAtDeleted(ctx)
		if ctx.Err() != nil || errors.Is(err, kv.ErrClosed) {
			return
		}
		if err != nil {
			s.logger.WarnContext(ctx, "purging deleted secrets failed, trying again in a minute", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.deleted:
		case <-time.After(pause):
		}
	}
}

// lookAtDeleted looks at all deleted secrets that are due, and returns the time until the next look. A
// secret that fails does not keep the others from being purged.
func (s *Store) lookAtDeleted(ctx context.Context) (pause time.Duration, err error) {
	next := kv.Prefix(kv.NewKey(spaceDeleted), 1)
	var failed error
	for {
		var keys [][]byte
		if err := s.kv.View(ctx, func(r kv.Reader) (err error) {
			keys, err = scanKeys(r, next)
			return err
		}); err != nil {
			return purgePace, fmt.Errorf("read deleted secrets: %w", err)
		}
		if len(keys) == 0 {
			return purgePace, failed
		}
		name, uid, at, err := deletedOf(keys[0])
		if err != nil {
			return purgePace, fmt.Errorf("read deleted secret: %w", err)
		}
		now := s.timestamp()
		if wait := kv.TimeOf(int64(at)).Sub(now); wait > 0 {
			return max(min(wait, purgePace), time.Millisecond), failed
		}
		done, err := s.lookAt(ctx, keys[0], name, uid, now)
		if ctx.Err() != nil || errors.Is(err, kv.ErrClosed) {
			return purgePace, err
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("look at a deleted secret: %w", err))
		}
		if err != nil || done {
			next = next.Behind(keys[0])
		}
	}
}

// lookAt makes one step of what is due for a deleted secret, and reports whether it was the last.
func (s *Store) lookAt(ctx context.Context, key []byte, name Name, uid string, now time.Time) (done bool, err error) {
	var purged bool
	err = s.write(ctx, func(tx *writes) error {
		done, purged = false, false
		sec, err := loadKept(tx, name)
		switch {
		case fault.Is(err, NotFound), err == nil && (sec.UID != uid || !sec.deleted()):
			done = true // outdated
			return tx.Delete(key)
		case err != nil:
			return err
		case sec.purgeDue(now):
			done = true
			if purged, err = sec.gone(tx, now); err != nil || !purged {
				return err
			}
			call, err := s.because(tx, name)
			if err != nil {
				return err
			}
			return s.purge(tx, call, sec, now)
		case sec.bound():
			return s.unbindSome(tx, name, now)
		default:
			done = true
			return tx.Delete(key)
		}
	})
	if purged {
		s.hintGarbage()
		err = s.settle(ctx, name, err)
	}
	return done, err
}
