package payload

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/keyward/keyward/pkg/memory"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// maxIV is the length of the longest IV.
const maxIV = 16

// symmetricCipher is a profile's cipher with all that it takes.
type symmetricCipher struct {
	layout     *blobs
	suite      symmetric.Suite
	supply     supply
	derivation *deriver // nil: the secret is the key
	keyBytes   int      // of the cipher's key, before the IV that is derived with it
	iv         allowlistv1.Iv_Source
	staticIV   *source
	mac        *symmetric.MAC // nil: there is none
	macKey     *source        // nil: the cipher's own
	// aad are the associated data that are always the same; of what is sent, the ones
	// that are written.
	aad []byte
	// How often the secret, the salt and the IV are generated.
	secretScope, saltScope, ivScope describe.Scope
	// randomBits tell two values apart, and counted is the key that has a budget for them;
	// nil: there is none.
	randomBits int
	counted    *source
	// answered says that the answer needs the key and the IV.
	answered bool
	// bare says that nothing authenticates what is encrypted.
	bare bool
	// boxes are those of keys that serve more than one message.
	boxes keys.Cache[symmetric.Box]
}

// A keyed box is a key with what can be done with it.
type keyed struct {
	held
	key []byte // and behind it the IV that was derived
	box symmetric.Box
}

// key makes the box of a secret.
func (s *symmetricCipher) key(m *message, from held, salt []byte) (keyed, error) {
	k := keyed{held: from, key: from.secret}
	if s.derivation != nil {
		n := s.keyBytes
		if s.iv == allowlistv1.Iv_SOURCE_DERIVED {
			n += s.suite.IV
		}
		key, err := s.derivation.derive(m, from.secret, salt, n)
		if err != nil {
			return k, err
		}
		k.key = key
		m.traced("derive", "key derived", key)
	}
	cut := k.key
	if s.derivation != nil {
		cut = k.key[:s.keyBytes]
	}
	newBox := func() (symmetric.Box, error) { return s.suite.NewBox(cut) }
	var box symmetric.Box
	var err error
	if s.lasting() {
		box, err = s.boxes.Get(cut, m.keepUnused(), newBox)
	} else {
		box, err = memory.Erased(newBox)
	}
	switch {
	case err == nil:
		k.box = box
		return k, nil
	case from.of.source == nil:
		return k, ErrExchange
	default:
		return k, from.of.unusable(err)
	}
}

// lasting reports whether one key serves many messages.
func (s *symmetricCipher) lasting() bool {
	_, shared := s.supply.(*sharedKey)
	return shared && (s.derivation == nil || s.derivation.sent == 0)
}

// own returns the cipher's key for other uses.
func (s *symmetricCipher) own(k *keyed) []byte {
	if s.derivation != nil {
		return k.key[:s.keyBytes]
	}
	return k.key
}

