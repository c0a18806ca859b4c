package kind

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"hash"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// Opening implements [Kind].
func (s *Cipher) Opening(m *message.Message) (envelope.Opening, error) {
	opener, err := s.Supply.opener(m)
	if err != nil {
		return nil, err
	}
	d := &decrypting{Cipher: s, m: m, Unpacker: envelope.Unpacker{Blobs: s.Layout}, from: opener, before: m.Owns()}
	d.trial = s.Suite.AEAD() && len(m.Ring.Candidates(s.Supply.Sources())) > 1
	if s.constant() {
		// Unusable keys are reported before the message is parsed.
		return d, d.rekey(new(envelope.Parts))
	}
	return d, nil
}

// constant reports whether the key does not depend on the message.
func (s *Cipher) constant() bool {
	if s.Derivation != nil && s.Derivation.Sent > 0 {
		return false
	}
	switch s.Supply.(type) {
	case *SharedKey, Exchanged:
		return true
	}
	return false
}

// decrypting decrypts the values of one message.
type decrypting struct {
	*Cipher
	envelope.Unpacker
	m     *message.Message
	from  supplyOpener
	trial bool // several keys may be tried
	// before is the number of keys that the message owned before it got those of the cipher.
	before int

	keyed []keyed
	of    [3][]byte // the parts that the keys were derived from
	// Scratch memory of a value; it is here so that values do not allocate.
	lengths [envelope.MaxBlobs]int
	sizes   envelope.Sizes
	parts   envelope.Parts
	iv      [maxIV]byte
}

func (d *decrypting) Open(read envelope.Reading) ([]byte, error) {
	if !d.Cuts {
		return d.openWith(read, describe.Unknown)
	}
	// A wrapped key that has to be cut from a blob is as long as one of our keys.
	err := error(message.ErrEnvelope)
	for _, size := range d.from.wrappedSizes() {
		var value []byte
		if value, err = d.openWith(read, size); message.Stage(err) == "" {
			return value, err
		}
	}
	return nil, err
}

func (d *decrypting) openWith(read envelope.Reading, wrapped int) ([]byte, error) {
	d.sizes = d.Layout.Sizes
	d.sizes.SetWrapped(wrapped)
	lengths := d.lengths[:len(d.List)]
	d.Lengths(&d.sizes, lengths)
	found, err := read(lengths)
	if err != nil {
		return nil, err
	}
	if !d.Unpack(found, &d.sizes, &d.parts, d.trial) {
		return nil, message.ErrDecode
	}
	d.m.Tried = true
	if err := d.rekey(&d.parts); err != nil {
		return nil, err
	}
	return d.decrypt(found, &d.parts)
}

// rekey derives the candidate keys for a value, unless they are the same as for the previous
// value.
func (d *decrypting) rekey(p *envelope.Parts) error {
	of := [...][]byte{p[describe.SlotWrapped], p[describe.SlotEphemeral], p[describe.SlotSalt]}
	if d.keyed != nil && slices.EqualFunc(of[:], d.of[:], bytes.Equal) {
		return nil
	}
	d.m.Release(d.before)
	d.keyed = nil
	secrets, err := d.from.secrets(d.m, p)
	if err != nil {
		return err
	}
	if !d.authenticates() {
		// Without authentication, a wrong key could not be distinguished from the right one.
		secrets = secrets[:1]
	}
	for _, secret := range secrets {
		k, err := d.key(d.m, secret, p[describe.SlotSalt])
		switch {
		case errors.Is(err, message.ErrTooMuchWork), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
			fault.Is(err, fault.RateLimited):
			return err // all other keys would fail, too
		case err != nil && secret.of.Superseded():
			continue
		case err != nil:
			return err
		}
		d.keyed = append(d.keyed, k)
	}
	for i := range of {
		d.of[i] = append(d.of[i][:0], of[i]...)
	}
	return nil
}

