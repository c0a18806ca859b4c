package secret

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// inUseAge is how long a version counts as in use after its last use and after its replacement:
// uses are reported late, and messages that were encrypted with it are still to be decrypted.
const inUseAge = 24 * time.Hour

// Restore makes a version current again. It fails with VERSION_DISABLED or VERSION_DESTROYED
// unless the version is enabled. If the version does not allow a host of the current one, it fails with
// SECRET_IN_USE if a binding sends the credential there, and with RESTORE_PENDING while changes are held.
// Restoring the current version changes nothing and is not logged.
//
// This and the other changes of a version fail with SECRET_NOT_FOUND or VERSION_NOT_FOUND, and
// with ETAG_MISMATCH unless the etag is empty or that of the secret. A repeated request returns
// the current state of the version.
func (s *Store) Restore(ctx context.Context, call Call, name VersionName, etag string) (Version, error) {
	return s.changeVersion(ctx, call, name, etag, RestoredVersion, func(tx *writes, sec *Secret, v *Version) (bool, error) {
		if err := v.usable(); err != nil || v.Current {
			return false, err
		}
		if err := checkHostsInUse(tx, *sec, v.AllowedHosts); err != nil {
			return false, err
		}
		*sec = sec.withHosts(v.AllowedHosts, v.Ports)
		sec.promote(v.Number, sec.Updated)
		v.Current = true
		return true, nil
	})
}

// Enable allows a disabled version to be resolved again. It fails with VERSION_DESTROYED. Enabling
// an enabled version changes nothing and is not logged.
func (s *Store) Enable(ctx context.Context, call Call, name VersionName, etag string) (Version, error) {
	return s.changeVersion(ctx, call, name, etag, EnabledVersion, func(_ *writes, _ *Secret, v *Version) (bool, error) {
		return v.setState(Enabled)
	})
}

// Disable prevents a version from being resolved until it is enabled again. It fails with
// VERSION_DESTROYED. Disabling a disabled version changes nothing and is not logged.
func (s *Store) Disable(ctx context.Context, call Call, name VersionName, etag string) (Version, error) {
	return s.changeVersion(ctx, call, name, etag, DisabledVersion, func(_ *writes, _ *Secret, v *Version) (bool, error) {
		return v.setState(Disabled)
	})
}

// setState changes the state of a version that keeps its value.
func (v *Version) setState(to State) (changed bool, err error) {
	if v.State == Destroyed {
		return false, v.usable()
	}
	changed, v.State = v.State != to, to
	return changed, nil
}

// Destroy removes the value of a version and its metadata for good. It fails with RESTORE_PENDING
// and, without force, with VERSION_IN_USE for a recently used version, and, if the secret is bound, for
// the current version, for one that was current a short time ago, and for one that a binding pins.
// Destroying a destroyed version changes nothing and is not logged.
func (s *Store) Destroy(ctx context.Context, call Call, name VersionName, d Deletion) (Version, error) {
	now := s.timestamp()
	return s.changeVersion(ctx, call, name, d.Etag, DestroyedVersion, func(tx *writes, sec *Secret, v *Version) (bool, error) {
		if v.State == Destroyed {
			return false, nil
		}
		if err := restore.Held(tx); err != nil {
			return false, err
		}
		if !d.Force {
			if err := v.idle(tx, *sec, now); err != nil {
				return false, err
			}
		}
		return true, s.destroy(tx, sec, v)
	})
}

// destroy removes the value of a version and its metadata. The rows of the version and of the secret
// must be written, too.
func (s *Store) destroy(tx *writes, sec *Secret, v *Version) error {
	// Only the rows of its fingerprints remain, by which a later version with this value is found.
	if _, err := sec.trackDeferred(tx); err != nil {
		return err
	}
	tracked, err := loadVersion(tx, *sec, v.Number)
	if err != nil {
		return err
	}
	if err := s.account(tx, sec.Name, v.used().freed()); err != nil {
		return err
	}
	sec.Replaced = without(sec.Replaced, v.Number)
	// The wrapped data key is part of the sealed value, which the new row does not have.
	*v = Version{Number: v.Number, Current: v.Current, State: Destroyed, Created: v.Created, Uses: v.Uses, SameAs: tracked.SameAs, Unknown: v.Unknown}
	return nil
}

// idle fails with VERSION_IN_USE if the version is still needed.
func (v Version) idle(r kv.Reader, sec Secret, now time.Time) error {
	named, err := getCount(r, pinnedRow(sec.Name, sec.UID, v.Number))
	if err != nil {
		return fmt.Errorf("read bindings to version: %w", err)
	}
	lately := func(at time.Time) bool { return now.Sub(at) < inUseAge }
	replaced := slices.ContainsFunc(sec.Replaced, func(r Replacement) bool { return r.Version == v.Number && lately(r.Time) })
	bound := sec.References > 0 && (v.Current || replaced)
	used := !v.Uses.Last.IsZero() && lately(v.Uses.Last)
	if named == 0 && !bound && !used {
		return nil
	}
	refusal := fault.New(fault.FailedPrecondition, VersionInUse, "the version is in use; make another version current and wait, or force the destruction").
		With("reference_count", strconv.FormatUint(uint64(min(sec.References, MaxReferences)), 10))
	if !v.Uses.Last.IsZero() {
		refusal = refusal.With("last_use_time", v.Uses.Last.Format(time.RFC3339Nano))
	}
	return refusal
}

// A step changes a secret and one of its versions, and reports whether they differ from before.
// The update time of the secret is the time of the change. The version includes its uses.
type step func(tx *writes, sec *Secret, v *Version) (differs bool, err error)

// changeVersion is the transaction of all changes of a version.
func (s *Store) changeVersion(ctx context.Context, call Call, name VersionName, etag, action string, do step) (v Version, err error) {
	now := s.timestamp()
	var shown Version
	err = s.write(ctx, func(tx *writes) error {
		uid, seen, err := s.replayed(tx, call)
		if err != nil {
			return err
		}
		before, err := loadIntact(tx, name.Name)
		if err == nil && seen && before.UID != uid {
			err = notFound()
		}
		if err != nil {
			return err
		}
		if v, err = s.loadUsed(tx, before, name.Number); err != nil {
			return err
		}
		shown = v
		if err := shown.showNonces(tx, before, now); err != nil || seen {
			return err
		}
		if err := before.checkEtag(etag); err != nil {
			return err
		}
		after := before
		after.Updated = later(before.Updated, now)
		differs, err := do(tx, &after, &v)
		if err != nil {
			return err
		}
		if !differs {
			return s.remember(tx, call, before)
		}
		if err := rewriteVersion(tx, &after, v); err != nil {
			return err
		}
		if v.Current {
			after.State = v.State
		}
		e := entry{action: action, version: v.Number}
		if after.Current != before.Current {
			e.fields, e.detail = differences(before, after)
			e.fields = append(e.fields, FieldCurrentVersion)
		}
		_, err = s.save(tx, call, after, e)
		return err
	})
	v.Nonces, v.NoncesEnd = shown.Nonces, shown.NoncesEnd
	return v, err
}

// loadUsed returns a version with its uses.
func (s *Store) loadUsed(r kv.Reader, sec Secret, number uint32) (Version, error) {
	v, err := s.loadVersion(r, sec, number)
	if err != nil {
		return Version{}, err
	}
	v.Uses, err = loadUses(r, sec.Name, sec.UID, number)
	return v, err
}
