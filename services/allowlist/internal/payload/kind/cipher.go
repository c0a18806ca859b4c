package kind

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/keyward/keyward/pkg/memory"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/derive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// maxIV is the length of the longest IV.
const maxIV = 16

// Cipher is a profile's cipher with everything that it needs.
type Cipher struct {
	Layout     *envelope.Blobs
	Suite      symmetric.Suite
	Supply     supply
	Derivation *derive.Deriver // nil if the secret is the key
	KeyBytes   int             // of the cipher's key, before the IV that is derived with it
	IVSource   allowlistv1.Iv_Source
	StaticIV   *message.Source
	Mac        *symmetric.MAC // may be nil
	Framing    symmetric.Framing
	// WrapsIV says that the IV is sent wrapped, like the session key.
	WrapsIV  bool
	MacKey   *message.Source // nil for the cipher's own key, or one that is derived after it
	MacBytes int             // of the key of a MAC that is derived after the cipher's, or 0
	// Aad is the constant associated data. If associated data is sent, this is the value that is sent
	// in outgoing messages.
	Aad []byte
	// How often the secret, the salt, and the IV are generated.
	SecretScope, SaltScope, IvScope describe.Scope
	// RandomBits is the number of random bits that distinguish two values. Counted is the key that
	// has a budget for them, or nil.
	RandomBits int
	Counted    *message.Source
	// Answered says that the response needs the key and the IV.
	Answered bool
	// Bare says that nothing authenticates the ciphertext.
	Bare bool
	// boxes caches the boxes of keys that are used for more than one message.
	boxes keys.Cache[symmetric.Box]
}

// A keyed is a key with its box.
type keyed struct {
	held
	key    []byte // followed by the derived IV
	saltIV []byte // the end of the salt, if that is the IV
	box    symmetric.Box
}

// key creates the box for a secret.
func (s *Cipher) key(m *message.Message, from held, salt []byte) (keyed, error) {
	k := keyed{held: from, key: from.secret}
	if s.Derivation != nil {
		n := s.KeyBytes
		if s.IVSource == allowlistv1.Iv_SOURCE_DERIVED {
			n += s.Suite.IV
		}
		n += s.MacBytes
		if s.Derivation.SentIV > 0 {
			end := len(salt) - s.Derivation.SentIV
			salt, k.saltIV = salt[:end], salt[end:]
		}
		key, err := s.Derivation.Key(m, from.secret, salt, n)
		if err != nil {
			return k, err
		}
		k.key = key
		m.Traced("derive", "key derived", key)
	}
	cut := k.key
	if s.Derivation != nil {
		cut = k.key[:s.KeyBytes]
	}
	newBox := func() (symmetric.Box, error) { return s.Suite.NewBox(cut) }
	var box symmetric.Box
	var err error
	if s.lasting() {
		box, err = s.boxes.Get(cut, m.CacheFor(), newBox)
	} else {
		box, err = memory.Erased(newBox)
	}
	switch {
	case err == nil:
		k.box = box
		return k, nil
	case from.of.Source == nil:
		return k, message.ErrExchange
	default:
		return k, from.of.Unusable(err)
	}
}

// lasting reports whether one key is used for many messages.
func (s *Cipher) lasting() bool {
	_, shared := s.Supply.(*SharedKey)
	return shared && (s.Derivation == nil || s.Derivation.Sent == 0)
}

// own returns the cipher's key for other uses.
func (s *Cipher) own(k *keyed) []byte {
	if s.Derivation != nil {
		return k.key[:s.KeyBytes]
	}
	return k.key
}

// macKey returns the key of a MAC without a separate key.
func (s *Cipher) macKey(k *keyed) []byte {
	if s.MacBytes > 0 {
		return k.key[s.KeyBytes:]
	}
	return s.own(k)
}

// deriveIV writes the IV to dst if it is neither random nor sent.
func (s *Cipher) deriveIV(m *message.Message, k *keyed, dst []byte) error {
	switch s.IVSource {
	case allowlistv1.Iv_SOURCE_STATIC:
		stored, err := m.Optional(s.StaticIV)
		if err != nil {
			return err
		}
		if len(stored) != len(dst) {
			return s.StaticIV.Unusable(keys.ErrSize)
		}
		copy(dst, stored)
	case allowlistv1.Iv_SOURCE_KEY_PREFIX:
		copy(dst, k.key)
	case allowlistv1.Iv_SOURCE_DERIVED:
		copy(dst, k.key[s.KeyBytes:])
	case allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		copy(dst, k.saltIV)
	case allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
		copy(dst, m.IvSuffix)
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		if m.Exchange == nil || len(m.Exchange.IV) != len(dst) {
			return message.ErrExchange
		}
		for i, b := range m.Exchange.IV {
			dst[i] = ^b
		}
	default:
		clear(dst)
	}
	return nil
}

// randomIV reports whether the IV is random.
func (s *Cipher) randomIV() bool {
	switch s.IVSource {
	case allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return true
	}
	return false
}

