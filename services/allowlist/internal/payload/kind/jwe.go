package kind

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/derive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
)

// The strings that a JWE consists of, in the order of its holes.
const (
	HoleCompact = iota
	HoleProtected
	HoleEncryptedKey
	HoleJOSEIV
	HoleJOSECiphertext
	HoleJOSETag
	JoseHoles
)

// JWE is a JSON Web Encryption.
type JWE struct {
	Options    jose.JWE
	Keys       []*message.Source
	Derivation *derive.Deriver // of a shared key; nil if the secret is the key
	Compact    bool            // the envelope holds the compact serialization
	General    bool            // the general JSON serialization is decrypted, too, instead of the envelope
	// Outer is the signature around the compact serialization, or nil.
	Outer *signing.Nested
	// RandomBits is the number of random bits that distinguish two values. Counted is the key that
	// has a budget for them, or nil.
	RandomBits int
	Counted    *message.Source
}

// Shared reports whether both sides share the key.
func (e *JWE) Shared() bool { return e.Options.KeyBytes() > 0 }

// Needs implements [Kind].
func (e *JWE) Needs() (encrypt, decrypt []message.Need) {
	encrypt, decrypt = message.NeedFirst(e.Keys), message.NeedAll(e.Keys, true)
	if e.Derivation != nil && e.Derivation.Salt != nil {
		salt := message.Need{Source: e.Derivation.Salt}
		encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
	}
	if e.Outer != nil {
		encrypt = append(encrypt, message.NeedFirst(e.Outer.Keys)...)
		decrypt = append(decrypt, message.NeedAll(e.Outer.Keys, true)...)
	}
	return encrypt, decrypt
}

// key returns one version of a key.
func (e *JWE) key(m *message.Message, v message.Candidate, private bool) (any, keyform.Info, error) {
	key, info, err := signing.JoseKey(m, v, e.Shared(), private)
	if err != nil || e.Derivation == nil {
		return key, info, err
	}
	secret, _ := key.([]byte)
	derived, err := e.Derivation.Key(m, secret, nil, e.Options.KeyBytes())
	if err == nil {
		m.Traced("derive", "key derived", derived)
	}
	return derived, info, err
}

// Sealing implements [Kind].
func (e *JWE) Sealing(m *message.Message) (envelope.Sealing, error) {
	s := e.Keys[0]
	key, info, err := e.key(m, m.Ring.First(s), false)
	if err != nil {
		return nil, err
	}
	made := &joseSealing{JWE: e, m: m, sent: e.Options, key: key}
	if made.sent.Header, err = signing.Fingerprinted(s, e.Options.Header, info); err != nil {
		return nil, err
	}
	made.outer, err = e.Outer.Signing(m)
	return made, err
}

// joseSealing encrypts the values of one message.
type joseSealing struct {
	*JWE
	m     *message.Message
	sent  jose.JWE // with the fingerprints of the key
	key   any
	outer *signing.Nesting // nil if there is no signature around the JWE
	text  []byte
	parts jose.Parts
}

func (s *joseSealing) Prepare(values int) error { return s.m.Count(s.Counted, s.RandomBits, values) }

// TextLen overestimates a little, because the lengths of the header and the wrapped key depend on
// the key.
func (s *joseSealing) TextLen(n int) int {
	n += n/3 + 1400
	if s.outer != nil {
		n = s.outer.Len(n)
	}
	return n
}

func (s *joseSealing) Seal(value []byte) error {
	if !s.Shared() {
		if err := s.m.Spend(message.PublicKeyWork); err != nil {
			return err
		}
	}
	compact, err := s.sent.Encrypt(s.m.Now, s.m.Random, s.key, value)
	if err != nil {
		return s.JWE.Keys[0].Unusable(err)
	}
	s.m.Traced("encrypt", "JSON Web Encryption", compact)
	if s.outer != nil {
		if compact, err = s.outer.Sign(s.m, compact); err != nil {
			return err
		}
		s.m.Traced("sign inside", "JSON Web Signature around the JWE", compact)
	}
	s.text = compact
	if !s.Compact {
		s.parts, err = jose.Split(compact)
	}
	return err
}

func (s *joseSealing) AppendText(dst []byte, hole int) []byte {
	return append(dst, [JoseHoles][]byte{
		s.text, s.parts.Protected, s.parts.EncryptedKey, s.parts.IV, s.parts.Ciphertext, s.parts.Tag,
	}[hole]...)
}

// Opening implements [Kind].
func (e *JWE) Opening(m *message.Message) (envelope.Opening, error) {
	keys, of, err := message.Usable(m, e.Keys, func(v message.Candidate) (any, error) {
		key, _, err := e.key(m, v, true)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	outer, err := e.Outer.Verifying(m)
	return &joseOpening{JWE: e, m: m, keys: keys, of: of, outer: outer}, err
}

// joseOpening decrypts the values of one message.
type joseOpening struct {
	*JWE
	m     *message.Message
	keys  []any
	of    []message.Candidate
	outer *signing.Nesting // nil if there is no signature around the JWE
	value []byte
	// inflated is the length of all values that were compressed.
	inflated int
}

func (o *joseOpening) Open(read envelope.Reading) ([]byte, error) {
	if o.General {
		if general, err := jose.SplitGeneral(o.m.Body); err == nil {
			return o.decrypted(general.Recipients(), func() ([]byte, int, error) { return o.Options.DecryptGeneral(o.keys, general) })
		}
	}
	found, err := read(nil)
	if err != nil {
		return nil, err
	}
	parts := jose.Parts{
		Protected: found[HoleProtected], EncryptedKey: found[HoleEncryptedKey], IV: found[HoleJOSEIV],
		Ciphertext: found[HoleJOSECiphertext], Tag: found[HoleJOSETag],
	}
	if o.Compact {
		compact := found[HoleCompact]
		if o.outer != nil { // before a decryption key is used
			if compact, err = o.outer.Verify(o.m, compact); err != nil {
				return nil, err
			}
		}
		if parts, err = jose.Split(compact); err != nil {
			return nil, message.ErrDecode
		}
	}
	return o.decrypted(1, func() ([]byte, int, error) { return o.Options.Decrypt(o.keys, parts) })
}

// decrypted decrypts a message for a number of recipients, each of whom may be one of our keys.
func (o *joseOpening) decrypted(recipients int, decrypt func() (value []byte, which int, err error)) ([]byte, error) {
	if !o.Shared() {
		if err := o.m.Spend(message.PrivateKeyWork * len(o.keys) * recipients); err != nil {
			return nil, err
		}
	}
	o.m.Tried = true
	value, which, err := decrypt()
	if err != nil {
		return nil, o.refused(err)
	}
	o.value = value
	if o.Options.Compress {
		// The limit of one inflated value applies to the whole message, because there can be many
		// values.
		if o.inflated += len(value); o.inflated > jose.MaxInflated {
			return nil, message.ErrCipher
		}
	}
	o.m.Ring.Use(o.of[which])
	return value, nil
}

// refused returns the stage of a refusal.
func (o *joseOpening) refused(err error) error {
	switch {
	case errors.Is(err, jose.ErrKey):
		return o.JWE.Keys[0].Unusable(err)
	case errors.Is(err, jose.ErrUnwrap):
		return message.ErrUnwrap
	case errors.Is(err, jose.ErrDecrypt):
		return message.ErrCipher
	default:
		return message.ErrDecode
	}
}

func (*joseOpening) Prepare(int) {}

func (o *joseOpening) Wipe() { clear(o.value) }
