package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/sensitive"
)

// A Stored is the stored form of a version's value.
type Stored struct {
	// Sealed is the value.
	Sealed keyring.Sealed
	// Public is the SubjectPublicKeyInfo in DER, if the value is an asymmetric key.
	Public []byte
	// Facts is the metadata of the value, or nil.
	Facts *Facts
	// Purpose is the purpose of a KEY, and PurposeState how final it is. Both are empty for secrets
	// without a purpose. [Store.Get] sets both.
	Purpose      Purpose
	PurposeState PurposeState
	// WeakReason is the reason for using a weak key.
	WeakReason string
	// Prints are the fingerprints of the value of a KEY that is being stored. They are never read
	// back.
	Prints []Print
}

// Get returns a secret and the stored form of its current value, which is zero if the current
// version is destroyed. It also returns a deleted secret that can be brought back.
func (s *Store) Get(ctx context.Context, name Name) (sec Secret, stored Stored, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		stored = Stored{}
		if sec, err = s.loadShown(r, name); err != nil {
			return err
		}
		switch gone, err := sec.gone(r, s.now()); {
		case err != nil:
			return err
		case gone:
			return notFound()
		}
		v, err := s.loadVersion(r, sec, sec.Current)
		if err != nil {
			return err
		}
		stored.Public, stored.Sealed = v.Public, v.Sealed
		stored.PurposeState, stored.Purpose, err = purposeOf(r, sec, v)
		return err
	})
	return sec, stored, err
}

// A Resolved is a value for a workload. The caller must zero Plain.
type Resolved struct {
	Plain        sensitive.Bytes
	Version      uint32
	Usage        Usage
	AllowedHosts []string
	// Previous are the versions that were current before and can be resolved, the most recently
	// replaced first. Set only for the current version.
	Previous []Replacement
	// Position is the position in the change log at which the value was read.
	Position Position
	// Sealed is whether the purpose of a KEY is sealed.
	Sealed bool
	// Expires is when the secret expires, or zero for never, and Time is when it was read.
	Expires, Time time.Time

	prints []Print // only of a KEY whose purpose is not sealed
}

// A Wanted is a request to resolve a value.
type Wanted struct {
	Name Name
	// UID is the uid that the name must still have.
	UID string
	// Number is the version, or 0 for the current one.
	Number uint32
	// VersionUID, if not empty, is the uid that the version must have.
	VersionUID string
	// Purpose is the digest of the purpose for which a KEY is resolved.
	Purpose []byte
	// Seal seals the purpose, because the KEY is resolved for a message.
	Seal bool
}

// Resolve returns the value of a version to a holder of a binding. A KEY is only resolved for its
// purpose. The name must still have the given uid. An expired secret is SECRET_EXPIRED. If the current version is disabled or
// destroyed, the error lists the versions before it, because the caller may still accept messages
// that were made for one of them.
func (s *Store) Resolve(ctx context.Context, call Call, holder string, w Wanted) (Resolved, error) {
	got, sealable, err := s.resolve(ctx, holder, w)
	if err != nil {
		return got, s.deleteReason(ctx, w.Name, w.UID, err)
	}
	if !sealable || !w.Seal {
		return got, nil
	}
	got.Plain.Zero()
	if err := s.sealPurpose(ctx, call, holder, w, got.Version, got.prints); err != nil {
		return Resolved{}, s.noteEqual(ctx, call, w.Name, err)
	}
	got, _, err = s.resolve(ctx, holder, w)
	return got, err
}