// note keeps the key and the IV if the response needs them.
func (s *Cipher) note(m *message.Message, k *keyed, iv []byte) {
	if s.Answered {
		m.Answer = message.Exchange{Key: bytes.Clone(s.own(k)), IV: bytes.Clone(iv)}
	}
}

// eachDerives reports whether each value has a separate derivation.
func (s *Cipher) eachDerives() bool {
	return s.Derivation != nil && s.keyPerValue()
}

// Sealing implements [Kind].
func (s *Cipher) Sealing(m *message.Message) (envelope.Sealing, error) {
	return &encrypting{Cipher: s, m: m, Packer: envelope.Packer{Blobs: s.Layout}, sizes: s.Layout.Sizes, before: m.Owns()}, nil
}

// encrypting encrypts the values of one message.
type encrypting struct {
	*Cipher
	envelope.Packer
	m     *message.Message
	keyed keyed
	parts envelope.Parts
	sizes envelope.Sizes
	iv    [maxIV]byte
	tag   [symmetric.MaxTag]byte
	ivs   []byte // generated and not used yet
	fresh bool   // the key is for the next value
	// before and secrets are the numbers of keys that the message owned before and after it got the
	// cipher's secret.
	before, secrets int
}

func (e *encrypting) Prepare(values int) error {
	if values == 0 {
		return nil
	}
	if err := e.m.Count(e.Counted, e.RandomBits, values); err != nil {
		return err
	}
	if e.randomIV() {
		n := 1
		if e.IvScope == describe.PerValue {
			n = values
		}
		e.ivs = make([]byte, n*e.Suite.IV)
		if err := e.randomIVs(); err != nil {
			return err
		}
	}
	e.fresh = true
	if e.eachDerives() {
		e.m.Left = values
	}
	return e.rekey(true)
}

// randomIVs fills the IVs of all values at once, or fails: a short read would leave predictable
// IVs.
func (e *encrypting) randomIVs() error {
	if e.IVSource == allowlistv1.Iv_SOURCE_RANDOM_TEXT {
		return symmetric.RandomText(e.m.Random, e.ivs)
	}
	if _, err := io.ReadFull(e.m.Random, e.ivs); err != nil {
		return fmt.Errorf("generate iv: %w", err)
	}
	return nil
}

// rekey generates the secret and the salt that are specific to each value, and the first time also
// those of the whole message.
func (e *encrypting) rekey(first bool) error {
	from, changed := e.keyed.held, first
	if first || e.SecretScope == describe.PerValue {
		e.m.Release(e.before)
		var err error
		if from, err = e.Supply.generate(e.m, &e.parts); err != nil {
			return err
		}
		e.secrets = e.m.Owns()
		e.m.Traced("key", "secret that the key is derived from", from.secret)
		changed = true
	}
	if d := e.Derivation; d != nil && d.Sent > 0 && (first || e.SaltScope == describe.PerValue) {
		salt := make([]byte, d.Sent)
		if _, err := io.ReadFull(e.m.Random, salt); err != nil {
			return fmt.Errorf("generate salt: %w", err)
		}
		e.parts[describe.SlotSalt] = salt
		changed = true
	}
	if !changed {
		return nil
	}
	e.m.Release(e.secrets)
	var err error
	e.keyed, err = e.key(e.m, from, e.parts[describe.SlotSalt])
	if err == nil && e.Layout.Has[describe.SlotCertificate] && e.parts[describe.SlotCertificate] == nil {
		err = from.of.Unusable(message.ErrNoCertificate)
	}
	e.sizes[describe.SlotWrapped] = len(e.parts[describe.SlotWrapped])
	if err == nil && e.Layout.Has[describe.SlotSessionHash] {
		e.parts[describe.SlotSessionHash] = hashOf(from.secret)
	}
	return err
}

// keyPerValue reports whether each value has a separate key.
func (s *Cipher) keyPerValue() bool {
	return s.SecretScope == describe.PerValue || s.SaltScope == describe.PerValue
}

func (e *encrypting) TextLen(n int) int {
	sizes := e.sizes
	sizes[describe.SlotCiphertext] = e.sealedLen(n)
	sizes[describe.SlotAAD] = len(e.Aad)
	return e.Packer.TextLen(&sizes)
}

// sealedLen returns the length of the ciphertext of a value of n bytes.
func (e *encrypting) sealedLen(n int) int { return e.Suite.SealedLen(e.Framing.Len(n)) }

func (e *encrypting) Seal(value []byte) error {
	if !e.Framing.Set() {
		return e.seal(value)
	}
	framed, err := e.Framing.Wrap(e.m.Random, value)
	if err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	defer clear(framed)
	e.m.Traced("encrypt", "value in its frame", framed)
	return e.seal(framed)
}

