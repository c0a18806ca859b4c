package message

import (
	"crypto"
	"errors"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// What may be wrong with a key besides what package keys finds.
var (
	ErrNoCertificate = errors.New("the key is no certificate, whose fingerprint is sent")
	ErrPublicKey     = errors.New("the key is a public one, and a private one is needed")
)

// OneSided reports whether an error of [Pipeline.Encrypt] or [Pipeline.Decrypt] is that of a
// sound key which belongs to the other side: the partner's public key, with which we neither
// open nor sign, or our private key without the certificate whose fingerprint the partner
// sends. One direction of an endpoint often has only such keys.
func OneSided(err error) bool {
	return errors.Is(err, ErrPublicKey) || errors.Is(err, ErrNoCertificate) || errors.Is(err, pgp.ErrPublic)
}

// A Source is a key of a configuration with all that was parsed of it before. Pipelines know
// their sources by address.
type Source struct {
	Reference
	Decoding    keyform.Decoding
	Requirement keyfit.Requirement
	// Opens says that the private part of the key opens messages.
	Opens    bool
	privates keys.Cache[parsed[crypto.PrivateKey]]
	publics  keys.Cache[parsed[crypto.PublicKey]]
}

// parsed is an asymmetric key with its metadata.
type parsed[Key any] struct {
	key  Key
	info keyform.Info
}

// NewSource returns the source of a key.
func NewSource(key describe.Key) *Source {
	return &Source{
		Reference: Reference{Secret: key.Secret, Version: key.Version, Usage: UsageAt(key.Field), Field: key.Field},
		Decoding:  key.Decoding, Requirement: key.Requirement,
		Opens: key.Role == describe.Encrypts && !key.Shared(),
	}
}

// UsageAt returns the usage of the secret that stands at a path of a configuration, such
// as `encryption.request.cipher.iv.secret`. What is sent as it
// is, an IV or a salt, is a parameter: whoever knows the cipher's key could read it
// out of the ciphertext even where it is not sent.
func UsageAt(path string) Usage {
	if strings.HasSuffix(path, ".iv.secret") || strings.HasSuffix(path, ".salt.secret") {
		return ParameterUsage
	}
	return KeyUsage
}

// PrivateKey returns the private key of a version. Like public, it keeps the parsed key until it
// has been unused for a while.
func (m *Message) PrivateKey(v Candidate) (crypto.PrivateKey, keyform.Info, error) {
	text, err := m.Bytes(v)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	p, err := v.privates.Get(text, m.CacheFor(), func() (p parsed[crypto.PrivateKey], err error) {
		if p.key, p.info, err = keyform.ParsePrivate(text); err != nil {
			if _, _, public := keyform.ParsePublic(text); public == nil {
				err = ErrPublicKey
			}
		}
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, v.Unusable(err)
	}
	return p.key, p.info, nil
}

// PublicKey returns the public key of a version, or the one that its private key belongs to.
func (m *Message) PublicKey(v Candidate) (crypto.PublicKey, keyform.Info, error) {
	text, err := m.Bytes(v)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	p, err := v.publics.Get(text, m.CacheFor(), func() (p parsed[crypto.PublicKey], err error) {
		p.key, p.info, err = keyform.ParsePublic(text)
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, v.Unusable(err)
	}
	return p.key, p.info, nil
}

// A Need is a source that a step needs, and whether its versions before the current one are
// welcome.
type Need struct {
	*Source
	AcceptPrevious bool
}

// NeedFirst returns the key that a list begins with: the one for what goes out.
func NeedFirst(sources []*Source) []Need {
	if len(sources) == 0 {
		return nil
	}
	return []Need{{Source: sources[0]}}
}

// NeedAll returns all keys of a list.
func NeedAll(sources []*Source, previous bool) []Need {
	needs := make([]Need, len(sources))
	for i, s := range sources {
		needs[i] = Need{Source: s, AcceptPrevious: previous}
	}
	return needs
}

// References returns what has to be resolved. Only what follows the current version
// has versions before it.
func References(needs []Need) []Reference {
	refs := make([]Reference, len(needs))
	for i, n := range needs {
		refs[i] = n.Reference
		refs[i].Previous = n.AcceptPrevious && n.Version == 0
	}
	return refs
}

// A ring holds the resolved keys of one message.
type ring struct {
	needs []Need
	keys  Keys
	Used  []UsedKey
	// decoded are the keys that were decoded so far.
	decoded []decoded
}

// decoded is the key that a version holds.
type decoded struct {
	need, index int
	key         []byte
}

// NewRing returns the ring of the keys that were resolved for needs.
func NewRing(needs []Need, keys Keys) (ring, error) {
	r := ring{needs: needs, keys: keys}
	if len(keys) != len(needs) || slices.ContainsFunc(keys, func(versions []Key) bool { return len(versions) == 0 }) {
		return r, errKeys
	}
	return r, nil
}

// Newest returns the version of a source that is used for what goes out.
func (r *ring) Newest(s *Source) Candidate {
	at := r.at(s)
	return Candidate{Source: s, Key: r.keys[at][0], need: at}
}

// First returns the newest version of a source, and notes its use.
func (r *ring) First(s *Source) Candidate {
	v := r.Newest(s)
	r.Use(v)
	return v
}

// Use notes that a version protected the message or opened it.
func (r *ring) Use(v Candidate) {
	use := UsedKey{Reference: v.need, Version: v.Key.Version}
	if !slices.Contains(r.Used, use) {
		r.Used = append(r.Used, use)
	}
}

func (r *ring) at(s *Source) int {
	return slices.IndexFunc(r.needs, func(n Need) bool { return n.Source == s })
}

// A Candidate is one version of a source, which may be the right one of several.
type Candidate struct {
	*Source
	Key         Key
	need, index int
}

// Superseded reports whether a newer version is there. One that is not usable is passed over
// then: the secret may have been of another kind before.
func (v Candidate) Superseded() bool { return v.index > 0 }

// Candidates returns all versions of all sources, in the order to try them.
func (r *ring) Candidates(sources []*Source) []Candidate {
	var all []Candidate
	for _, s := range sources {
		at := r.at(s)
		for i, key := range r.keys[at] {
			all = append(all, Candidate{Source: s, Key: key, need: at, index: i})
		}
	}
	return all
}

// Bytes returns the key that a version holds, decoded once for the message, which owns it:
// callers neither change nor keep it.
func (m *Message) Bytes(v Candidate) ([]byte, error) {
	for _, d := range m.Ring.decoded {
		if d.need == v.need && d.index == v.index {
			return d.key, nil
		}
	}
	key, err := keyform.Decode(v.Decoding, v.Key.Value.Reveal())
	if err != nil {
		return nil, v.Unusable(err)
	}
	m.Ring.decoded = append(m.Ring.decoded, decoded{need: v.need, index: v.index, key: key})
	return key, nil
}

// Optional returns the newest version of a source that may be nil.
func (m *Message) Optional(s *Source) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	return m.Bytes(m.Ring.First(s))
}

// Usable returns what take makes of each version of the sources that can be used, with the
// versions. It fails with the newest version that cannot.
func Usable[Made any](m *Message, sources []*Source, take func(Candidate) (Made, error)) (made []Made, of []Candidate, err error) {
	for _, v := range m.Ring.Candidates(sources) {
		one, err := take(v)
		switch {
		case err != nil && v.Superseded():
			continue
		case err != nil:
			return nil, nil, err
		}
		made, of = append(made, one), append(of, v)
	}
	return made, of, nil
}
