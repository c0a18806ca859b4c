package secret

import (
	"context"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// A Change describes an update. Fields that are nil, or the zero Value, leave the secret
// unchanged.
type Change struct {
	// Etag, if not empty, must be the current etag.
	Etag string
	// Usage, if not nil, must be the usage of the secret.
	Usage *Usage
	// IssuedBy, if not nil, must be that of the secret.
	IssuedBy    *string
	Description *string
	// Labels replaces all labels, or those with LabelKeys if that is not empty. A key that Labels does
	// not have is then removed.
	Labels       *map[string]string
	LabelKeys    []string
	AllowedHosts *[]string
	// Shared, if it points to true, allows a KEY to serve the endpoints of several hosts.
	Shared *bool
	// Admin is whether the caller is a super admin, who may add hosts without a value.
	Admin bool
	// RotationPeriod, if it points to 0, ends the reminders.
	RotationPeriod *time.Duration
	// KeepVersions, if it points to 0, keeps all versions.
	KeepVersions *uint32
	Expiry       *Expiry
	// Value, if present, becomes the next version, and the current one unless KeepCurrent is set.
	Value       Value
	KeepCurrent bool
}

// Update changes a secret. A value always creates a version, even if it is the same as before. An
// update that changes nothing is not logged. Update fails with SECRET_NOT_FOUND, with
// ETAG_MISMATCH, with RESTORE_PENDING if it removes a host while changes are held, and with
// SECRET_IN_USE if it removes a host to which a binding sends the credential.
func (s *Store) Update(ctx context.Context, call Call, name Name, change Change) (Secret, error) {
	defer func() { change.Value.Zero() }()
	if known, seen, err := s.unseal(ctx, &call, name, &change.Value); err != nil || seen {
		return known, err
	}
	u := update{call: call, name: name, change: change, now: s.timestamp()}
	if change.Value.present() {
		var err error
		u.foreseen, err = s.foresee(ctx, call, name, change, u.now)
		defer u.plain.Zero()
		if err != nil {
			return Secret{}, err
		}
		// The usage is known only in the transaction, so the limit of a workspace applies to all its
		// values.
		if err := s.mayStore(name, Key); err != nil {
			return Secret{}, err
		}
		if err := s.quotas.ready(ctx, name.Workspace); err != nil {
			return Secret{}, err
		}
	}
	var updated Secret
	err := s.write(ctx, func(tx *writes) (err error) {
		updated, err = s.update(tx, u)
		return err
	})
	if err != nil {
		return Secret{}, s.noteEqual(ctx, call, name, err)
	}
	s.hintPruning(updated)
	return updated, nil
}

// An update is a change that is being stored.
type update struct {
	foreseen

	call   Call
	name   Name
	change Change
	now    time.Time
}

// update is the transaction of [Store.Update].
func (s *Store) update(tx *writes, u update) (Secret, error) {
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
	if err := before.checkEtag(u.change.Etag); err != nil {
		return Secret{}, err
	}
	if u.change.Value.present() && before.Usage != u.before.Usage {
		return Secret{}, fault.New(fault.Aborted, fault.EtagMismatch, "a new secret took this name in the meantime; read it again")
	}
	after, err := u.change.apply(tx, before, u.now)
	if err != nil {
		return Secret{}, err
	}
	if err := before.takes(tx, u.material); err != nil {
		return Secret{}, err
	}
	after.Updated = later(before.Updated, u.now)
	added := addition{material: u.material, waits: u.change.KeepCurrent}
	if u.change.Value.present() {
		if added.number, added.restores, err = before.nextVersion(tx); err != nil {
			return Secret{}, err
		}
		if added.stored, err = s.sealed(u, before, after, added.number); err != nil {
			return Secret{}, err
		}
	}
	updated, err := s.replace(tx, u.call, before, after, added)
	updated.Taken = u.taken
	return updated, err
}

// apply returns the secret with the change's fields, if they are permitted.
func (c Change) apply(r kv.Reader, before Secret, now time.Time) (Secret, error) {
	after := before
	if c.Usage != nil && *c.Usage != before.Usage {
		return Secret{}, fault.Field("secret.usage", "must be the usage of the secret, which never changes")
	}
	if c.IssuedBy != nil && *c.IssuedBy != before.IssuedBy {
		return Secret{}, fault.Field("secret.issued_by", "must be that of the secret, which never changes")
	}
	if c.Description != nil {
		after.Description = *c.Description
	}
	if c.Labels != nil {
		if after.Labels = resource.MergeKeys(before.Labels, *c.Labels, c.LabelKeys); len(after.Labels) > maxLabels {
			return Secret{}, fault.Field("secret.labels", "must not become more than 64")
		}
	}
	if c.AllowedHosts != nil {
		var err error
		if after, err = c.rehost(r, before, after); err != nil {
			return Secret{}, err
		}
	}
	if c.RotationPeriod != nil {
		after.RotationPeriod = *c.RotationPeriod
	}
	if c.KeepVersions != nil {
		after.KeepVersions = *c.KeepVersions
	}
	if c.Expiry != nil {
		if err := after.expire(c.Expiry.time(now), now); err != nil {
			return Secret{}, err
		}
	}
	if c.Shared != nil && *c.Shared != before.Shared {
		if !*c.Shared || before.Usage != Key {
			return Secret{}, fault.Field("secret.shared", "must be set only for a KEY, and cannot be unset")
		}
		after.Shared = true
	}
	return after, nil
}

// maxLabels is the maximum number of labels, as in the contract.
const maxLabels = 64

// takes fails if a secret with only public keys would get a private key or another value: public
// keys serve any purpose, and a secret that served any purpose must not get a private key.
func (s Secret) takes(r kv.Reader, value material) error {
	if value.plain.Len() == 0 || s.Usage != Key {
		return nil
	}
	current, err := loadVersion(r, s, s.Current)
	if err != nil || !s.public(current) || value.publicOnly() {
		return err
	}
	return fault.Field("secret.value", "must be a public key or a certificate, like the earlier versions; store a private key as another secret")
}

// An addition is the version that an update adds, if it has material for one.
type addition struct {
	material

	number, restores uint32 // see [Secret.nextVersion]

	stored Stored
	waits  bool   // not current until it is restored
	issuer string // the endpoint whose partner issued it, if one did
}

// replace writes an updated secret, with the new version if any, and returns the stored secret.
func (s *Store) replace(tx *writes, call Call, before, after Secret, added addition) (Secret, error) {
	fields, detail := differences(before, after)
	e := entry{action: Updated, fields: fields, detail: detail}
	if added.plain.Len() > 0 {
		after.renewChecks()
		after.addNumber(added.number, added.restores)
		e.version, e.fields = after.Last, append(fields, FieldValue)
		if err := after.takesEqual(tx, added.stored.Prints); err != nil {
			return Secret{}, err
		}
		e.detail.WeakReason = added.stored.WeakReason
		if added.issuer != "" {
			e.detail.Referrers = []string{added.issuer}
		}
		if err := s.putValue(tx, &after, after.Updated, added.stored); err != nil {
			return Secret{}, err
		}
		if err := s.account(tx, after.Name, added.stored.used()); err != nil {
			return Secret{}, err
		}
		if added.waits {
			after.AllowedHosts, after.Ports = before.AllowedHosts, before.Ports
		} else {
			after.promote(after.Last, after.Updated)
			e.fields = append(e.fields, FieldCurrentVersion)
		}
	} else if err := keepHosts(tx, before, &after); err != nil {
		return Secret{}, err
	}
	if len(e.fields) == 0 {
		return before, s.remember(tx, call, before)
	}
	if err := putKept(tx, before, after); err != nil {
		return Secret{}, err
	}
	after, err := s.save(tx, call, after, e)
	if err != nil {
		return Secret{}, err
	}
	err = s.pruneSome(tx, &after)
	return after, err
}

// save writes a secret after a change at after.Updated, and the entry of the change. It returns
// the stored secret.
func (s *Store) save(tx *writes, call Call, after Secret, e entry) (Secret, error) {
	after.Revision++
	e.at = after.Updated
	var err error
	if after.RotationDue, err = rotationDue(tx, after); err != nil {
		return Secret{}, err
	}
	if err := putUpdated(tx, &after); err != nil {
		return Secret{}, err
	}
	if err := s.record(tx, call, after, e); err != nil {
		return Secret{}, err
	}
	return after, s.remember(tx, call, after)
}

// touch writes the row of a secret and the entry of a change that is not an update.
func (s *Store) touch(tx *writes, call Call, sec *Secret, e entry) error {
	if err := putSecret(tx, sec); err != nil {
		return err
	}
	return s.record(tx, call, *sec, e)
}

// rotationDue returns when the current version of the secret should be replaced.
func rotationDue(r kv.Reader, sec Secret) (time.Time, error) {
	if sec.RotationPeriod == 0 {
		return time.Time{}, nil
	}
	current, err := loadVersion(r, sec, sec.Current)
	return current.Created.Add(sec.RotationPeriod), err
}

// later returns now, or a moment after before if the clock went back.
func later(before, now time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(1)
}