// decrypt decrypts the parts of a value with the first key that succeeds.
func (d *decrypting) decrypt(found [][]byte, p *envelope.Parts) ([]byte, error) {
	keys := d.keyed
	if d.Mac != nil {
		var err error
		if keys, err = d.authentic(found, p); err != nil {
			return nil, err
		}
	}
	iv := d.iv[:d.Suite.IV]
	travels := d.Has[describe.SlotIV] || d.WrapsIV
	copy(iv, p[describe.SlotIV])
	if session, ok := d.from.(*unwrapping); ok && d.WrapsIV {
		if err := session.unwrapIV(d.m, p, iv); err != nil {
			return nil, err
		}
	}
	aad := d.associated(p)
	sealed := d.Sealed(p)

	// A single key decrypts in place. If there are several, a failed attempt may overwrite its
	// output, which is therefore placed after the ciphertext.
	dst := sealed[:0]
	if d.trial {
		dst = d.Free
	}
	for i := range keys {
		if !travels {
			if err := d.deriveIV(d.m, &keys[i], iv); err != nil {
				return nil, err
			}
		}
		framed, opened := keys[i].box.Open(dst, iv, sealed, aad)
		value, ok := d.Framing.Unwrap(framed)
		// A wrong hash takes the same path as a wrong key.
		opened = d.hashed(keys[i].secret, p) && opened
		ok = ok && opened
		switch {
		case !ok && d.Bare:
			// A wrong frame takes the same path as wrong padding.
			d.m.Spoiled = true
			return framed, nil
		case ok:
			if of := keys[i].of; of.Source != nil {
				d.m.Ring.Use(of)
			}
			d.note(d.m, &keys[i], iv)
			return value, nil
		case opened:
			return nil, message.ErrCipher // the key is the right one, and the frame is wrong
		}
	}
	return nil, message.ErrCipher
}

// hashed reports whether the message has the hash of the session key, if it has one.
func (d *decrypting) hashed(secret []byte, p *envelope.Parts) bool {
	return !d.Has[describe.SlotSessionHash] || subtle.ConstantTimeCompare(hashOf(secret), p[describe.SlotSessionHash]) == 1
}

// associated returns the associated data of a received message. If it is in a part, it is copied,
// because the tag may overwrite it.
func (d *decrypting) associated(p *envelope.Parts) []byte {
	switch {
	case d.Has[describe.SlotAAD]:
		return bytes.Clone(p[describe.SlotAAD])
	case d.m.AadSuffix != nil:
		return d.m.AadSuffix
	default:
		return d.Aad
	}
}

// authentic checks the MAC, and returns the candidate keys for the ciphertext that it
// authenticates.
func (d *decrypting) authentic(found [][]byte, p *envelope.Parts) ([]keyed, error) {
	text := func(h hash.Hash, blob int) { h.Write(found[blob]) }
	raw := func(blob int) []byte { return d.Raw[blob] }
	if d.MacKey == nil {
		for i := range d.keyed {
			if d.Mac.Check(d.macKey(&d.keyed[i]), p[describe.SlotMAC], text, raw) {
				return d.keyed[i : i+1], nil
			}
		}
		return nil, message.ErrMAC
	}
	for _, v := range d.m.Ring.Candidates([]*message.Source{d.MacKey}) {
		key, err := d.m.Bytes(v)
		if err == nil && len(key) == 0 {
			err = v.Unusable(keys.ErrSize)
		}
		if err != nil && !v.Superseded() {
			return nil, err
		}
		if err == nil && d.Mac.Check(key, p[describe.SlotMAC], text, raw) {
			d.m.Ring.Use(v)
			return d.keyed, nil
		}
	}
	return nil, message.ErrMAC
}

func (d *decrypting) Prepare(values int) {
	if d.eachDerives() {
		d.m.Left = values
	}
}

func (d *decrypting) Wipe() { d.Unpacker.Wipe() }
