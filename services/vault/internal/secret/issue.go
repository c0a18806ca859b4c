package secret

import (
	"context"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
)

// # Versions that a partner issues
//
// A partner may issue a key in an answer, such as a session key of a few hours. The owner stores a
// placeholder, and names the endpoint of the partner when creating the secret (issued_by). The resolver
// that holds a binding to issue, for that endpoint, then adds versions, and nothing else: it cannot
// change another field, and no other secret. A person learns from the change log which resolver added a
// version, for which endpoint.
//
// The value of an earlier version is refused. An old answer could otherwise bring back a key that the
// partner has withdrawn.

const (
	// MaxIssued is the maximum length of an issued value in bytes.
	MaxIssued = 4 << 10
	// maxIssuedPerHour is the number of versions within an hour after which no version is issued.
	maxIssuedPerHour = 60
	// maxCompared is the number of formerly current versions that an issued CREDENTIAL is compared with.
	// A KEY is compared with all versions, by its fingerprints.
	maxCompared = 16
)

// An Issuer is a resolver that stores what the partner of an endpoint issued.
type Issuer struct {
	// Holder is the name of the resolver in bindings.
	Holder string
	// Referrer is the resource name of the endpoint.
	Referrer string
}

// issuedBy fails with ISSUER_NOT_ALLOWED unless the secret is issued by the referrer.
func (s Secret) issuedBy(referrer string) error {
	if s.IssuedBy == referrer && referrer != "" {
		return nil
	}
	return fault.New(fault.FailedPrecondition, IssuerNotAllowed, "the secret is not issued by this referrer; create a secret whose issued_by is the referrer")
}

// onlyIssues reports whether the referrer does nothing but issue versions.
func (b Binding) onlyIssues() bool {
	return b.Issue && len(b.Purpose.Chains) == 0 && b.Host == ""
}

// Issue stores a value as the next version of a secret, makes it current, and returns its number. The
// value must be sealed. The current value adds no version. Issue fails with SECRET_NOT_FOUND, NOT_BOUND,
// ISSUER_NOT_ALLOWED, SECRET_EXPIRED, VERSION_DISABLED, VERSION_DESTROYED, RATE_LIMITED, ISSUED_BEFORE,
// and, for the value, like [Store.Update].
func (s *Store) Issue(ctx context.Context, call Call, name Name, by Issuer, value Value) (number uint32, at Position, err error) {
	defer func() { value.Zero() }()
	u := update{call: call, name: name, now: s.timestamp()}
	// A caller that may not issue must not learn how the value is judged.
	err = s.kv.View(ctx, func(r kv.Reader) error {
		sec, err := loadSecret(r, name)
		if err != nil {
			return err
		}
		_, err = by.mayIssue(r, sec, u.now)
		return err
	})
	if err != nil {
		return 0, at, s.deleteReason(ctx, name, "", err)
	}
	known, seen, err := s.unseal(ctx, &u.call, name, &value)
	if err != nil || seen {
		return known.Current, s.committed(), err
	}
	if value.given.Len() > MaxIssued {
		return 0, at, fault.Field("value", "must be 1 byte to 4 KiB long")
	}
	u.change.Value = value
	u.foreseen, err = s.foresee(ctx, u.call, name, u.change, u.now)
	defer u.plain.Zero()
	if err != nil {
		return 0, at, err
	}
	if err := s.mayStore(name, Key); err != nil {
		return 0, at, err
	}
	if err := s.quotas.ready(ctx, name.Workspace); err != nil {
		return 0, at, err
	}
	var after Secret
	err = s.write(ctx, func(tx *writes) error {
		after, err = s.issue(tx, u, by)
		return err
	})
	if err != nil {
		return 0, at, s.noteEqual(ctx, u.call, name, err)
	}
	s.hintPruning(after)
	return after.Current, s.committed(), nil
}

