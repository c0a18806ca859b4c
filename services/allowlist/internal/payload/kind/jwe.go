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

// jwe is a JSON Web Encryption.
type jwe struct {
	options    jose.JWE
	keys       []*source
	derivation *deriver // of a shared key; nil: the secret is the key
	compact    bool     // the envelope holds the compact serialization
	// randomBits tell two values apart, and counted is the key that has a budget for them;
	// nil: there is none.
	randomBits int
	counted    *source
}

func (e *jwe) shared() bool { return e.options.KeyBytes() > 0 }

func (e *jwe) needs() (encrypt, decrypt []need) {
	encrypt, decrypt = needFirst(e.keys), needAll(e.keys, true)
	if e.derivation != nil && e.derivation.salt != nil {
		salt := need{source: e.derivation.salt}
		encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
	}
	return encrypt, decrypt
}

// key returns one version of a key.
func (e *jwe) key(m *message, v version, private bool) (any, keyform.Info, error) {
	key, info, err := joseKey(m, v, e.shared(), private)
	if err != nil || e.derivation == nil {
		return key, info, err
	}
	secret, _ := key.([]byte)
	derived, err := e.derivation.derive(m, secret, nil, e.options.KeyBytes())
	if err == nil {
		m.traced("derive", "key derived", derived)
	}
	return derived, info, err
}

func (e *jwe) sealing(m *message) (sealing, error) {
	s := e.keys[0]
	key, info, err := e.key(m, m.ring.first(s), false)
	if err != nil {
		return nil, err
	}
	made := &joseSealing{jwe: e, m: m, sent: e.options, key: key}
	made.sent.Header, err = fingerprinted(s, e.options.Header, info)
	return made, err
}

// joseSealing encrypts the values of one message.
type joseSealing struct {
	*jwe
	m     *message
	sent  jose.JWE // with the fingerprints of the key
	key   any
	text  []byte
	parts jose.Parts
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
	compact, err := s.sent.Encrypt(s.m.Now, s.m.Random, s.key, value)
	if err != nil {
		return s.jwe.keys[0].unusable(err)
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

func (e *jwe) opening(m *message) (opening, error) {
	keys, of, err := usable(m, e.keys, func(v version) (any, error) {
		key, _, err := e.key(m, v, true)
		return key, err
	})
	return &joseOpening{jwe: e, m: m, keys: keys, of: of}, err
}

// joseOpening decrypts the values of one message.
type joseOpening struct {
	*jwe
	m     *message
	keys  []any
	of    []version
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
	value, which, err := o.options.Decrypt(o.keys, parts)
	if err != nil {
		return nil, o.refused(err)
	}
	o.value = value
	o.m.ring.use(o.of[which])
	return value, nil
}

// refused returns the stage of a refusal.
func (o *joseOpening) refused(err error) error {
	switch {
	case errors.Is(err, jose.ErrKey):
		return o.jwe.keys[0].unusable(err)
	case errors.Is(err, jose.ErrUnwrap):
		return errUnwrap
	case errors.Is(err, jose.ErrDecrypt):
		return errCipher
	default:
		return errDecode
	}
}

func (*joseOpening) prepare(int) {}

func (o *joseOpening) wipe() { clear(o.value) }
