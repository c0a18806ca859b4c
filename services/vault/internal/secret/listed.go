package secret

import (
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/slab"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// A listed is a secret of a list, and the memory that the list uses for one secret after the other.
type listed struct {
	secret Secret
	texts  slab.Strings
	// The memory of the fields that no list shows.
	holders, replaced, rewrites, destroyed, skipped [][]byte
	ports                                           []string
}

// parse sets the fields of the secret that a list shows, and shares the memory of text. It takes half
// of the time of [Secret.parse], which a list spends for each of its secrets.
func (l *listed) parse(name Name, text []byte) error {
	m := stored.ListedSecret{
		Holders: l.holders[:0], Replaced: l.replaced[:0], Rewrites: l.rewrites[:0], Destroyed: l.destroyed[:0],
		Skipped: l.skipped[:0], UsedPorts: l.ports[:0],
	}
	err := m.UnmarshalVTUnsafe(text)
	l.holders, l.replaced, l.rewrites = m.GetHolders(), m.GetReplaced(), m.GetRewrites()
	l.destroyed, l.skipped, l.ports = m.GetDestroyed(), m.GetSkipped(), m.GetUsedPorts()
	if err != nil || len(m.GetUid()) != uidSize {
		return read("secret", errRecord)
	}
	s := &l.secret
	s.Name, s.UID = name, l.texts.Of(appendUID(make([]byte, 0, uidTextSize), m.GetUid()))
	s.Revision = resource.FirstRevision(s.UID) + m.GetChanges()
	s.Created = kv.TimeOf(m.GetCreated())
	s.Updated = s.Created.Add(time.Duration(m.GetUpdatedAfter()))
	s.Usage, s.Current, s.Last, s.State = usageOf(m.GetUsage()), m.GetCurrent(), m.GetLast(), stateOf(m.GetState())
	s.References, s.AllowedHosts, s.Shared = m.GetReferences(), m.GetAllowedHosts(), m.GetShared()
	s.IssuedBy, s.Description, s.Labels = m.GetIssuedBy(), m.GetDescription(), m.GetLabels()
	s.RotationPeriod, s.RotationDue = time.Duration(m.GetRotationPeriod()), kv.TimeOf(m.GetRotationDue())
	s.KeepVersions, s.Expires = m.GetKeepVersions(), kv.TimeOf(m.GetExpires())
	s.DeletedAt, s.PurgeAt = kv.TimeOf(m.GetDeleted()), kv.TimeOf(m.GetPurged())
	return nil
}