// issue is the transaction of [Store.Issue].
func (s *Store) issue(tx *writes, u update, by Issuer) (Secret, error) {
	uid, seen, err := s.replayed(tx, u.call)
	if err != nil {
		return Secret{}, err
	}
	if seen {
		return loadLife(tx, u.name, uid)
	}
	if err := s.admit(tx, u.name, u.change.Value); err != nil {
		return Secret{}, err
	}
	before, err := loadIntact(tx, u.name)
	if err != nil {
		return Secret{}, err
	}
	current, err := by.mayIssue(tx, before, u.now)
	if err != nil {
		return Secret{}, err
	}
	if before.UID != u.before.UID {
		return Secret{}, notFound()
	}
	if same, err := s.hasValue(before, current, u.plain); err != nil || same {
		if err == nil {
			err = s.remember(tx, u.call, before)
		}
		return before, err
	}
	if err := before.takes(tx, u.material); err != nil {
		return Secret{}, err
	}
	after := before
	after.Updated = later(before.Updated, u.now)
	added := addition{material: u.material, issuer: by.Referrer}
	if added.number, added.restores, err = before.nextVersion(tx); err != nil {
		return Secret{}, err
	}
	if added.stored, err = s.sealed(u, before, after, added.number); err != nil {
		return Secret{}, err
	}
	if err := s.neverHad(tx, before, added); err != nil {
		return Secret{}, err
	}
	return s.replace(tx, u.call, before, after, added)
}

// mayIssue fails unless the issuer may add a version to the secret now. It returns the current version.
func (by Issuer) mayIssue(r kv.Reader, sec Secret, now time.Time) (current Version, err error) {
	if err := sec.checkHolder(by.Holder); err != nil {
		return Version{}, err
	}
	if err := sec.issuedBy(by.Referrer); err != nil {
		return Version{}, err
	}
	bound, err := by.bound(r, sec)
	if err != nil {
		return Version{}, err
	}
	if !bound {
		return Version{}, fault.New(fault.PermissionDenied, NotBound, "the caller has no binding to issue the secret")
	}
	if err := sec.unexpired(now); err != nil {
		return Version{}, err
	}
	if current, err = loadVersion(r, sec, sec.Current); err != nil {
		return Version{}, err
	}
	if err := current.usable(); err != nil {
		return Version{}, err
	}
	return current, sec.paced(r, now)
}

// bound reports whether the issuer has a binding to issue the secret.
func (by Issuer) bound(r kv.Reader, sec Secret) (bool, error) {
	prefix := bindingsKey(sec.Name, sec.UID)
	for pair, err := range r.Scan(kv.Prefix(prefix.Text(by.Holder), maxExamined)) {
		b := Binding{Name: sec.Name, UID: sec.UID}
		if err == nil {
			err = b.read(prefix, pair)
		}
		if err != nil {
			return false, fmt.Errorf("read bindings: %w", err)
		}
		if b.Issue && b.Referrer == by.Referrer {
			return true, nil
		}
	}
	return false, nil
}

// paced fails with RATE_LIMITED if the secret got too many versions within an hour. The times of its
// versions count, so a restart changes nothing.
func (s Secret) paced(r kv.Reader, now time.Time) error {
	if s.Last < maxIssuedPerHour || !s.has(s.Last-maxIssuedPerHour+1) {
		return nil
	}
	first, err := loadVersion(r, s, s.Last-maxIssuedPerHour+1)
	if err != nil {
		return err
	}
	if wait := first.Created.Add(time.Hour).Sub(now); wait > 0 {
		return fault.Exhausted(s.Name.String(), "the secret got 60 versions within an hour", wait)
	}
	return nil
}

// hasValue reports whether a version has a value, in a time that does not depend on it.
func (s *Store) hasValue(sec Secret, v Version, given sensitive.Bytes) (same bool, err error) {
	memory.Do(func() {
		var plain sensitive.Bytes
		if plain, err = s.openValue(sec, v); err != nil {
			return
		}
		defer plain.Zero()
		same = sameBytes(plain, given)
	})
	return same, err
}

// neverHad fails with ISSUED_BEFORE if an earlier version of the secret has the value.
func (s *Store) neverHad(r kv.Reader, sec Secret, added addition) error {
	had := false
	if sec.Usage == Key {
		keeper, err := keeperOf(r, sec, added.stored.Prints)
		if err != nil {
			return err
		}
		had = keeper != 0
	}
	for i := 0; !had && i < min(len(sec.Replaced), maxCompared); i++ {
		v, err := loadVersion(r, sec, sec.Replaced[i].Version)
		if err != nil {
			return err
		}
		if had, err = s.hasValue(sec, v, added.plain); err != nil {
			return err
		}
	}
	if had {
		return fault.New(fault.FailedPrecondition, IssuedBefore, "an earlier version of the secret has this value: the answer of the partner is an old one")
	}
	return nil
}
