package payload

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// The texts that a JWE is made of, in the order of its holes.
const (
	holeCompact = iota
	holeProtected
	holeEncryptedKey
	holeJOSEIV
	holeJOSECiphertext
	holeJOSETag
	joseHoles
)

// encrypted is a JSON Web Encryption.
type encrypted struct {
	jwe        jose.JWE
	keys       []*source
	derivation *deriver // of a shared key; nil: the secret is the key
	compact    bool     // the envelope holds the compact serialization
	// randomBits tell two values apart, and counted is the key that has a budget for them;
	// nil: there is none.
	randomBits int
	counted    *source
}

func (e *encrypted) shared() bool { return e.jwe.KeyBytes() > 0 }

// key returns one version of a key.
func (e *encrypted) key(m *message, s *source, k Key, private bool) (any, keyform.Info, error) {
	key, info, err := joseKey(s, k, e.shared(), private, m.keepUnused())
	if err != nil || e.derivation == nil {
		return key, info, err
	}
	secret, _ := key.([]byte)
	defer clear(secret)
	derived, err := e.derivation.derive(m, secret, nil, e.jwe.KeyBytes())
	if err == nil {
		m.traced("derive", "key derived", derived)
	}
	return derived, info, err
}

func (e *encrypted) sealing(m *message) (sealing, error) {
	s := e.keys[0]
	key, info, err := e.key(m, s, m.ring.first(s), false)
	if err != nil {
		return nil, err
	}
	made := &joseSealing{encrypted: e, m: m, options: e.jwe, key: key}
	made.options.Header, err = fingerprinted(s, e.jwe.Header, info)
	return made, err
}

// joseSealing encrypts the values of one message.
type joseSealing struct {
	*encrypted
	m       *message
	options jose.JWE
	key     any
	text    []byte
	parts   jose.Parts
}

func (s *joseSealing) prepare(values int) error { return s.m.count(s.counted, s.randomBits, values) }

// textLen is a little generous: the header and the wrapped key differ by the key.
func (s *joseSealing) textLen(n int) int { return n + n/3 + 1400 }

func (s *joseSealing) seal(value []byte) error {
	if !s.shared() {
		if err := s.m.spend(publicKeyWork); err != nil {
			return err
		}
	}
	compact, err := s.options.Encrypt(s.m.Now, s.m.Random, s.key, value)
	if err != nil {
		return s.encrypted.keys[0].unusable(err)
	}
	s.m.traced("encrypt", "JSON Web Encryption", compact)
	s.text = compact
	if !s.compact {
		s.parts, err = jose.Split(compact)
	}
	return err
}

func (s *joseSealing) appendText(dst []byte, hole int) []byte {
	return append(dst, [joseHoles][]byte{
		s.text, s.parts.Protected, s.parts.EncryptedKey, s.parts.IV, s.parts.Ciphertext, s.parts.Tag,
	}[hole]...)
}

func (s *joseSealing) wipe() {
	if key, ok := s.key.([]byte); ok {
		clear(key)
	}
}

func (e *encrypted) opening(m *message) (opening, error) {
	made := &joseOpening{encrypted: e, m: m}
	for _, c := range m.ring.candidates(e.keys) {
		key, _, err := e.key(m, c.source, c.Key, true)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return nil, err
		}
		made.keys, made.by = append(made.keys, key), append(made.by, c)
	}
	return made, nil
}

// joseOpening decrypts the values of one message.
type joseOpening struct {
	*encrypted
	m     *message
	keys  []any
	by    []candidate
	value []byte
}

func (o *joseOpening) open(read reading) ([]byte, error) {
	found, err := read(nil)
	if err != nil {
		return nil, err
	}
	parts := jose.Parts{
		Protected: found[holeProtected], EncryptedKey: found[holeEncryptedKey], IV: found[holeJOSEIV],
		Ciphertext: found[holeJOSECiphertext], Tag: found[holeJOSETag],
	}
	if o.compact {
		if parts, err = jose.Split(found[holeCompact]); err != nil {
			return nil, errDecode
		}
	}
	if !o.shared() {
		if err := o.m.spend(privateKeyWork * len(o.keys)); err != nil {
			return nil, err
		}
	}
	o.m.tried = true
	value, which, err := o.jwe.Decrypt(o.keys, parts)
	if err != nil {
		return nil, o.refused(err)
	}
	o.value = value
	o.m.ring.use(o.by[which].source, o.by[which].Version)
	return value, nil
}

// refused returns the stage of a refusal.
func (o *joseOpening) refused(err error) error {
	switch {
	case errors.Is(err, jose.ErrKey):
		return o.encrypted.keys[0].unusable(err)
	case errors.Is(err, jose.ErrUnwrap):
		return errUnwrap
	case errors.Is(err, jose.ErrDecrypt):
		return errCipher
	default:
		return errDecode
	}
}

func (o *joseOpening) close() {
	for _, key := range o.keys {
		if key, ok := key.([]byte); ok {
			clear(key)
		}
	}
}

func (o *joseOpening) wipe() {
	o.close()
	clear(o.value)
}
