package earlier

import (
	"fmt"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A loaded is a secret with everything that belongs to it, and the stored forms of the records, of
// which the log has digests.
type loaded struct {
	secret.Import
	text     []byte
	bindings [][]byte
}

// zero erases the values.
func (l *loaded) zero() {
	for _, v := range l.Versions {
		v.Plain.Zero()
	}
}

// load reads a secret and opens its values. The caller must zero them, also after an error.
func load(r kv.Reader, keys *keyring.Keyring, name secret.Name, text []byte) (l loaded, err error) {
	var from Secret
	if err := decode(text, &from); err != nil {
		return loaded{}, err
	}
	l = loaded{Import: secret.Import{Secret: from.convert(name)}, text: text}
	var use string
	if _, err := get(r, kv.NewKey("purpose").Text(from.UID), &use); err != nil {
		return loaded{}, err
	}
	if l.Secret.EarlierUse = secret.EarlierUse(use); use != "" && l.Secret.EarlierUse != secret.Digested {
		l.Secret.EarlierUse = secret.Undigested
	}
	for number := uint32(1); number <= from.Last; number++ {
		v, err := loadVersion(r, keys, from, l.Secret, number)
		if err != nil {
			return l, fmt.Errorf("version %d: %w", number, err)
		}
		l.Versions = append(l.Versions, v)
	}
	if err := l.shareEarlierLedgers(r, keys); err != nil {
		return l, err
	}
	l.settlePublic()
	err = each(r, kv.NewKey("binding").Text(from.UID), func(rest, value []byte) error {
		b, err := convertBinding(rest, value)
		l.Bindings, l.bindings = append(l.Bindings, b), append(l.bindings, value)
		return err
	})
	return l, err
}

func loadVersion(r kv.Reader, keys *keyring.Keyring, sec Secret, of secret.Secret, number uint32) (v secret.ImportedVersion, err error) {
	var from Version
	present, err := get(r, kv.NewKey("version").Text(sec.UID).Uint(uint64(number)), &from)
	if err == nil && !present {
		err = errMissing
	}
	if err != nil {
		return v, err
	}
	v.Version = from.convert(number)
	if v.State != secret.Destroyed {
		v.AllowedHosts = sec.hostsOf(from)
	}
	var uses Uses
	if _, err := get(r, kv.NewKey("uses").Text(sec.UID).Uint(uint64(number)), &uses); err != nil {
		return v, err
	}
	v.Uses = secret.Uses{Used: uses.Used, Failed: uses.Failed, Opened: uses.Opened, Last: uses.Last}
	if v.State == secret.Destroyed {
		return v, nil
	}
	text, err := r.Get(kv.NewKey("value").Text(sec.UID).Uint(uint64(number)))
	if err != nil {
		return v, fmt.Errorf("read value: %w", err)
	}
	sealed, err := keyring.UnmarshalSealed(text)
	if err != nil {
		return v, fmt.Errorf("read value: %w", err)
	}
	v.UID = secret.VersionUIDOf(sealed)
	v.Plain, err = keys.OpenValue(sealed, keyring.AD{Purpose: "secret-value", Workspace: of.Name.Workspace, UID: sec.UID, Version: number})
	return v, err
}

// hostsOf returns the hosts of a version, which may have been stored before hosts belonged to
// versions.
func (s Secret) hostsOf(v Version) []string {
	switch {
	case v.AllowedHosts != nil:
		return v.AllowedHosts
	case s.EarlierHosts != nil:
		return s.EarlierHosts
	}
	return s.AllowedHosts
}

// settlePublic records that a KEY from before purposes were stored has only public keys.
func (l *loaded) settlePublic() {
	public := l.Secret.Usage == secret.Key && l.Secret.Purpose == nil
	for _, v := range l.Versions {
		public = public && len(v.Public) > 0 && v.Facts != nil && !v.Facts.Private
	}
	l.Secret.Public = l.Secret.Public || public
}

// convert returns the secret in the current form, without what describes versions and bindings.
func (s Secret) convert(name secret.Name) secret.Secret {
	to := secret.Secret{
		Name: name, UID: s.UID, Revision: s.Revision, Description: s.Description, Labels: s.Labels, Usage: secret.Usage(s.Usage),
		AllowedHosts: s.AllowedHosts, Ports: s.Ports, UsedPorts: s.UsedPorts, Current: s.Current, Last: s.Last, State: secret.State(s.State),
		Created: s.Created, Updated: s.Updated, RotationPeriod: s.RotationPeriod, RotationDue: s.RotationDue,
		Shared: s.Shared, Kind: secret.Kind(s.Kind), Public: s.Public,
	}
	if s.Purpose != nil {
		purpose := s.Purpose.convert()
		to.Purpose = &purpose
	}
	for _, r := range s.Replaced {
		to.Replaced = append(to.Replaced, secret.Replacement{Version: r.Version, Time: r.Time})
	}
	return to
}

func (p Purpose) convert() secret.Purpose {
	return secret.Purpose{
		Chains: p.Chains, Cost: p.Cost, Host: p.Host, Conflicting: p.Conflicting, Stated: p.Stated, Sealed: p.Sealed,
	}
}

func (v Version) convert(number uint32) secret.Version {
	to := secret.Version{
		Number: number, State: secret.State(v.State), Created: v.Created, Public: v.Public, SameAs: v.SameAs, Ports: v.Ports,
		AllowedHosts: v.AllowedHosts, WeakReason: v.WeakReason,
	}
	if v.Facts != nil {
		to.Facts = &secret.Facts{Bytes: v.Facts.Bytes, Private: v.Facts.Private}
	}
	if n := v.Nonces; n != nil {
		to.Nonces = &secret.Nonces{Used: n.Used, Bits: n.Bits, First: n.First, Base: n.Base}
	}
	return to
}

func convertBinding(rest, value []byte) (b secret.Binding, err error) {
	var from Binding
	if err := decode(value, &from); err != nil {
		return b, err
	}
	if b.Holder, rest, err = kv.CutText(rest); err != nil {
		return b, err
	}
	b.Operation, _, err = kv.CutText(rest)
	b.Usage, b.Referrer, b.Host, b.Port = secret.Usage(from.Usage), from.Referrer, from.Host, from.Port
	b.Created, b.Versions, b.Purpose = from.Created, from.Versions, from.Purpose.convert()
	return b, err
}
