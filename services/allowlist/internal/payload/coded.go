package payload

import (
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// coded is a kind whose result is one piece of bytes, the ciphertext.
type coded struct {
	*blobs
	begin coding
}

// A coding begins a message of such a kind.
type coding interface {
	encoder(m *message) (encoder, error)
	decoder(m *message) (decoder, error)
}

// An encoder returns the ciphertext of a value, and fills in the other parts.
type encoder func(value []byte, p *parts) ([]byte, error)

// A decoder returns the value of parts. What it returns may be theirs.
type decoder func(p *parts) ([]byte, error)

func (c *coded) sealing(m *message) (sealing, error) {
	encode, err := c.begin.encoder(m)
	if err != nil {
		return nil, err
	}
	return &encoding{coded: c, m: m, packer: packer{blobs: c.blobs}, encode: encode}, nil
}

// encoding encodes the values of one message.
type encoding struct {
	*coded
	packer
	m      *message
	encode encoder
	parts  parts
}

func (*encoding) prepare(int) error { return nil }

func (e *encoding) textLen(n int) int {
	sizes := e.sizesFor(n)
	return e.packer.textLen(&sizes)
}

// sizesFor returns the lengths of the parts with a ciphertext of n bytes.
func (e *encoding) sizesFor(n int) sizes {
	sizes := e.packer.sizes
	sizes[slotCiphertext] = n
	return sizes
}

func (e *encoding) seal(value []byte) error {
	ciphertext, err := e.encode(value, &e.parts)
	if err != nil {
		return err
	}
	e.m.traced("encrypt", "encrypted", ciphertext)
	sizes := e.sizesFor(len(ciphertext))
	copy(e.packer.begin(&sizes)[:len(ciphertext)], ciphertext)
	return e.finish(&sizes, &e.parts)
}

func (e *encoding) wipe() {}

func (c *coded) opening(m *message) (opening, error) {
	decode, err := c.begin.decoder(m)
	if err != nil {
		return nil, err
	}
	return &decoded{unpacker: unpacker{blobs: c.blobs}, decode: decode}, nil
}

// decoded decodes the values of one message.
type decoded struct {
	unpacker
	decode decoder
	parts  parts
	value  []byte
}

func (d *decoded) open(read reading) ([]byte, error) {
	found, err := read(nil)
	if err != nil {
		return nil, err
	}
	if !d.unpack(found, &d.sizes, &d.parts, false) {
		return nil, errDecode
	}
	d.value, err = d.decode(&d.parts)
	return d.value, err
}

func (*decoded) close() {}

func (d *decoded) wipe() {
	clear(d.value)
	d.Wipe()
}

// plain writes the bytes themselves.
type plain struct{}

func (plain) encoder(*message) (encoder, error) {
	return func(value []byte, _ *parts) ([]byte, error) { return value, nil }, nil
}

func (plain) decoder(*message) (decoder, error) {
	return func(p *parts) ([]byte, error) { return p[slotCiphertext], nil }, nil
}

// rsaDirect is RSA over the bytes themselves.
type rsaDirect struct {
	wrap rsaWrap
	keys []*source
	// certificate says that the fingerprint of a certificate is sent.
	certificate bool
}

func (r *rsaDirect) encoder(m *message) (encoder, error) {
	return func(value []byte, p *parts) ([]byte, error) {
		ciphertext, err := r.wrap.encrypt(m, r.keys[0], value, p)
		switch {
		case errors.Is(err, keys.ErrLength):
			return nil, notEncryptable("what is encrypted is longer than the RSA key takes", "")
		case err == nil && r.certificate && p[slotCertificate] == nil:
			return nil, r.keys[0].unusable(errNoCertificate)
		}
		return ciphertext, err
	}, nil
}

func (r *rsaDirect) decoder(m *message) (decoder, error) {
	privates, err := m.privates(r.keys)
	if err != nil {
		return nil, err
	}
	from := rsaUnwrap{rsaWrap: r.wrap, privates: privates}
	return func(p *parts) ([]byte, error) {
		m.tried = true
		for _, private := range from.chosen(p) {
			if err := m.spend(privateKeyWork); err != nil {
				return nil, err
			}
			value, err := from.decrypt(private.key, p[slotCiphertext])
			switch {
			case errors.Is(err, keys.ErrKey):
				return nil, private.unusable(err)
			case err == nil:
				m.ring.use(private.source, private.Version)
				return value, nil
			}
		}
		if r.wrap.oaep == nil {
			m.spoiled = true
			return p[slotCiphertext], nil
		}
		return nil, errCipher
	}, nil
}
