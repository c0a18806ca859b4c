package payload

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func (s *symmetricCipher) opening(m *message) (opening, error) {
	opener, err := s.supply.opener(m)
	if err != nil {
		return nil, err
	}
	d := &decrypting{symmetricCipher: s, m: m, unpacker: unpacker{blobs: s.layout}, from: opener, before: m.owns()}
	d.trial = s.suite.AEAD() && len(m.ring.candidates(s.supply.sources())) > 1
	if s.constant() {
		// Keys that are not usable are told before the message is looked at.
		return d, d.rekey(new(parts))
	}
	return d, nil
}

// constant reports whether the key takes nothing of the message.
func (s *symmetricCipher) constant() bool {
	if s.derivation != nil && s.derivation.sent > 0 {
		return false
	}
	switch s.supply.(type) {
	case *sharedKey, exchanged:
		return true
	}
	return false
}

// decrypting decrypts the values of one message.
type decrypting struct {
	*symmetricCipher
	unpacker
	m     *message
	from  supplyOpener
	trial bool // several keys may be tried
	// before is how many keys the message owned before it had those of the cipher.
	before int

	keyed []keyed
	of    [3][]byte // the parts that the keys were made of
	// What a value takes; kept here so that values do not allocate.
	lengths [maxBlobs]int
	sizes   sizes
	parts   parts
	iv      [maxIV]byte
}

func (d *decrypting) open(read reading) ([]byte, error) {
	if !d.cuts {
		return d.openWith(read, describe.Unknown)
	}
	// A wrapped key that has to be cut off is as long as one of our keys.
	err := error(errEnvelope)
	for _, size := range d.from.wrappedSizes() {
		var value []byte
		if value, err = d.openWith(read, size); Stage(err) == "" {
			return value, err
		}
	}
	return nil, err
}

func (d *decrypting) openWith(read reading, wrapped int) ([]byte, error) {
	d.sizes = d.layout.sizes
	if d.sizes[describe.SlotWrapped] == describe.Unknown {
		d.sizes[describe.SlotWrapped] = wrapped
	}
	lengths := d.lengths[:len(d.list)]
	d.blobs.lengths(&d.sizes, lengths)
	found, err := read(lengths)
	if err != nil {
		return nil, err
	}
	if !d.unpack(found, &d.sizes, &d.parts, d.trial) {
		return nil, errDecode
	}
	d.m.tried = true
	if err := d.rekey(&d.parts); err != nil {
		return nil, err
	}
	return d.decrypt(found, &d.parts)
}

// rekey makes the keys that may open a value, unless they are those of the value before.
func (d *decrypting) rekey(p *parts) error {
	of := [...][]byte{p[describe.SlotWrapped], p[describe.SlotEphemeral], p[describe.SlotSalt]}
	if d.keyed != nil && slices.EqualFunc(of[:], d.of[:], bytes.Equal) {
		return nil
	}
	d.m.release(d.before)
	d.keyed = nil
	secrets, err := d.from.secrets(d.m, p)
	if err != nil {
		return err
	}
	if !d.authenticates() {
		// Without authentication a wrong key could not be told from a right one.
		secrets = secrets[:1]
	}
	for _, secret := range secrets {
		k, err := d.key(d.m, secret, p[describe.SlotSalt])
		switch {
		case errors.Is(err, errTooMuchWork), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
			fault.Is(err, fault.RateLimited):
			return err // no other key would do better
		case err != nil && secret.of.previous():
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

// decrypt opens the parts of a value with the first key that does.
func (d *decrypting) decrypt(found [][]byte, p *parts) ([]byte, error) {
	keys := d.keyed
	if d.mac != nil {
		var err error
		if keys, err = d.authentic(found, p); err != nil {
			return nil, err
		}
	}
	iv := d.iv[:d.suite.IV]
	travels := d.has[describe.SlotIV]
	copy(iv, p[describe.SlotIV])
	aad := d.associated(p)
	sealed := d.sealed(p)

	// One key opens in place. Of several, each may spoil its output, so that this lies
	// behind what is opened.
	dst := sealed[:0]
	if d.trial {
		dst = d.free
	}
	for i := range keys {
		if !travels {
			if err := d.deriveIV(d.m, &keys[i], iv); err != nil {
				return nil, err
			}
		}
		value, ok := keys[i].box.Open(dst, iv, sealed, aad)
		switch {
		case !ok && d.bare:
			d.m.spoiled = true
			return value, nil
		case ok:
			if of := keys[i].of; of.source != nil {
				d.m.ring.use(of)
			}
			d.note(d.m, &keys[i], iv)
			return value, nil
		}
	}
	return nil, errCipher
}

// associated returns the associated data of what came in. What stands in a part may be
// overwritten by the tag, and is copied.
func (d *decrypting) associated(p *parts) []byte {
	switch {
	case d.has[describe.SlotAAD]:
		return bytes.Clone(p[describe.SlotAAD])
	case d.m.aadSuffix != nil:
		return d.m.aadSuffix
	default:
		return d.aad
	}
}

// authentic checks the MAC, and returns the keys that may open what it authenticates.
func (d *decrypting) authentic(found [][]byte, p *parts) ([]keyed, error) {
	text := func(h hash.Hash, blob int) { h.Write(found[blob]) }
	raw := func(blob int) []byte { return d.raw[blob] }
	if d.macKey == nil {
		for i := range d.keyed {
			if d.mac.Check(d.own(&d.keyed[i]), p[describe.SlotMAC], text, raw) {
				return d.keyed[i : i+1], nil
			}
		}
		return nil, errMAC
	}
	for _, v := range d.m.ring.candidates([]*source{d.macKey}) {
		key, err := d.m.bytes(v)
		if err == nil && len(key) == 0 {
			err = v.unusable(keys.ErrSize)
		}
		if err != nil && !v.previous() {
			return nil, err
		}
		if err == nil && d.mac.Check(key, p[describe.SlotMAC], text, raw) {
			d.m.ring.use(v)
			return d.keyed, nil
		}
	}
	return nil, errMAC
}

func (d *decrypting) prepare(values int) {
	if d.eachDerives() {
		d.m.left = values
	}
}

func (d *decrypting) wipe() { d.unpacker.Wipe() }
