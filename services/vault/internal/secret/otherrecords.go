package secret

import (
	"encoding/json"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// message returns the stored form of a binding.
func (b Binding) message() *stored.Binding {
	m := &stored.Binding{
		LastChange: b.LastChange, Created: kv.Nanos(b.Created), Usage: usageMessage(b.Usage), Referrer: b.Referrer,
		Host: b.Host, Port: uint32(b.Port), Versions: b.Versions, Issue: b.Issue,
	}
	if len(b.Purpose.Chains) > 0 || len(b.Purpose.Unknown) > 0 {
		m.Purpose = b.Purpose.message()
	}
	return with(m, b.Unknown)
}

// parse completes a binding whose key is known.
func (b *Binding) parse(text []byte) error {
	var m stored.Binding
	if err := decode(text, &m); err != nil {
		return err
	}
	b.LastChange, b.Created, b.Usage, b.Referrer = m.GetLastChange(), kv.TimeOf(m.GetCreated()), usageOf(m.GetUsage()), m.GetReferrer()
	b.Host, b.Port, b.Versions, b.Issue = m.GetHost(), uint16(m.GetPort()), m.GetVersions(), m.GetIssue()
	b.Purpose, b.Unknown = Purpose{}, m.ProtoReflect().GetUnknown()
	if m.GetPurpose() != nil {
		b.Purpose = purposeFrom(m.GetPurpose())
	}
	return nil
}

func (n Nonces) message() *stored.Nonces {
	return with(&stored.Nonces{Used: n.Used, Bits: uint32(n.Bits), First: kv.Nanos(n.First), Base: n.Base}, n.Unknown)
}

func noncesFrom(m *stored.Nonces) *Nonces {
	return &Nonces{
		Used: m.GetUsed(), Bits: int(m.GetBits()), First: kv.TimeOf(m.GetFirst()), Base: m.GetBase(), Unknown: m.ProtoReflect().GetUnknown(),
	}
}

func (u Uses) message() *stored.Uses {
	return with(&stored.Uses{Used: u.Used, Failed: u.Failed, Opened: u.Opened, Last: kv.Nanos(u.Last)}, u.Unknown)
}

func usesFrom(m *stored.Uses) Uses {
	return Uses{
		Used: m.GetUsed(), Failed: m.GetFailed(), Opened: m.GetOpened(), Last: kv.TimeOf(m.GetLast()), Unknown: m.ProtoReflect().GetUnknown(),
	}
}

func (s sealingSetting) message() *stored.Sealing {
	return with(&stored.Sealing{LastChange: s.LastChange, Required: s.Required, Revision: s.Revision}, s.Unknown)
}

func sealingFrom(m *stored.Sealing) sealingSetting {
	return sealingSetting{
		LastChange: m.GetLastChange(), Required: m.GetRequired(), Revision: m.GetRevision(), Unknown: m.ProtoReflect().GetUnknown(),
	}
}

// message returns the stored form of a detail.
func (d Detail) message() *stored.Detail {
	return &stored.Detail{
		OldDescription: d.OldDescription, NewDescription: d.NewDescription, OldLabels: d.OldLabels, NewLabels: d.NewLabels,
		OldAllowedHosts: d.OldAllowedHosts, NewAllowedHosts: d.NewAllowedHosts, Referrers: d.Referrers,
		OldRotationPeriod: int64(d.OldRotationPeriod), NewRotationPeriod: int64(d.NewRotationPeriod),
		OldChains: d.OldChains, Chains: d.Chains, OldCost: d.OldCost, NewCost: d.NewCost, WeakReason: d.WeakReason,
		OldKeepVersions: d.OldKeepVersions, NewKeepVersions: d.NewKeepVersions,
		OldExpires: kv.Nanos(d.OldExpires), NewExpires: kv.Nanos(d.NewExpires),
		Purged: kv.Nanos(d.PurgeAt), Same: d.Same,
	}
}

// parseDetail returns the detail of an entry. Entries of earlier releases, which stay in the log
// forever, have JSON, which no message begins like.
func parseDetail(text json.RawMessage) (Detail, error) {
	var m stored.Detail
	var err error
	if len(text) > 0 && text[0] == '{' {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, &m)
	} else {
		err = decode(text, &m)
	}
	if err != nil {
		return Detail{}, read("log detail", errRecord)
	}
	return Detail{
		OldDescription: m.GetOldDescription(), NewDescription: m.GetNewDescription(), OldLabels: m.GetOldLabels(), NewLabels: m.GetNewLabels(),
		OldAllowedHosts: m.GetOldAllowedHosts(), NewAllowedHosts: m.GetNewAllowedHosts(), Referrers: m.GetReferrers(),
		OldRotationPeriod: time.Duration(m.GetOldRotationPeriod()), NewRotationPeriod: time.Duration(m.GetNewRotationPeriod()),
		OldChains: m.GetOldChains(), Chains: m.GetChains(), OldCost: m.GetOldCost(), NewCost: m.GetNewCost(), WeakReason: m.GetWeakReason(),
		OldKeepVersions: m.GetOldKeepVersions(), NewKeepVersions: m.GetNewKeepVersions(),
		OldExpires: kv.TimeOf(m.GetOldExpires()), NewExpires: kv.TimeOf(m.GetNewExpires()),
		PurgeAt: kv.TimeOf(m.GetPurged()), Same: m.GetSame(),
	}, nil
}

// The stored forms of an earlier use.
func (e EarlierUse) message() stored.EarlierUse {
	switch e {
	case Digested:
		return stored.EarlierUse_EARLIER_USE_DIGESTED
	case Undigested:
		return stored.EarlierUse_EARLIER_USE_UNDIGESTED
	}
	return stored.EarlierUse(number(string(e)))
}

func earlierUseOf(e stored.EarlierUse) EarlierUse {
	switch e {
	case stored.EarlierUse_EARLIER_USE_UNSPECIFIED:
		return ""
	case stored.EarlierUse_EARLIER_USE_DIGESTED:
		return Digested
	}
	return Undigested
}