// deriveIV returns the IV where it is not random and does not travel.
func (s *symmetricCipher) deriveIV(m *message, k *keyed, dst []byte) error {
	switch s.iv {
	case allowlistv1.Iv_SOURCE_STATIC:
		stored, err := m.optional(s.staticIV)
		if err != nil {
			return err
		}
		if len(stored) != len(dst) {
			return s.staticIV.unusable(keys.ErrSize)
		}
		copy(dst, stored)
	case allowlistv1.Iv_SOURCE_KEY_PREFIX:
		copy(dst, k.key)
	case allowlistv1.Iv_SOURCE_DERIVED:
		copy(dst, k.key[s.keyBytes:])
	case allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
		copy(dst, m.ivSuffix)
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		if m.Exchange == nil || len(m.Exchange.IV) != len(dst) {
			return ErrExchange
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
func (s *symmetricCipher) randomIV() bool {
	switch s.iv {
	case allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return true
	}
	return false
}

// note keeps what the answer to the message needs.
func (s *symmetricCipher) note(m *message, k *keyed, iv []byte) {
	if s.answered {
		m.answer = Exchange{Key: bytes.Clone(s.own(k)), IV: bytes.Clone(iv)}
	}
}

// eachDerives reports whether each value has a derivation of its own.
func (s *symmetricCipher) eachDerives() bool {
	return s.derivation != nil && s.keyPerValue()
}

func (s *symmetricCipher) sealing(m *message) (sealing, error) {
	return &encrypting{symmetricCipher: s, m: m, packer: packer{blobs: s.layout}, sizes: s.layout.sizes, before: m.owns()}, nil
}

// encrypting encrypts the values of one message.
type encrypting struct {
	*symmetricCipher
	packer
	m     *message
	keyed keyed
	parts parts
	sizes sizes
	iv    [maxIV]byte
	tag   [symmetric.MaxTag]byte
	ivs   []byte // that were generated and are not used yet
	fresh bool   // the key is for the value to come
	// before and secrets are how many keys the message owned before it had the cipher's secret,
	// and with it.
	before, secrets int
}

func (e *encrypting) prepare(values int) error {
	if values == 0 {
		return nil
	}
	if err := e.m.count(e.counted, e.randomBits, values); err != nil {
		return err
	}
	if e.randomIV() {
		n := 1
		if e.ivScope == describe.PerValue {
			n = values
		}
		e.ivs = make([]byte, n*e.suite.IV)
		if err := e.randomIVs(); err != nil {
			return err
		}
	}
	e.fresh = true
	if e.eachDerives() {
		e.m.left = values
	}
	return e.rekey(true)
}

// randomIVs fills the IVs of all values at once, or fails: a short read would leave
// predictable ones.
func (e *encrypting) randomIVs() error {
	if e.symmetricCipher.iv == allowlistv1.Iv_SOURCE_RANDOM_TEXT {
		return symmetric.RandomText(e.m.Random, e.ivs)
	}
	if _, err := io.ReadFull(e.m.Random, e.ivs); err != nil {
		return fmt.Errorf("generate iv: %w", err)
	}
	return nil
}

// rekey generates what is of each value, and first all.
func (e *encrypting) rekey(first bool) error {
	from, changed := e.keyed.held, first
	if first || e.secretScope == describe.PerValue {
		e.m.release(e.before)
		var err error
		if from, err = e.supply.generate(e.m, &e.parts); err != nil {
			return err
		}
		e.secrets = e.m.owns()
		e.m.traced("key", "secret that the key is made of", from.secret)
		changed = true
	}
	if d := e.derivation; d != nil && d.sent > 0 && (first || e.saltScope == describe.PerValue) {
		salt := make([]byte, d.sent)
		if _, err := io.ReadFull(e.m.Random, salt); err != nil {
			return fmt.Errorf("generate salt: %w", err)
		}
		e.parts[describe.SlotSalt] = salt
		changed = true
	}
	if !changed {
		return nil
	}
	e.m.release(e.secrets)
	var err error
	e.keyed, err = e.key(e.m, from, e.parts[describe.SlotSalt])
	if err == nil && e.layout.has[describe.SlotCertificate] && e.parts[describe.SlotCertificate] == nil {
		err = from.of.unusable(errNoCertificate)
	}
	e.sizes[describe.SlotWrapped] = len(e.parts[describe.SlotWrapped])
	return err
}

// keyPerValue reports whether each value has a key of its own.
func (s *symmetricCipher) keyPerValue() bool {
	return s.secretScope == describe.PerValue || s.saltScope == describe.PerValue
}

func (e *encrypting) textLen(n int) int {
	sizes := e.sizes
	sizes[describe.SlotCiphertext] = e.suite.SealedLen(n)
	sizes[describe.SlotAAD] = len(e.aad)
	return e.packer.textLen(&sizes)
}

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
	e.sizes[describe.SlotCiphertext] = e.suite.SealedLen(len(value))
	e.sizes[describe.SlotAAD] = len(e.aad)
	e.parts[describe.SlotAAD] = e.aad
	place := e.begin(&e.sizes)
	sealed, err := e.keyed.box.Seal(place, iv, value, e.associated())
	switch {
	case errors.Is(err, symmetric.ErrPlaintext):
		return notEncryptable("what is encrypted must be whole blocks of the cipher, without padding", "")
	case err != nil:
		return fmt.Errorf("encrypt: %w", err)
	}
	// The tag comes out behind the ciphertext, where another part may belong: it is put
	// aside before the others take their places.
	copy(e.tag[:], sealed[e.sizes[describe.SlotCiphertext]:])
	e.parts[describe.SlotTag] = e.tag[:e.suite.Tag]
	e.parts[describe.SlotIV] = iv
	e.m.traced("encrypt", "encrypted", sealed)
	if e.mac != nil {
		return e.authenticate()
	}
	return e.finish(&e.sizes, &e.parts)
}

// nextIV returns the IV of the next value.
func (e *encrypting) nextIV() ([]byte, error) {
	iv := e.iv[:e.suite.IV]
	switch {
	case !e.randomIV():
		if err := e.deriveIV(e.m, &e.keyed, iv); err != nil {
			return nil, err
		}
	case e.ivScope == describe.PerValue:
		e.ivs = e.ivs[copy(iv, e.ivs):]
	default:
		copy(iv, e.ivs)
	}
	e.m.traced("iv", "initialization vector", iv)
	e.note(e.m, &e.keyed, iv)
	return iv, nil
}

// associated returns the associated data of what goes out.
func (e *encrypting) associated() []byte {
	if e.m.aadSuffix != nil {
		return e.m.aadSuffix
	}
	return e.aad
}

// authenticate puts all parts into their places, and then the MAC over them.
func (e *encrypting) authenticate() error {
	e.parts[describe.SlotMAC] = make([]byte, e.mac.Hash.Size())
	if err := e.finish(&e.sizes, &e.parts); err != nil {
		return err
	}
	key := e.own(&e.keyed)
	if e.macKey != nil {
		stored, err := e.m.optional(e.macKey)
		if err != nil {
			return err
		}
		if len(stored) == 0 {
			return e.macKey.unusable(keys.ErrSize)
		}
		key = stored
	}
	e.parts[describe.SlotMAC] = e.mac.Sum(key, func(h hash.Hash, blob int) { e.list[blob].codec.WriteEncoded(h, e.bytes(blob)) }, e.bytes)
	e.m.traced("mac", "MAC", e.parts[describe.SlotMAC])
	return e.finish(&e.sizes, &e.parts)
}

// needs returns what a cipher needs.
func (s *symmetricCipher) needs() (encrypt, decrypt []need) {
	previous := s.authenticates()
	if session, ok := s.supply.(*session); ok {
		previous = !session.blind()
	}
	encrypt, decrypt = needFirst(s.supply.sources()), needAll(s.supply.sources(), previous)
	if s.derivation != nil && s.derivation.salt != nil {
		salt := need{source: s.derivation.salt}
		encrypt, decrypt = append(encrypt, salt), append(decrypt, salt)
	}
	if s.staticIV != nil {
		encrypt = append(encrypt, need{source: s.staticIV})
		if !s.layout.has[describe.SlotIV] {
			decrypt = append(decrypt, need{source: s.staticIV})
		}
	}
	if s.macKey != nil {
		encrypt = append(encrypt, need{source: s.macKey})
		decrypt = append(decrypt, need{source: s.macKey, previous: true})
	}
	return encrypt, decrypt
}

// authenticates reports whether a wrong key is told from a right one.
func (s *symmetricCipher) authenticates() bool {
	return s.suite.AEAD() || s.mac != nil && s.macKey == nil
}

// blind reports whether a session key that does not unwrap becomes a random one.
func (s *session) blind() bool {
	w, ok := s.wrap.(rsaWrap)
	return ok && w.oaep == nil
}
