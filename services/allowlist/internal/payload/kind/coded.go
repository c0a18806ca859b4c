package payload

import "github.com/keyward/keyward/services/allowlist/internal/payload/describe"

// coded is a kind whose result is one piece of bytes, the ciphertext.
type coded struct {
	*blobs
	begin coding
}

// A coding begins a message of such a kind.
type coding interface {
	needs() (encrypt, decrypt []need)
	encoder(m *message) (encoder, error)
	decoder(m *message) (decoder, error)
}

// An encoder returns the ciphertext of a value, and fills in the other parts.
type encoder func(value []byte, p *parts) ([]byte, error)

// A decoder returns the value of parts. What it returns may be theirs.
type decoder func(p *parts) ([]byte, error)

func (c *coded) needs() (encrypt, decrypt []need) { return c.begin.needs() }

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
	sizes[describe.SlotCiphertext] = n
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

func (c *coded) opening(m *message) (opening, error) {
	decode, err := c.begin.decoder(m)
	if err != nil {
		return nil, err
	}
	return &decodedValues{unpacker: unpacker{blobs: c.blobs}, decode: decode}, nil
}

// decodedValues decodes the values of one message.
type decodedValues struct {
	unpacker
	decode decoder
	parts  parts
	value  []byte
}

func (d *decodedValues) open(read reading) ([]byte, error) {
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

func (*decodedValues) prepare(int) {}

func (d *decodedValues) wipe() {
	clear(d.value)
	d.unpacker.Wipe()
}

// plain writes the bytes themselves.
type plain struct{}

func (plain) needs() (encrypt, decrypt []need) { return nil, nil }

func (plain) encoder(*message) (encoder, error) {
	return func(value []byte, _ *parts) ([]byte, error) { return value, nil }, nil
}

func (plain) decoder(*message) (decoder, error) {
	return func(p *parts) ([]byte, error) { return p[describe.SlotCiphertext], nil }, nil
}
