package signing

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// Nested is a JSON Web Signature that holds its payload: inside the ciphertext, or around a JWE.
type Nested struct {
	Jws  jose.JWS
	Keys []*message.Source
}

// A Nesting signs or verifies the values of one message.
type Nesting struct {
	*Nested
	options jose.JWS // with the fingerprints of the key
	key     any      // for signing
	public  []any    // for verifying
	of      []message.Candidate
}

// Signing begins an outgoing message.
func (n *Nested) Signing(m *message.Message) (*Nesting, error) {
	if n == nil {
		return nil, nil
	}
	s := n.Keys[0]
	key, info, err := JoseKey(m, m.Ring.First(s), n.Jws.KeyBytes() > 0, true)
	if err != nil {
		return nil, err
	}
	made := &Nesting{Nested: n, options: n.Jws, key: key}
	made.options.Header, err = Fingerprinted(s, n.Jws.Header, info)
	return made, err
}

// Verifying begins a received message.
func (n *Nested) Verifying(m *message.Message) (*Nesting, error) {
	if n == nil {
		return nil, nil
	}
	public, of, err := message.Usable(m, n.Keys, func(v message.Candidate) (any, error) {
		key, _, err := JoseKey(m, v, n.Jws.KeyBytes() > 0, false)
		return key, err
	})
	return &Nesting{Nested: n, options: n.Jws, public: public, of: of}, err
}

// Len returns the approximate length of the JWS around size bytes.
func (n *Nesting) Len(size int) int {
	const header, signature = 300, 700
	return header + base64.RawURLEncoding.EncodedLen(size) + signature
}

// Sign returns the compact JWS of a value.
func (n *Nesting) Sign(m *message.Message, value []byte) ([]byte, error) {
	if n.Jws.KeyBytes() == 0 {
		if err := m.Spend(message.PrivateKeyWork); err != nil {
			return nil, err
		}
	}
	compact, err := n.options.Sign(m.Now, m.Random, n.key, value)
	if err != nil {
		return nil, n.Nested.Keys[0].Unusable(err)
	}
	return compact, nil
}

// Verify returns the payload of a compact JWS whose signature is valid.
func (n *Nesting) Verify(m *message.Message, compact []byte) ([]byte, error) {
	if n.Jws.KeyBytes() == 0 {
		if err := m.Spend(verifyWork(n.Jws.Alg) * len(n.public)); err != nil {
			return nil, err
		}
	}
	value, which, err := n.options.Verify(n.public, compact)
	switch {
	case errors.Is(err, jose.ErrKey):
		return nil, n.Nested.Keys[0].Unusable(err)
	case err != nil:
		return nil, message.ErrSignInside
	}
	m.Ring.Use(n.of[which])
	return value, nil
}

// verifyWork returns the work of verifying a signature with a public key.
func verifyWork(alg string) int {
	if alg == "ES512" {
		return message.P521Work
	}
	return message.PublicKeyWork
}

// JoseKey returns a key in the form that package jose takes: the bytes of a shared key, a private
// key, or a public key.
func JoseKey(m *message.Message, v message.Candidate, shared, private bool) (any, keyform.Info, error) {
	if shared {
		key, err := m.Bytes(v)
		return key, keyform.Info{}, err
	}
	if private {
		return m.PrivateKey(v)
	}
	return m.PublicKey(v)
}

// Fingerprinted returns the header members with the fingerprints of the key filled in.
func Fingerprinted(s *message.Source, header map[string]string, info keyform.Info) (map[string]string, error) {
	if !describe.HoldsFingerprint(header) {
		return header, nil
	}
	filled := maps.Clone(header)
	for name, value := range filled {
		if strings.Contains(value, describe.CertificatePlaceholder) && info.CertificateSHA256 == nil {
			return nil, s.Unusable(message.ErrNoCertificate)
		}
		value = strings.ReplaceAll(value, describe.PublicKeyPlaceholder, hex.EncodeToString(info.PublicSHA256[:]))
		if info.CertificateSHA256 != nil {
			value = strings.ReplaceAll(value, describe.CertificatePlaceholder, hex.EncodeToString(info.CertificateSHA256[:]))
		}
		filled[name] = value
	}
	return filled, nil
}