// resolve also reports whether the purpose could be sealed.
func (s *Store) resolve(ctx context.Context, holder string, w Wanted) (got Resolved, sealable bool, err error) {
	var sec Secret
	var v Version
	now := s.now()
	// The view sees at least the changes before the position, so a value is never older than its
	// position says.
	position := s.committed()
	err = s.kv.View(ctx, func(r kv.Reader) (err error) {
		got = Resolved{Version: w.Number, Position: position}
		if sec, v, err = s.find(r, w); err != nil {
			return err
		}
		if w.Number == 0 {
			got.Version, got.Previous = sec.Current, sec.previous(now)
		}
		if _, sealable, err = permits(r, sec, v, holder, w.Purpose); err != nil {
			return err
		}
		if err := sec.unexpired(now); err != nil {
			return err
		}
		if v.State == "" || w.VersionUID != "" && v.State == Enabled && w.VersionUID != v.uid() {
			return versionNotFound()
		}
		return withPrevious(v.usable(), got.Previous)
	})
	if err != nil {
		return Resolved{}, false, err
	}
	got.Sealed = sec.Purpose != nil && !sec.Purpose.Sealed.IsZero()
	got.Usage, got.AllowedHosts, got.Expires, got.Time = sec.Usage, v.AllowedHosts, sec.Expires, now
	if got.Plain, err = s.openValue(sec, v); err != nil {
		return Resolved{}, false, s.alarm.Report(ctx, audit.ByRequest, err)
	}
	if sealable && w.Seal {
		got.prints = s.equalPrints(sec.Name.Workspace, got.Plain, v.Public)
	}
	return got, sealable, nil
}

// find returns the secret that a resolve means, and the version, which is zero if it does not
// exist: only a holder of a binding learns that.
func (s *Store) find(r kv.Reader, w Wanted) (sec Secret, v Version, err error) {
	sec, err = s.loadSecret(r, w.Name)
	if err == nil && sec.UID != w.UID {
		err = notFound()
	}
	if err != nil {
		return Secret{}, Version{}, err
	}
	number := cmp.Or(w.Number, sec.Current)
	if !sec.has(number) {
		return sec, Version{}, nil
	}
	v, err = s.loadVersion(r, sec, number)
	return sec, v, err
}

// openValue decrypts the value of a version. The caller must zero it.
func (s *Store) openValue(sec Secret, v Version) (sensitive.Bytes, error) {
	plain, err := s.keys.OpenValue(v.Sealed, boundTo(sec, v.Number))
	if errors.Is(err, keyring.ErrKeyDisabled) {
		return sensitive.Bytes{}, fault.New(fault.FailedPrecondition, KeyDisabled, "the value depends on a key of the keyring that is disabled").Because(err)
	}
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("%w: %w", tampered("a value does not decrypt"), err)
	}
	return plain, nil
}

// usable fails unless the version's value may be resolved.
func (v Version) usable() error {
	switch v.State {
	case Enabled:
		return nil
	case Destroyed:
		return fault.New(fault.FailedPrecondition, VersionDestroyed, "the version is destroyed")
	default:
		return fault.New(fault.FailedPrecondition, VersionDisabled, "the version is disabled")
	}
}

// withPrevious adds the versions that were current before to an error.
func withPrevious(err error, previous []Replacement) error {
	if err == nil || len(previous) == 0 {
		return err
	}
	refusal, ok := fault.From(err)
	if !ok {
		return err
	}
	all := make([]string, len(previous))
	for i, p := range previous {
		all[i] = fmt.Sprintf("%d %s", p.Version, p.Time.Format(time.RFC3339Nano))
	}
	return refusal.With("previous_versions", strings.Join(all, ", "))
}

// Versions returns a page of a secret's versions with their uses, newest first.
func (s *Store) Versions(ctx context.Context, name Name, p Page) (versions []Version, next []byte, err error) {
	now := s.now()
	err = s.kv.View(ctx, func(r kv.Reader) error {
		sec, err := s.loadSecret(r, name)
		if err != nil {
			return err
		}
		prefix := versionsKey(sec.Name, sec.UID)
		var pairs []kv.Pair
		if pairs, next, err = p.read(r, prefix, true); err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		versions = make([]Version, len(pairs))
		for i, pair := range pairs {
			number, err := lastNumber(pair.Key, prefix)
			if err != nil {
				return fmt.Errorf("read version: %w", err)
			}
			if versions[i], err = completeVersion(sec, number, pair.Value); err != nil {
				return err
			}
			if versions[i].Uses, err = loadUses(r, name, sec.UID, number); err != nil {
				return err
			}
			if err := versions[i].showNonces(r, sec, now); err != nil {
				return err
			}
		}
		return nil
	})
	return versions, next, err
}

func versionNotFound() error {
	return fault.New(fault.NotFound, VersionNotFound, "the secret has no such version")
}