// seal encrypts a value in its frame.
func (e *encrypting) seal(value []byte) error {
	if !e.fresh && e.keyPerValue() {
		if err := e.rekey(false); err != nil {
			return err
		}
	}
	e.fresh = false
	iv, err := e.nextIV()
	if err != nil {
		return err
	}
	if err := e.wrapIV(iv); err != nil {
		return err
	}
	e.sizes[describe.SlotCiphertext] = e.Suite.SealedLen(len(value))
	e.sizes[describe.SlotAAD] = len(e.Aad)
	e.parts[describe.SlotAAD] = e.Aad
	place := e.Begin(&e.sizes)
	sealed, err := e.keyed.box.Seal(place, iv, value, e.associated())
	switch {
	case errors.Is(err, symmetric.ErrPlaintext):
		return message.NotEncryptable("without padding, the plaintext must be a multiple of the cipher's block size", "")
	case err != nil:
		return fmt.Errorf("encrypt: %w", err)
	}
	// The tag is written after the ciphertext, where another part may belong. It is saved before the
	// other parts are written.
	copy(e.tag[:], sealed[e.sizes[describe.SlotCiphertext]:])
	e.parts[describe.SlotTag] = e.tag[:e.Suite.Tag]
	e.parts[describe.SlotIV] = iv
	e.m.Traced("encrypt", "encrypted", sealed)
	if e.Mac != nil {
		return e.authenticate()
	}
	return e.Finish(&e.sizes, &e.parts)
}

// nextIV returns the IV of the next value.
func (e *encrypting) nextIV() ([]byte, error) {
	iv := e.iv[:e.Suite.IV]
	switch {
	case !e.randomIV():
		if err := e.deriveIV(e.m, &e.keyed, iv); err != nil {
			return nil, err
		}
	case e.IvScope == describe.PerValue:
		e.ivs = e.ivs[copy(iv, e.ivs):]
	default:
		copy(iv, e.ivs)
	}
	e.m.Traced("iv", "initialization vector", iv)
	e.note(e.m, &e.keyed, iv)
	return iv, nil
}

// wrapIV wraps the IV, once for each that is generated.
func (e *encrypting) wrapIV(iv []byte) error {
	session, ok := e.Supply.(*Session)
	if !e.WrapsIV || !ok || e.IvScope != describe.PerValue && e.parts[describe.SlotWrappedIV] != nil {
		return nil
	}
	wrapped, err := session.wrapIV(e.m, iv)
	e.parts[describe.SlotWrappedIV], e.sizes[describe.SlotWrappedIV] = wrapped, len(wrapped)
	return err
}

// associated returns the associated data of an outgoing message.
func (e *encrypting) associated() []byte {
	if e.m.AadSuffix != nil {
		return e.m.AadSuffix
	}
	return e.Aad
}

// authenticate writes all parts to their places, and then the MAC over them.
func (e *encrypting) authenticate() error {
	e.parts[describe.SlotMAC] = make([]byte, e.Mac.Hash.Size())
	if err := e.Finish(&e.sizes, &e.parts); err != nil {
		return err
	}
	key := e.macKey(&e.keyed)
	if e.MacKey != nil {
		stored, err := e.m.Optional(e.MacKey)
		if err != nil {
			return err
		}
		if len(stored) == 0 {
			return e.MacKey.Unusable(keys.ErrSize)
		}
		key = stored
	}
	e.parts[describe.SlotMAC] = e.Mac.Sum(key, func(h hash.Hash, blob int) { e.List[blob].Codec.WriteEncoded(h, e.Bytes(blob)) }, e.Bytes)
	e.m.Traced("mac", "MAC", e.parts[describe.SlotMAC])
	return e.Finish(&e.sizes, &e.parts)
}

// Needs returns the keys that a cipher needs.
func (s *Cipher) Needs() (encrypt, decrypt []message.Need) {
	previous := s.authenticates()
	if session, ok := s.Supply.(*Session); ok {
		previous = !session.blind()
	}
	encrypt, decrypt = message.NeedFirst(s.Supply.Sources()), message.NeedAll(s.Supply.Sources(), previous)
	if s.Derivation != nil && s.Derivation.Salt != nil {
		salt := message.Need{Source: s.Derivation.Salt}
		encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
	}
	if s.StaticIV != nil {
		encrypt = append(encrypt, message.Need{Source: s.StaticIV})
		if !s.Layout.Has[describe.SlotIV] {
			decrypt = append(decrypt, message.Need{Source: s.StaticIV})
		}
	}
	if s.MacKey != nil {
		encrypt = append(encrypt, message.Need{Source: s.MacKey})
		decrypt = append(decrypt, message.Need{Source: s.MacKey, AcceptPrevious: true})
	}
	return encrypt, decrypt
}

// authenticates reports whether a wrong key can be distinguished from the right one.
func (s *Cipher) authenticates() bool {
	return s.Suite.AEAD() || s.Mac != nil && s.MacKey == nil
}

// blind reports whether a session key that fails to unwrap is replaced by a random one.
func (s *Session) blind() bool {
	w, ok := s.Wrap.(RSAWrap)
	return ok && w.Oaep == nil
}
