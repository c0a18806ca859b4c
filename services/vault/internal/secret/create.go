package secret

import (
	"context"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// A Draft describes a secret to create.
type Draft struct {
	Description  string
	Labels       map[string]string
	Usage        Usage
	AllowedHosts []string
	// Shared allows a KEY to serve the endpoints of several hosts.
	Shared bool
	// Chains is the purpose that the owner states for a KEY, if any.
	Chains []string
	// IssuedBy is the endpoint whose partner issues the versions of a KEY or CREDENTIAL, or empty.
	IssuedBy string
	// RotationPeriod is 0 if no one is to be reminded.
	RotationPeriod time.Duration
	// KeepVersions is the number of versions to keep, or 0 for all.
	KeepVersions uint32
	Expiry       Expiry
	Value        Value
}

// Create stores a secret with its first version. It fails with SECRET_EXISTS if the name is taken.
// A repeated request returns the current secret.
func (s *Store) Create(ctx context.Context, call Call, name Name, draft Draft) (Secret, error) {
	defer func() { draft.Value.Zero() }()
	if err := checkHosts(draft.Usage, draft.AllowedHosts); err != nil {
		return Secret{}, err
	}
	if err := draft.checkChains(); err != nil {
		return Secret{}, err
	}
	if draft.IssuedBy != "" && draft.Usage != Key && draft.Usage != Credential {
		return Secret{}, fault.Field("secret.issued_by", "must be empty unless the usage is KEY or CREDENTIAL")
	}
	if err := s.mayStore(name, draft.Usage); err != nil {
		return Secret{}, err
	}
	if known, seen, err := s.unseal(ctx, &call, name, &draft.Value); err != nil || seen {
		return known, err
	}
	sec, stored, err := s.prepare(ctx, call, name, draft)
	if err != nil {
		return Secret{}, err
	}
	if err := s.quotas.ready(ctx, name.Workspace); err != nil {
		return Secret{}, err
	}
	var created Secret
	err = s.write(ctx, func(tx *writes) error {
		uid, seen, err := s.replayed(tx, call)
		if err != nil {
			return err
		}
		if seen {
			created, err = loadLife(tx, name, uid)
			return err
		}
		if err := s.admit(tx, name, draft.Value); err != nil {
			return err
		}
		created, err = s.insert(tx, call, sec, stored)
		return err
	})
	if err := s.settle(ctx, name, err); err != nil {
		return Secret{}, err
	}
	return created, nil
}

// fieldChains is the field of the chains in a request that creates a secret.
const fieldChains = "secret.purpose.chains"

// checkChains fails unless the secret may have the stated purpose.
func (d Draft) checkChains() error {
	switch {
	case len(d.Chains) == 0:
		return nil
	case d.Usage != Key:
		return fault.Field(fieldChains, "must be empty unless the usage is KEY")
	case !d.Value.kind.servesAll(*d.purpose()):
		return fault.Field(fieldChains, "must fit the kind of key to generate: AES keys encrypt, and HMAC keys authenticate")
	case !d.Value.kind.decodes(*d.purpose()):
		return fault.Field(fieldChains, "must decode a generated key from its stored form: AES and HMAC keys as raw, and private keys as pem")
	}
	return nil
}

// purpose returns the purpose of a new KEY.
func (d Draft) purpose() *Purpose {
	p := NewPurpose(d.Chains, 0, false)
	p.Stated = len(p.Chains) > 0
	return &p
}

// prepare does the work that needs no transaction: it generates the uid and the value, checks the
// value, and seals it.
func (s *Store) prepare(ctx context.Context, call Call, name Name, draft Draft) (Secret, Stored, error) {
	uid, err := s.newUID()
	if err != nil {
		return Secret{}, Stored{}, err
	}
	now := s.timestamp()
	sec := Secret{
		Name: name, UID: uid, Revision: resource.FirstRevision(uid),
		Description: draft.Description, Labels: draft.Labels,
		Usage: draft.Usage, AllowedHosts: draft.AllowedHosts,
		Current: 1, Last: 1, State: Enabled,
		Created: now, Updated: now,
		RotationPeriod: draft.RotationPeriod, KeepVersions: draft.KeepVersions, Ports: draft.Usage == Credential,
		IssuedBy: draft.IssuedBy,
	}
	if err := sec.expire(draft.Expiry.time(now), now); err != nil {
		return Secret{}, Stored{}, err
	}
	if sec.Usage == Key {
		sec.Purpose, sec.Shared, sec.Kind = draft.purpose(), draft.Shared, draft.Value.kind
	}
	if sec.RotationPeriod > 0 {
		sec.RotationDue = now.Add(sec.RotationPeriod)
	}
	var stored Stored
	drawn, err := s.draw(ctx, draft.Value, draft.Usage, func(m *material) (err error) {
		if sec.Public = sec.Usage == Key && m.publicOnly(); sec.Public && len(draft.Chains) > 0 {
			return fault.Field(fieldChains, "must be empty for a public key, which serves any purpose")
		}
		beside := storing{secret: sec, value: draft.Value, reason: call.Author.Reason, chains: draft.Chains, id: "secret_id"}
		if err := beside.vet(m); err != nil {
			return err
		}
		sec.Taken = m.taken
		stored, err = s.seal(sec, sec.Current, *m)
		return err
	})
	drawn.plain.Zero()
	return sec, stored, err
}

// insert writes a new secret, and returns it as it is stored.
func (s *Store) insert(tx *writes, call Call, sec Secret, stored Stored) (Secret, error) {
	switch taken, err := tx.Get(secretKey(sec.Name)); {
	case err == nil:
		return Secret{}, exists(sec.Name, taken)
	case !isMissing(err):
		return Secret{}, read("secret", err)
	}
	if err := audit.Absent(tx, sec.Name.String()); err != nil {
		return Secret{}, err
	}
	last, err := restore.Load(tx)
	if err != nil {
		return Secret{}, err
	}
	sec.Restores = last.Count
	if err := s.putValue(tx, &sec, sec.Created, stored); err != nil {
		return Secret{}, err
	}
	if err := putUpdated(tx, &sec); err != nil {
		return Secret{}, err
	}
	if err := putKept(tx, Secret{}, sec); err != nil {
		return Secret{}, err
	}
	added := stored.used()
	added.Secrets = 1
	if err := s.account(tx, sec.Name, added); err != nil {
		return Secret{}, err
	}
	fields, detail := differences(Secret{}, sec)
	detail.WeakReason, detail.Chains = stored.WeakReason, sec.chains()
	entry := entry{
		action: Created, at: sec.Created, detail: detail,
		version: sec.Current, fields: append(fields, FieldValue),
	}
	if err := s.record(tx, call, sec, entry); err != nil {
		return Secret{}, err
	}
	return sec, s.remember(tx, call, sec)
}

// putUpdated writes a secret and its index entry by update time.
func putUpdated(tx *writes, sec *Secret) error {
	if err := putSecret(tx, sec); err != nil {
		return err
	}
	return writing("update time", tx.Put(updateKey(sec.Name, sec.Updated), nil))
}

// putValue writes a value as the last version of the secret, whose row must be written, too.
func (s *Store) putValue(tx *writes, sec *Secret, at time.Time, stored Stored) (err error) {
	if stored.Sealed, err = s.underPrimary(*sec, sec.Last, stored.Sealed); err != nil {
		return err
	}
	v := Version{
		Number: sec.Last, State: Enabled, Created: at, Sealed: stored.Sealed,
		Prints: stored.Prints, Public: stored.Public, Facts: stored.Facts,
		WeakReason: stored.WeakReason, AllowedHosts: sec.AllowedHosts, Ports: sec.Ports,
	}
	if err := v.begin(tx, sec); err != nil {
		return err
	}
	return addVersion(tx, *sec, v)
}
