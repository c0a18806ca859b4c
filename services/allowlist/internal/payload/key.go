package payload

import (
	"crypto"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
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

// A source is a reference with the way from the stored bytes to the key. Pipelines
// know their sources by address.
type source struct {
	Reference
	decoding keyform.Decoding
	shape    shape
	// privates and publics are the keys that were parsed before.
	privates keys.Made[parsed[crypto.PrivateKey]]
	publics  keys.Made[parsed[crypto.PublicKey]]
}

// parsed is an asymmetric key with its metadata.
type parsed[Key any] struct {
	key  Key
	info keyform.Info
}

// newSource returns the source of a reference that stands at a path, such as
// `encryption.request.signing.keys[0]`.
func newSource(path string, ref *allowlistv1.SecretRef) *source {
	s := &source{
		Reference: Reference{
			Secret: ref.GetName(), Version: ref.GetVersion(), Usage: UsageAt(path),
			Field: strings.TrimPrefix(path, root+"."),
		},
	}
	switch ref.GetDecoding() {
	case allowlistv1.Decoding_DECODING_HEX:
		s.decoding = keyform.Hex
	case allowlistv1.Decoding_DECODING_BASE64:
		s.decoding = keyform.Base64
	case allowlistv1.Decoding_DECODING_BASE64URL:
		s.decoding = keyform.Base64URL
	case allowlistv1.Decoding_DECODING_WHSEC:
		s.decoding = keyform.Whsec
	case allowlistv1.Decoding_DECODING_PEM:
		s.decoding = keyform.PEM
	}
	return s
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

// decode returns the key that the stored bytes hold, as a copy to zero after use.
func (s *source) decode(k Key) ([]byte, error) {
	key, err := keyform.Decode(s.decoding, k.Value.Reveal())
	if err != nil {
		return nil, s.unusable(err)
	}
	return key, nil
}

// private returns the private key that the stored bytes hold. Like public, it keeps the parsed
// key for as long as unused after its last use.
func (s *source) private(k Key, unused time.Duration) (crypto.PrivateKey, keyform.Info, error) {
	text, err := s.decode(k)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	defer clear(text)
	p, err := s.privates.Get(text, unused, func() (p parsed[crypto.PrivateKey], err error) {
		if p.key, p.info, err = keyform.ParsePrivate(text); err != nil {
			if _, _, public := keyform.ParsePublic(text); public == nil {
				err = errPublicKey
			}
		}
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, s.unusable(err)
	}
	return p.key, p.info, nil
}

// public returns the public key that the stored bytes hold or belong to.
func (s *source) public(k Key, unused time.Duration) (crypto.PublicKey, keyform.Info, error) {
	text, err := s.decode(k)
	if err != nil {
		return nil, keyform.Info{}, err
	}
	defer clear(text)
	p, err := s.publics.Get(text, unused, func() (p parsed[crypto.PublicKey], err error) {
		p.key, p.info, err = keyform.ParsePublic(text)
		return p, err
	})
	if err != nil {
		return nil, keyform.Info{}, s.unusable(err)
	}
	return p.key, p.info, nil
}

// A want is a source that a step needs, and whether its versions before the current
// one are welcome.
type want struct {
	*source
	live bool
}

// wantFirst returns the key that a list begins with: the one for what goes out.
func wantFirst(sources []*source) []want {
	if len(sources) == 0 {
		return nil
	}
	return []want{{source: sources[0]}}
}

// wantAll returns all keys of a list.
func wantAll(sources []*source, live bool) []want {
	wants := make([]want, len(sources))
	for i, s := range sources {
		wants[i] = want{source: s, live: live}
	}
	return wants
}

// references returns what has to be resolved. Only what follows the current version
// has versions before it.
func references(wants []want) []Reference {
	refs := make([]Reference, len(wants))
	for i, w := range wants {
		refs[i] = w.Reference
		refs[i].Live = w.live && w.Version == 0
	}
	return refs
}

// A ring holds the resolved keys of one message.
type ring struct {
	wants []want
	keys  Keys
	used  []Use
}

// newRing returns the ring of the keys that were resolved for wants.
func newRing(wants []want, keys Keys) (ring, error) {
	r := ring{wants: wants, keys: keys}
	if len(keys) != len(wants) || slices.ContainsFunc(keys, func(versions []Key) bool { return len(versions) == 0 }) {
		return r, errKeys
	}
	return r, nil
}

// versions returns the versions of a source, the newest first.
func (r *ring) versions(s *source) []Key { return r.keys[r.at(s)] }

// first returns the version that is used for what goes out, and notes its use.
func (r *ring) first(s *source) Key {
	key := r.versions(s)[0]
	r.use(s, key.Version)
	return key
}

// use notes that a version protected the message or opened it.
func (r *ring) use(s *source, version uint32) {
	use := Use{Reference: r.at(s), Version: version}
	if !slices.Contains(r.used, use) {
		r.used = append(r.used, use)
	}
}

func (r *ring) at(s *source) int {
	return slices.IndexFunc(r.wants, func(w want) bool { return w.source == s })
}

// A candidate is one version of one of several keys that may be the right one.
type candidate struct {
	*source
	Key
	// previous says that a newer version is there. One that is not usable is passed
	// over then: the secret may have been of another kind before.
	previous bool
}

// candidates returns all versions of all sources, in the order to try them.
func (r *ring) candidates(sources []*source) []candidate {
	var all []candidate
	for _, s := range sources {
		for i, key := range r.versions(s) {
			all = append(all, candidate{source: s, Key: key, previous: i > 0})
		}
	}
	return all
}
