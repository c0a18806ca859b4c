package payload

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// nested is a JSON Web Signature inside of what is encrypted.
type nested struct {
	jws  jose.JWS
	keys []*source
}

// A nesting signs or verifies the values of one message.
type nesting struct {
	*nested
	options jose.JWS // with the fingerprints of the key
	key     any      // that signs
	public  []any    // that verify
	of      []version
}

// signing begins a message that goes out.
func (n *nested) signing(m *message) (*nesting, error) {
	if n == nil {
		return nil, nil
	}
	s := n.keys[0]
	key, info, err := joseKey(m, m.ring.first(s), n.jws.KeyBytes() > 0, true)
	if err != nil {
		return nil, err
	}
	made := &nesting{nested: n, options: n.jws, key: key}
	made.options.Header, err = fingerprinted(s, n.jws.Header, info)
	return made, err
}

// verifying begins a message that came in.
func (n *nested) verifying(m *message) (*nesting, error) {
	if n == nil {
		return nil, nil
	}
	public, of, err := usable(m, n.keys, func(v version) (any, error) {
		key, _, err := joseKey(m, v, n.jws.KeyBytes() > 0, false)
		return key, err
	})
	return &nesting{nested: n, options: n.jws, public: public, of: of}, err
}

// len returns about how long the JWS around n bytes is.
func (n *nesting) len(size int) int {
	const header, signature = 300, 700
	return header + base64.RawURLEncoding.EncodedLen(size) + signature
}

func (n *nesting) sign(m *message, value []byte) ([]byte, error) {
	if n.jws.KeyBytes() == 0 {
		if err := m.spend(privateKeyWork); err != nil {
			return nil, err
		}
	}
	compact, err := n.options.Sign(m.Now, m.Random, n.key, value)
	if err != nil {
		return nil, n.nested.keys[0].unusable(err)
	}
	return compact, nil
}

func (n *nesting) verify(m *message, compact []byte) ([]byte, error) {
	if n.jws.KeyBytes() == 0 {
		if err := m.spend(publicKeyWork * len(n.public)); err != nil {
			return nil, err
		}
	}
	value, which, err := n.options.Verify(n.public, compact)
	switch {
	case errors.Is(err, jose.ErrKey):
		return nil, n.nested.keys[0].unusable(err)
	case err != nil:
		return nil, errSignInside
	}
	m.ring.use(n.of[which])
	return value, nil
}

// joseKey returns a key as package jose takes it: the bytes of a shared one, a private
// or a public one.
func joseKey(m *message, v version, shared, private bool) (any, keyform.Info, error) {
	if shared {
		key, err := m.bytes(v)
		return key, keyform.Info{}, err
	}
	if private {
		return m.private(v)
	}
	return m.public(v)
}

// fingerprinted returns header members with the fingerprints of the key in them.
func fingerprinted(s *source, header map[string]string, info keyform.Info) (map[string]string, error) {
	if !describe.HoldsFingerprint(header) {
		return header, nil
	}
	filled := maps.Clone(header)
	for name, value := range filled {
		if strings.Contains(value, describe.CertificatePlaceholder) && info.CertificateSHA256 == nil {
			return nil, s.unusable(errNoCertificate)
		}
		value = strings.ReplaceAll(value, describe.PublicKeyPlaceholder, hex.EncodeToString(info.PublicSHA256[:]))
		if info.CertificateSHA256 != nil {
			value = strings.ReplaceAll(value, describe.CertificatePlaceholder, hex.EncodeToString(info.CertificateSHA256[:]))
		}
		filled[name] = value
	}
	return filled, nil
}
