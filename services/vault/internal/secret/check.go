package secret

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/quota"
	"github.com/keyward/keyward/pkg/sensitive"
)

// # Checks of a value
//
// An owner may ask whether a value is that of a version, for example whether the partner's key is
// still the same. The answer is one bit about the whole value, never about a part of it. An owner who
// can guess a value in a few attempts learns it, so the number of wrong guesses is limited for as long
// as the value exists: the secret's row counts them, and a restart, a deletion with a grace, or a
// restored version does not reset the count. A new version gets a count of its own, while all earlier versions
// share one, to which that of the last version is added. So storing another value allows no further
// guesses at the value before.
//
// The comparison is part of the transaction that counts and logs it. Transactions run one at a time,
// so concurrent calls cannot exceed the limit, and a call over the limit decrypts nothing.

const (
	// checksPerHour is the number of checks of one secret in an hour.
	checksPerHour = 5
	// maxCheckFailures is the number of wrong guesses at a version.
	maxCheckFailures = 20
)

// newChecks returns the limiter of checks, by uid.
func newChecks(s *Store) (*quota.Limiter, error) {
	return quota.New(quota.Limits{Rate: checksPerHour / 3600.0, Burst: checksPerHour}, s.now)
}

// A Checked is the result of a check.
type Checked struct {
	// Same is whether the value is that of the version.
	Same bool
	// Version is the number of the version.
	Version uint32
	// Left is the number of other values that may still be checked.
	Left uint32
}

// Check reports whether a value is that of a version, or of the current version if the number is 0. It
// takes ownership of the value, which must not be generated. The value is converted like one that is
// stored, and the results are compared byte by byte, in a time that does not depend on them. A
// disabled version may be checked.
//
// Each check is logged, and changes neither the etag nor the update time. Check fails with
// SECRET_NOT_FOUND, VERSION_NOT_FOUND, VERSION_DESTROYED, RATE_LIMITED, CHECK_LOCKED,
// KEY_FORM_NOT_USABLE, and, like [Store.Create], for a value that must be sealed. A repeated request is
// another check.
func (s *Store) Check(ctx context.Context, call Call, name Name, number uint32, value Value) (Checked, error) {
	defer func() { value.Zero() }()
	before, err := s.mayCheck(ctx, name, number)
	if err != nil {
		return Checked{}, err
	}
	// The request was never recorded, so it is never recognized as a repeated one.
	if _, _, err := s.unseal(ctx, &call, name, &value); err != nil {
		return Checked{}, err
	}
	given, err := s.draw(ctx, value, before.Usage, func(*material) error { return nil })
	defer given.plain.Zero()
	if err != nil {
		return Checked{}, err
	}
	var done Checked
	err = s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, name)
		if err != nil {
			return err
		}
		if sec.UID != before.UID {
			return notFound()
		}
		if err := s.admit(tx, name, value); err != nil {
			return err
		}
		done, err = s.check(tx, call, sec, number, given.plain)
		return err
	})
	if err != nil {
		return Checked{}, err
	}
	return done, nil
}

// mayCheck returns the secret of a check, unless the check would fail. It counts the check for the
// limit of an hour.
func (s *Store) mayCheck(ctx context.Context, name Name, number uint32) (sec Secret, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		if sec, err = s.loadSecret(r, name); err != nil {
			return err
		}
		_, err := s.checkable(r, sec, number)
		return err
	})
	if err != nil {
		return Secret{}, err
	}
	return sec, s.checks.Spend(sec.UID)
}

// checkable returns the version of a check, or an error if no value may be compared with it.
func (s *Store) checkable(r kv.Reader, sec Secret, number uint32) (Version, error) {
	if number == 0 {
		number = sec.Current
	}
	if !sec.has(number) {
		return Version{}, versionNotFound()
	}
	v, err := s.loadVersion(r, sec, number)
	switch {
	case err != nil:
		return Version{}, err
	case v.State == Destroyed:
		return Version{}, v.usable()
	case *sec.checkFailures(number) >= maxCheckFailures:
		return Version{}, fault.New(fault.FailedPrecondition, CheckLocked,
			"too many other values were checked; the vault checks values again for the next version")
	}
	return v, nil
}

// check compares a value with that of a version, and counts and logs the check.
func (s *Store) check(tx *writes, call Call, sec Secret, number uint32, given sensitive.Bytes) (Checked, error) {
	v, err := s.checkable(tx, sec, number)
	if err != nil {
		return Checked{}, err
	}
	same := false
	memory.Do(func() {
		var plain sensitive.Bytes
		if plain, err = s.openValue(sec, v); err != nil {
			return
		}
		defer plain.Zero()
		same = sameBytes(plain, given)
	})
	if err != nil {
		return Checked{}, err
	}
	failures := sec.checkFailures(v.Number)
	if !same {
		*failures++
	}
	e := entry{action: ValueChecked, at: s.timestamp(), version: v.Number, detail: Detail{Same: same}}
	if err := s.touch(tx, call, &sec, e); err != nil {
		return Checked{}, err
	}
	return Checked{Same: same, Version: v.Number, Left: maxCheckFailures - *failures}, nil
}

// sameBytes compares two values in a time that depends on the length of each, but neither on their
// content nor on whether they have the same length.
func sameBytes(a, b sensitive.Bytes) bool {
	x, y := sha256.Sum256(a.Reveal()), sha256.Sum256(b.Reveal())
	defer clear(x[:])
	defer clear(y[:])
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// checkFailures returns the count of other values that were checked that applies to a version.
func (s *Secret) checkFailures(number uint32) *uint32 {
	if number == s.Last {
		return &s.CheckFailures
	}
	return &s.EarlierCheckFailures
}

// renewChecks starts the count of a version that is about to be added.
func (s *Secret) renewChecks() {
	s.EarlierCheckFailures = min(s.EarlierCheckFailures+s.CheckFailures, maxCheckFailures)
	s.CheckFailures = 0
}
