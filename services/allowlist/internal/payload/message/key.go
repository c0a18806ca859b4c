package payload

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
	errNoCertificate = errors.New("the key is no certificate, whose fingerprint is sent")
	errPublicKey     = errors.New("the key is a public one, and a private one is needed")
)

// OneSided reports whether an error of [Pipeline.Encrypt] or [Pipeline.Decrypt] is that of a
// sound key which belongs to the other side: the partner's public key, with which we neither
// open nor sign, or our private key without the certificate whose fingerprint the partner
// sends. One direction of an endpoint often has only such keys.
func OneSided(err error) bool {
	return errors.Is(err, errPublicKey) || errors.Is(err, errNoCertificate) || errors.Is(err, pgp.ErrPublic)
}

// A source is a key of a configuration with all that was parsed of it before. Pipelines know
// their sources by address.
type source struct {
	Reference
	decoding    keyform.Decoding
	requirement keyfit.Requirement
	// opens says that the private part of the key opens messages.
	opens    bool
	privates keys.Cache[parsed[crypto.PrivateKey]]
	publics  keys.Cache[parsed[crypto.PublicKey]]
}

// parsed is an asymmetric key with its metadata.
type parsed[Key any] struct {
	key  Key
	info keyform.Info
}

// newSource returns the source of a key.
func newSource(key describe.Key) *source {
	return &source{
		Reference: Reference{Secret: key.Secret, Version: key.Version, Usage: UsageAt(key.Field), Field: key.Field},
		decoding:  key.Decoding, requirement: key.Requirement,
		opens: key.Role == describe.Encrypts && !key.Shared(),
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

// private returns the private key of a version. Like public, it keeps the parsed key until it
// has been unused for a while.
func (m *message) private(v version) (crypto.PrivateKey, keyform.Info, error) {
	text, err := m.bytes(v)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	p, err := v.privates.Get(text, m.keepUnused(), func() (p parsed[crypto.PrivateKey], err error) {
		if p.key, p.info, err = keyform.ParsePrivate(text); err != nil {
			if _, _, public := keyform.ParsePublic(text); public == nil {
				err = errPublicKey
			}
		}
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, v.unusable(err)
	}
	return p.key, p.info, nil
}

// public returns the public key of a version, or the one that its private key belongs to.
func (m *message) public(v version) (crypto.PublicKey, keyform.Info, error) {
	text, err := m.bytes(v)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	p, err := v.publics.Get(text, m.keepUnused(), func() (p parsed[crypto.PublicKey], err error) {
		p.key, p.info, err = keyform.ParsePublic(text)
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, v.unusable(err)
	}
	return p.key, p.info, nil
}

// A need is a source that a step needs, and whether its versions before the current one are
// welcome.
type need struct {
	*source
	previous bool
}

// needFirst returns the key that a list begins with: the one for what goes out.
func needFirst(sources []*source) []need {
	if len(sources) == 0 {
		return nil
	}
	return []need{{source: sources[0]}}
}

// needAll returns all keys of a list.
func needAll(sources []*source, previous bool) []need {
	needs := make([]need, len(sources))
	for i, s := range sources {
		needs[i] = need{source: s, previous: previous}
	}
	return needs
}

// references returns what has to be resolved. Only what follows the current version
// has versions before it.
func references(needs []need) []Reference {
	refs := make([]Reference, len(needs))
	for i, n := range needs {
		refs[i] = n.Reference
		refs[i].Previous = n.previous && n.Version == 0
	}
	return refs
}

// A ring holds the resolved keys of one message.
type ring struct {
	needs []need
	keys  Keys
	used  []UsedKey
	// decoded are the keys that were decoded so far.
	decoded []decoded
}

// decoded is the key that a version holds.
type decoded struct {
	need, index int
	key         []byte
}

// newRing returns the ring of the keys that were resolved for needs.
func newRing(needs []need, keys Keys) (ring, error) {
	r := ring{needs: needs, keys: keys}
	if len(keys) != len(needs) || slices.ContainsFunc(keys, func(versions []Key) bool { return len(versions) == 0 }) {
		return r, errKeys
	}
	return r, nil
}

// newest returns the version of a source that is used for what goes out.
func (r *ring) newest(s *source) version {
	at := r.at(s)
	return version{source: s, Key: r.keys[at][0], need: at}
}

// first returns the newest version of a source, and notes its use.
func (r *ring) first(s *source) version {
	v := r.newest(s)
	r.use(v)
	return v
}

// use notes that a version protected the message or opened it.
func (r *ring) use(v version) {
	use := UsedKey{Reference: v.need, Version: v.Key.Version}
	if !slices.Contains(r.used, use) {
		r.used = append(r.used, use)
	}
}

func (r *ring) at(s *source) int {
	return slices.IndexFunc(r.needs, func(n need) bool { return n.source == s })
}

// A version is one version of a source, which may be the right one of several.
type version struct {
	*source
	Key         Key
	need, index int
}

// previous reports whether a newer version is there. One that is not usable is passed over
// then: the secret may have been of another kind before.
func (v version) previous() bool { return v.index > 0 }

// candidates returns all versions of all sources, in the order to try them.
func (r *ring) candidates(sources []*source) []version {
	var all []version
	for _, s := range sources {
		at := r.at(s)
		for i, key := range r.keys[at] {
			all = append(all, version{source: s, Key: key, need: at, index: i})
		}
	}
	return all
}

// bytes returns the key that a version holds, decoded once for the message, which owns it:
// callers neither change nor keep it.
func (m *message) bytes(v version) ([]byte, error) {
	for _, d := range m.ring.decoded {
		if d.need == v.need && d.index == v.index {
			return d.key, nil
		}
	}
	key, err := keyform.Decode(v.decoding, v.Key.Value.Reveal())
	if err != nil {
		return nil, v.unusable(err)
	}
	m.ring.decoded = append(m.ring.decoded, decoded{need: v.need, index: v.index, key: key})
	return key, nil
}

// optional returns the newest version of a source that may be nil.
func (m *message) optional(s *source) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	return m.bytes(m.ring.first(s))
}

// usable returns what take makes of each version of the sources that can be used, with the
// versions. It fails with the newest version that cannot.
func usable[Made any](m *message, sources []*source, take func(version) (Made, error)) (made []Made, of []version, err error) {
	for _, v := range m.ring.candidates(sources) {
		one, err := take(v)
		switch {
		case err != nil && v.previous():
			continue
		case err != nil:
			return nil, nil, err
		}
		made, of = append(made, one), append(of, v)
	}
	return made, of, nil
}
