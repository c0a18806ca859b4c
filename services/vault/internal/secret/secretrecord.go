package secret

import (
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// message returns the stored form of a secret.
func (s Secret) message() *stored.Secret {
	uid := rawUID(s.UID)
	m := &stored.Secret{
		Uid: uid[:], LastChange: s.LastChange, Created: kv.Nanos(s.Created), UpdatedAfter: int64(s.Updated.Sub(s.Created)),
		Changes: s.Revision - resource.FirstRevision(s.UID),
		Usage:   usageMessage(s.Usage), Current: s.Current, Last: s.Last, State: stateMessage(s.State),
		References: s.References, Deferred: s.Deferred, AllowedHosts: s.AllowedHosts, Ports: s.Ports, UsedPorts: s.UsedPorts,
		Shared: s.Shared, Public: s.Public, Kind: uint32(s.Kind), EarlierUse: s.EarlierUse.message(),
		IssuedBy: s.IssuedBy, Description: s.Description, Labels: s.Labels, RotationPeriod: int64(s.RotationPeriod), RotationDue: kv.Nanos(s.RotationDue),
		KeepVersions: s.KeepVersions, Expires: kv.Nanos(s.Expires), Deleted: kv.Nanos(s.DeletedAt), Purged: kv.Nanos(s.PurgeAt),
		CheckFailures: s.CheckFailures, EarlierCheckFailures: s.EarlierCheckFailures,
		Restores: s.Restores, Destroyed: spansMessage(s.Destroyed), Skipped: spansMessage(s.Skipped),
	}
	if s.Purpose != nil {
		m.Purpose = s.Purpose.message()
	}
	for _, h := range s.Holders {
		m.Holders = append(m.Holders, with(&stored.Holder{Name: h.Name, Bindings: h.Bindings}, h.Unknown))
	}
	for _, r := range s.Replaced {
		m.Replaced = append(m.Replaced, with(&stored.Replacement{Version: r.Version, Time: kv.Nanos(r.Time)}, r.Unknown))
	}
	for _, r := range s.Rewrites {
		m.Rewrites = append(m.Rewrites, with(&stored.Rewrite{Version: r.Version, Change: r.Change, Disabled: r.Disabled}, r.Unknown))
	}
	return with(m, s.Unknown)
}

func spansMessage(spans []Span) (m []*stored.Span) {
	for _, s := range spans {
		m = append(m, with(&stored.Span{First: s.First, Last: s.Last}, s.Unknown))
	}
	return m
}

func spansOf(m []*stored.Span) (spans []Span) {
	for _, s := range m {
		spans = append(spans, Span{s.GetFirst(), s.GetLast(), s.Unknown()})
	}
	return spans
}

// parseSecret returns the secret of a name, which shares the memory of text.
func parseSecret(name Name, text []byte) (s Secret, err error) {
	err = s.parse(name, text)
	return s, err
}

// parse sets the secret to that of a name, which shares the memory of text.
func (s *Secret) parse(name Name, text []byte) error {
	var m stored.Secret
	if err := m.UnmarshalVTUnsafe(text); err != nil {
		return read("secret", errRecord)
	}
	if len(m.GetUid()) != uidSize {
		return read("secret", errRecord)
	}
	uid := textOf(m.GetUid())
	created := kv.TimeOf(m.GetCreated())
	*s = Secret{
		Name: name, UID: uid, LastChange: m.GetLastChange(), Created: created, Updated: created.Add(time.Duration(m.GetUpdatedAfter())),
		Revision: resource.FirstRevision(uid) + m.GetChanges(),
		Usage:    usageOf(m.GetUsage()), Current: m.GetCurrent(), Last: m.GetLast(), State: stateOf(m.GetState()),
		References: m.GetReferences(), Deferred: m.GetDeferred(), AllowedHosts: m.GetAllowedHosts(), Ports: m.GetPorts(), UsedPorts: m.GetUsedPorts(),
		Shared: m.GetShared(), Public: m.GetPublic(), Kind: Kind(m.GetKind()), EarlierUse: earlierUseOf(m.GetEarlierUse()),
		IssuedBy: m.GetIssuedBy(), Description: m.GetDescription(), Labels: m.GetLabels(), RotationPeriod: time.Duration(m.GetRotationPeriod()),
		RotationDue: kv.TimeOf(m.GetRotationDue()), KeepVersions: m.GetKeepVersions(), Expires: kv.TimeOf(m.GetExpires()),
		DeletedAt: kv.TimeOf(m.GetDeleted()), PurgeAt: kv.TimeOf(m.GetPurged()),
		CheckFailures: m.GetCheckFailures(), EarlierCheckFailures: m.GetEarlierCheckFailures(), Unknown: m.Unknown(),
		Restores: m.GetRestores(), Destroyed: spansOf(m.GetDestroyed()), Skipped: spansOf(m.GetSkipped()),
	}
	if m.GetPurpose() != nil {
		purpose := purposeFrom(m.GetPurpose())
		s.Purpose = &purpose
	}
	for _, h := range m.GetHolders() {
		s.Holders = append(s.Holders, Holder{h.GetName(), h.GetBindings(), h.Unknown()})
	}
	for _, r := range m.GetReplaced() {
		s.Replaced = append(s.Replaced, Replacement{r.GetVersion(), kv.TimeOf(r.GetTime()), r.Unknown()})
	}
	for _, r := range m.GetRewrites() {
		s.Rewrites = append(s.Rewrites, Rewrite{r.GetVersion(), r.GetChange(), r.GetDisabled(), r.Unknown()})
	}
	return nil
}

// message returns the stored form of a purpose.
func (p Purpose) message() *stored.Purpose {
	return with(&stored.Purpose{
		Chains: p.Chains, Cost: p.Cost, Host: p.Host, Conflicting: p.Conflicting, Stated: p.Stated, Sealed: kv.Nanos(p.Sealed),
	}, p.Unknown)
}

func purposeFrom(m *stored.Purpose) Purpose {
	return Purpose{
		Chains: m.GetChains(), Cost: m.GetCost(), Host: m.GetHost(), Conflicting: m.GetConflicting(), Stated: m.GetStated(),
		Sealed: kv.TimeOf(m.GetSealed()), Unknown: m.Unknown(),
	}
}

// findSecret returns the secret of a name and its stored form, or SECRET_NOT_FOUND. The secret may be
// deleted ([Secret.deleted]).
func findSecret(r kv.Reader, name Name) (sec Secret, text []byte, err error) {
	key := secretKey(name)
	if text, err = r.Get(key); err != nil {
		if isMissing(err) {
			return Secret{}, nil, notFound()
		}
		return Secret{}, nil, read("secret", err)
	}
	err = sec.parse(name, text)
	return sec, text, err
}

// loadSecret returns the secret of a name, or SECRET_NOT_FOUND.
func loadSecret(r kv.Reader, name Name) (Secret, error) {
	sec, _, err := findSecret(r, name)
	return sec.unlessDeleted(err)
}

// loadLife returns the secret of a name if it still has the given uid.
func loadLife(r kv.Reader, name Name, uid string) (Secret, error) {
	sec, err := loadSecret(r, name)
	if err == nil && sec.UID != uid {
		return Secret{}, notFound()
	}
	return sec, err
}

// putSecret writes the row of a secret for the next entry, which it names.
func putSecret(tx *writes, sec *Secret) (err error) {
	if sec.LastChange, err = tx.next(); err != nil {
		return err
	}
	if err := tx.put(secretRow(sec.Name), sec.message()); err != nil {
		return writing("secret", err)
	}
	return nil
}

// holds reports whether a principal has a binding.
func (s Secret) holds(name string) bool {
	return slices.ContainsFunc(s.Holders, func(h Holder) bool { return h.Name == name })
}

// checkHolder fails with NOT_BOUND unless the holder has a binding.
func (s Secret) checkHolder(name string) error {
	if !s.holds(name) {
		return fault.New(fault.PermissionDenied, NotBound, "the caller has no binding to the secret")
	}
	return nil
}

// countHolder counts a binding of a principal that is added or removed.
func (s *Secret) countHolder(name string, comes bool) error {
	holders := slices.Clone(s.Holders)
	i := slices.IndexFunc(holders, func(h Holder) bool { return h.Name == name })
	switch {
	case i < 0 && comes:
		holders = append(holders, Holder{Name: name, Bindings: 1})
	case i < 0:
		return tampered("a binding has no holder")
	case comes:
		holders[i].Bindings++
	default:
		if holders[i].Bindings--; holders[i].Bindings == 0 {
			holders = slices.Delete(holders, i, i+1)
		}
	}
	s.Holders = holders
	return nil
}
