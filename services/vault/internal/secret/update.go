package secret

import (
	"context"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// A Change is what an update makes different. What is nil, or the zero Value,
// stays as it is.
type Change struct {
	// Etag, if not empty, must be the current one.
	Etag string
	// Usage, if not nil, must be the present one.
	Usage        *Usage
	Description  *string
	Labels       *map[string]string
	AllowedHosts *[]string
	// Shared, if not nil and true, lets a KEY serve the endpoints of several hosts.
	Shared *bool
	// Admin is whether a super admin makes the change, who may add hosts without a value.
	Admin bool
	// RotationPeriod, if it points to 0, ends that anybody is reminded.
	RotationPeriod *time.Duration
	// Value, if there is one, becomes the next version, and the current one unless
	// KeepCurrent is set.
	Value       Value
	KeepCurrent bool
}

// Update changes a secret. A value always makes a version, also if it is the same
// as before; if nothing else differs either way, nothing is changed and logged. It
// fails with SECRET_NOT_FOUND, with ETAG_MISMATCH, and with SECRET_IN_USE if a host
// would no longer be allowed to which a binding sends the credential.
func (s *Store) Update(ctx context.Context, call Call, name Name, change Change) (Secret, error) {
	defer func() { change.Value.Zero() }()
	var drawn material
	if known, seen, err := s.unseal(ctx, &call, name, &change.Value); err != nil || seen {
		return known, err
	}
	usage, err := s.usageFor(ctx, name, change)
	if err != nil {
		return Secret{}, err
	}
	if change.Value.present() {
		if drawn, err = s.draw(ctx, change.Value, usage); err != nil {
			return Secret{}, err
		}
		defer drawn.plain.Zero()
	}
	if change.Value.present() {
		// The usage is known in the transaction only; a workspace that is held back is so for
		// all its values.
		if err := s.mayStore(name, Key); err != nil {
			return Secret{}, err
		}
	}
	var updated Secret
	u := update{call: call, name: name, change: change, usage: usage, drawn: drawn, now: s.timestamp()}
	err = s.kv.Update(ctx, func(tx kv.Tx) (err error) {
		updated, err = s.update(tx, u)
		return err
	})
	if err != nil {
		return Secret{}, s.noteEqual(ctx, call, name, err)
	}
	return updated, nil
}

// An update is a change on its way into the store.
type update struct {
	call   Call
	name   Name
	change Change
	// usage is that of the secret that the value was made for.
	usage Usage
	drawn material
	now   time.Time
}

// update does in a transaction what [Store.Update] promises.
func (s *Store) update(tx kv.Tx, u update) (Secret, error) {
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
	before, err := loadSecret(tx, u.name)
	if err != nil {
		return Secret{}, err
	}
	if err := before.checkEtag(u.change.Etag); err != nil {
		return Secret{}, err
	}
	if u.change.Value.present() && before.Usage != u.usage {
		return Secret{}, fault.New(fault.Aborted, fault.EtagMismatch, "the secret was replaced by another one in the meantime; read it again")
	}
	after, err := u.change.apply(tx, before)
	if err != nil {
		return Secret{}, err
	}
	if err := before.takes(tx, u.drawn); err != nil {
		return Secret{}, err
	}
	after.Updated = later(before.Updated, u.now)
	if u.change.Value.present() {
		beside := storing{secret: after, value: u.change.Value, reason: u.call.Author.Reason, id: "secret.name"}
		if err := beside.vet(&u.drawn); err != nil {
			return Secret{}, err
		}
	}
	updated, err := s.replace(tx, u.call, before, after, addition{u.drawn, u.change.KeepCurrent})
	updated.Taken = u.drawn.taken
	return updated, err
}

// usageFor returns the usage of the secret that a value is for, which decides whether the value is
// looked at as a key. It is empty if there is no value, or no secret: then the change fails, or
// was made before.
func (s *Store) usageFor(ctx context.Context, name Name, change Change) (usage Usage, err error) {
	if !change.Value.present() {
		return "", nil
	}
	err = s.kv.View(ctx, func(r kv.Reader) error {
		sec, err := loadSecret(r, name)
		usage = sec.Usage
		return err
	})
	if fault.Is(err, NotFound) {
		return "", nil
	}
	return usage, err
}

// apply returns the secret with the change's fields, if it allows them.
func (c Change) apply(r kv.Reader, before Secret) (Secret, error) {
	after := before
	if c.Usage != nil && *c.Usage != before.Usage {
		return Secret{}, fault.Field("secret.usage", "must be the present one: the usage of a secret never changes")
	}
	if c.Description != nil {
		after.Description = *c.Description
	}
	if c.Labels != nil {
		after.Labels = *c.Labels
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
	if c.Shared != nil && *c.Shared != before.Shared {
		if !*c.Shared || before.Usage != Key {
			return Secret{}, fault.Field("secret.shared", "must be set for a KEY only, and is never taken back")
		}
		after.Shared = true
	}
	return after, nil
}

// takes fails if a secret that holds public keys only would get a private key or another
// value: public keys serve any purpose, and what has served any must not become a private key.
func (s Secret) takes(r kv.Reader, value material) error {
	if value.plain.Len() == 0 || s.Usage != Key {
		return nil
	}
	current, err := loadVersion(r, s, s.Current)
	if err != nil || !s.public(current) || value.publicOnly() {
		return err
	}
	return fault.Field("secret.value", "must be a public key or a certificate, as the versions before are; store a private key as another secret")
}

// An addition is the version that an update adds, if it has material for one.
type addition struct {
	material

	waits bool // until it is restored
}

// replace writes what an update made of a secret, with the new version if there is one,
// and returns the secret as it is then.
func (s *Store) replace(tx kv.Tx, call Call, before, after Secret, added addition) (Secret, error) {
	fields, detail := differences(before, after)
	e := entry{action: Updated, fields: fields, detail: detail}
	if added.plain.Len() > 0 {
		after.Last++
		e.version, e.fields = after.Last, append(fields, FieldValue)
		// The number is known in here only. Sealing costs microseconds.
		stored, err := s.seal(after, after.Last, added.material)
		if err != nil {
			return Secret{}, err
		}
		if err := after.takesEqual(tx, stored.Prints.All); err != nil {
			return Secret{}, err
		}
		e.detail.WeakReason = stored.WeakReason
		if err := putVersion(tx, after, after.Updated, stored); err != nil {
			return Secret{}, err
		}
		if added.waits {
			after.AllowedHosts, after.Ports = before.AllowedHosts, before.Ports
		} else {
			after.promote(after.Last, after.Updated)
			e.fields = append(e.fields, FieldCurrentVersion)
		}
	} else if err := keepHosts(tx, before, after); err != nil {
		return Secret{}, err
	}
	if len(e.fields) == 0 {
		return before, s.remember(tx, call, before)
	}
	return s.save(tx, call, before, after, e)
}

// save writes what a change, made at after.Updated, made of a secret, and its entry. It
// returns the secret as it is then.
func (s *Store) save(tx kv.Tx, call Call, before, after Secret, e entry) (Secret, error) {
	after.Revision++
	e.at = after.Updated
	var err error
	if after.RotationDue, err = rotationDue(tx, after); err != nil {
		return Secret{}, err
	}
	if err := tx.Delete(updateKey(before.Name, before.Updated)); err != nil {
		return Secret{}, fmt.Errorf("delete update time: %w", err)
	}
	state, err := putSecret(tx, after)
	if err != nil {
		return Secret{}, err
	}
	if err := s.record(tx, call, after, e, state); err != nil {
		return Secret{}, err
	}
	return after, s.remember(tx, call, after)
}

// rotationDue returns when the secret's current version should be replaced.
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
