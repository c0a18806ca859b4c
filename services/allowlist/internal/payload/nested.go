package payload

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
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
	by      []candidate
}

// signing begins a message that goes out.
func (n *nested) signing(m *message) (*nesting, error) {
	if n == nil {
		return nil, nil
	}
	s := n.keys[0]
	key, info, err := joseKey(s, m.ring.first(s), n.jws.KeyBytes() > 0, true, m.keepUnused())
	if err != nil {
		return nil, err
	}
	m.ownShared(key)
	made := &nesting{nested: n, options: n.jws, key: key}
	made.options.Header, err = fingerprinted(s, n.jws.Header, info)
	return made, err
}

// verifying begins a message that came in.
func (n *nested) verifying(m *message) (*nesting, error) {
	if n == nil {
		return nil, nil
	}
	made := &nesting{nested: n, options: n.jws}
	for _, c := range m.ring.candidates(n.keys) {
		key, _, err := joseKey(c.source, c.Key, n.jws.KeyBytes() > 0, false, m.keepUnused())
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return nil, err
		}
		m.ownShared(key)
		made.public, made.by = append(made.public, key), append(made.by, c)
	}
	return made, nil
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
	m.ring.use(n.by[which].source, n.by[which].Version)
	return value, nil
}

// joseKey returns a key as package jose takes it: the bytes of a shared one, a private
// or a public one.
func joseKey(s *source, k Key, shared, private bool, unused time.Duration) (any, keyform.Info, error) {
	if shared {
		key, err := s.decode(k)
		return key, keyform.Info{}, err
	}
	if private {
		return s.private(k, unused)
	}
	return s.public(k, unused)
}

// The placeholders of JOSE headers.
const (
	publicKeyPlaceholder   = "${public_key_sha256}"
	certificatePlaceholder = "${certificate_sha256}"
)

// fingerprinted returns header members with the fingerprints of the key in them.
func fingerprinted(s *source, header map[string]string, info keyform.Info) (map[string]string, error) {
	if !holdsFingerprint(header) {
		return header, nil
	}
	filled := maps.Clone(header)
	for name, value := range filled {
		if strings.Contains(value, certificatePlaceholder) && info.CertificateSHA256 == nil {
			return nil, s.unusable(errNoCertificate)
		}
		value = strings.ReplaceAll(value, publicKeyPlaceholder, hex.EncodeToString(info.PublicSHA256[:]))
		if info.CertificateSHA256 != nil {
			value = strings.ReplaceAll(value, certificatePlaceholder, hex.EncodeToString(info.CertificateSHA256[:]))
		}
		filled[name] = value
	}
	return filled, nil
}

func holdsFingerprint(header map[string]string) bool {
	for _, value := range header {
		if strings.Contains(value, publicKeyPlaceholder) || strings.Contains(value, certificatePlaceholder) {
			return true
		}
	}
	return false
}
