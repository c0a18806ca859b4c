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

// Errors of a key in addition to those of package keys.
var (
	ErrNoCertificate = errors.New("the key has no certificate, which the message names or contains")
	ErrPublicKey     = errors.New("the key is public, but a private key is needed")
)

// OneSided reports whether an error of [Pipeline.Encrypt] or [Pipeline.Decrypt] concerns a valid
// key that belongs to the other side: the partner's public key, which can neither decrypt nor
// sign, or our private key without the certificate whose fingerprint the partner sends. An
// endpoint often has only such keys for one direction.
func OneSided(err error) bool {
	return errors.Is(err, ErrPublicKey) || errors.Is(err, ErrNoCertificate) || errors.Is(err, pgp.ErrPublic)
}

// A Source is a key of a configuration with the cached results of parsing it. Pipelines identify
// their sources by address.
type Source struct {
	Reference
	Decoding    keyform.Decoding
	Requirement keyfit.Requirement
	// Opens says that the private part of the key decrypts messages.
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

// UsageAt returns the usage of the secret at a path of a configuration, such as
// `encryption.request.cipher.iv.secret`. A secret that is sent as it is, an IV or a salt, is a
// parameter: anyone with the cipher's key could compute it from the ciphertext even if it is not
// sent.
func UsageAt(path string) Usage {
	if strings.HasPrefix(path, describe.Root+".issued[") {
		return IssueUsage
	}
	if strings.HasSuffix(path, ".iv.secret") || strings.HasSuffix(path, ".salt.secret") {
		return ParameterUsage
	}
	return KeyUsage
}

// PrivateKey returns the private key of a version. Like PublicKey, it caches the parsed key until
// the key has been unused for a while.
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

// PublicKey returns the public key of a version, or the public part of its private key.
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
// accepted.
type Need struct {
	*Source
	AcceptPrevious bool
}

// NeedFirst returns the first key of a list, which is used for outgoing messages.
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

// References returns the references to resolve. Only references to the current version include
// versions before it.
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
	// decoded contains the keys that were decoded so far.
	decoded []decoded
}

// decoded is the key that a version holds.
type decoded struct {
	need, index int
	key         []byte
}

// NewRing returns a ring with the keys that were resolved for needs.
func NewRing(needs []Need, keys Keys) (ring, error) {
	r := ring{needs: needs, keys: keys}
	if len(keys) != len(needs) || slices.ContainsFunc(keys, func(versions []Key) bool { return len(versions) == 0 }) {
		return r, errKeys
	}
	return r, nil
}

// Newest returns the version of a source that is used for outgoing messages.
func (r *ring) Newest(s *Source) Candidate {
	at := r.at(s)
	return Candidate{Source: s, Key: r.keys[at][0], need: at}
}

// First returns the newest version of a source, and records its use.
func (r *ring) First(s *Source) Candidate {
	v := r.Newest(s)
	r.Use(v)
	return v
}

// Use records that a version protected or decrypted the message.
func (r *ring) Use(v Candidate) {
	use := UsedKey{Reference: v.need, Version: v.Key.Version}
	if !slices.Contains(r.Used, use) {
		r.Used = append(r.Used, use)
	}
}

func (r *ring) at(s *Source) int {
	return slices.IndexFunc(r.needs, func(n Need) bool { return n.Source == s })
}

// A Candidate is one version of a source, possibly the right one of several.
type Candidate struct {
	*Source
	Key         Key
	need, index int
}

// Superseded reports whether a newer version exists. An unusable version is skipped then, because
// the secret may have been of a different kind before.
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

// Bytes returns the key of a version. The message decodes it once and owns it: callers must
// neither change nor keep it.
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

// Usable calls take for each version of the sources, and returns the results of the usable
// versions together with these versions. It fails if the newest version of a source is not usable.
func Usable[Made any](m *Message, sources []*Source, take func(Candidate) (Made, error)) (made []Made, of []Candidate, err error) {
	all := m.Ring.Candidates(sources)
	made, of = make([]Made, 0, len(all)), all[:0]
	for _, v := range all {
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
