package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/sensitive"
)

// A Stored is what the store holds of a version's value.
type Stored struct {
	// Sealed is the value.
	Sealed keyring.Sealed
	// Public is the SubjectPublicKeyInfo in DER if the value is an asymmetric key.
	Public []byte
	// Facts are what is told of the value; nil: nothing.
	Facts *Facts
	// WeakReason is why a weak key is to be used.
	WeakReason string
}

// Get returns a secret and what is stored of its current value: nothing if that is
// destroyed.
func (s *Store) Get(ctx context.Context, name Name) (sec Secret, stored Stored, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		stored = Stored{}
		if sec, err = loadSecret(r, name); err != nil {
			return err
		}
		v, err := loadVersion(r, sec, sec.Current)
		if err != nil || v.State == Destroyed {
			return err
		}
		stored.Public = v.Public
		stored.Sealed, err = loadValue(r, sec, sec.Current)
		return err
	})
	return sec, stored, err
}

// A Resolved is a value for a workload. Whoever got it zeroes Plain.
type Resolved struct {
	Plain        sensitive.Bytes
	Version      uint32
	Usage        Usage
	AllowedHosts []string
	// Previous are the versions that were current before and can be resolved, the one
	// replaced last first. Of the current version only.
	Previous []Replacement
	// Position is where in the change log all this was read.
	Position Position
}

// Resolve returns the value of a version, 0 being the current one, to a holder of
// a binding. The name must still be in the life of the given uid. Where the current
// version is disabled or destroyed, the refusal names the versions before it: what came
// in for one of them may still be welcome.
func (s *Store) Resolve(ctx context.Context, name Name, uid, holder string, number uint32) (Resolved, error) {
	var sec Secret
	var sealed keyring.Sealed
	var got Resolved
	now := s.now()
	err := s.kv.View(ctx, func(r kv.Reader) (err error) {
		got = Resolved{Version: number}
		if got.Position, err = s.position(r); err != nil {
			return err
		}
		if sec, err = loadLife(r, name, uid); err != nil {
			return err
		}
		if err := checkHolder(r, uid, holder); err != nil {
			return err
		}
		if number == 0 {
			got.Version = sec.Current
			if got.Previous, err = loadPrevious(r, sec, now); err != nil {
				return err
			}
		}
		v, err := loadVersion(r, sec, got.Version)
		if err != nil {
			return err
		}
		if err := v.usable(); err != nil {
			return withPrevious(err, got.Previous)
		}
		got.AllowedHosts = v.AllowedHosts
		sealed, err = loadValue(r, sec, got.Version)
		return err
	})
	if err != nil {
		return Resolved{}, err
	}
	got.Usage = sec.Usage
	if got.Plain, err = s.keys.OpenValue(sealed, boundTo(sec, got.Version)); err != nil {
		return Resolved{}, fmt.Errorf("open version: %w", err)
	}
	return got, nil
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

// withPrevious adds to a refusal which versions were current before.
func withPrevious(err error, previous []Replacement) error {
	refusal, ok := fault.From(err)
	if !ok || len(previous) == 0 {
		return err
	}
	all := make([]string, len(previous))
	for i, p := range previous {
		all[i] = fmt.Sprintf("%d %s", p.Version, p.Time.Format(time.RFC3339Nano))
	}
	return refusal.With("previous_versions", strings.Join(all, ", "))
}

// checkHolder fails with NOT_BOUND unless the holder has a binding to the uid.
func checkHolder(r kv.Reader, uid, holder string) error {
	bindings, err := scanKeys(r, kv.Prefix(holderKey(uid, holder), 1))
	if err != nil {
		return fmt.Errorf("read bindings: %w", err)
	}
	if len(bindings) == 0 {
		return fault.New(fault.PermissionDenied, NotBound, "the caller holds no binding to the secret")
	}
	return nil
}

// Versions returns a page of a secret's versions with their uses, newest first.
func (s *Store) Versions(ctx context.Context, name Name, p Page) (versions []Version, next []byte, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		sec, err := loadSecret(r, name)
		if err != nil {
			return err
		}
		var pairs []kv.Pair
		if pairs, next, err = p.read(r, versionsKey(sec.UID), true); err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		versions = make([]Version, len(pairs))
		for i, pair := range pairs {
			number, _, err := kv.CutUint(pair.Key[len(versionsKey(sec.UID)):])
			if err != nil {
				return fmt.Errorf("read version: %w", err)
			}
			if versions[i], err = completeVersion(sec, uint32(number), pair.Value); err != nil {
				return err
			}
			if versions[i].Uses, err = loadUses(r, sec.UID, uint32(number)); err != nil {
				return err
			}
		}
		return nil
	})
	return versions, next, err
}

// loadValue returns the sealed value of a version.
func loadValue(r kv.Reader, sec Secret, number uint32) (keyring.Sealed, error) {
	stored, err := r.Get(valueKey(sec.UID, number))
	if errors.Is(err, kv.ErrNotFound) {
		// Not the caller's business: what is known of the version says it is here.
		return keyring.Sealed{}, errors.New("read value: the version has none")
	}
	if err != nil {
		return keyring.Sealed{}, fmt.Errorf("read value: %w", err)
	}
	sealed, err := keyring.UnmarshalSealed(stored)
	if err != nil {
		return keyring.Sealed{}, fmt.Errorf("read value: %w", err)
	}
	return sealed, nil
}

func versionNotFound() error {
	return fault.New(fault.NotFound, VersionNotFound, "the secret has no such version")
}
