package kind

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// Coded is a kind whose result is a single byte string, the ciphertext.
type Coded struct {
	*envelope.Blobs
	Begin coding
	// RandomBits is the number of random bits that distinguish two values. Counted is the key that
	// has a budget for them, or nil.
	RandomBits int
	Counted    *message.Source
}

// A coding begins a message of such a kind.
type coding interface {
	needs() (encrypt, decrypt []message.Need)
	encoder(m *message.Message) (encoder, error)
	decoder(m *message.Message) (decoder, error)
}

// An encoder returns the ciphertext of a value, and fills in the other parts.
type encoder func(value []byte, p *envelope.Parts) ([]byte, error)

// A decoder returns the value of the parts. The result may share memory with them.
type decoder func(p *envelope.Parts) ([]byte, error)

// Needs implements [Kind].
func (c *Coded) Needs() (encrypt, decrypt []message.Need) { return c.Begin.needs() }

// Sealing implements [Kind].
func (c *Coded) Sealing(m *message.Message) (envelope.Sealing, error) {
	encode, err := c.Begin.encoder(m)
	if err != nil {
		return nil, err
	}
	return &encoding{Coded: c, m: m, Packer: envelope.Packer{Blobs: c.Blobs}, encode: encode}, nil
}

// encoding encodes the values of one message.
type encoding struct {
	*Coded
	envelope.Packer
	m      *message.Message
	encode encoder
	parts  envelope.Parts
}

func (e *encoding) Prepare(values int) error { return e.m.Count(e.Counted, e.RandomBits, values) }

func (e *encoding) TextLen(n int) int {
	sizes := e.sizesFor(n)
	return e.Packer.TextLen(&sizes)
}

// sizesFor returns the lengths of the parts for a ciphertext of n bytes.
func (e *encoding) sizesFor(n int) envelope.Sizes {
	sizes := e.Packer.Sizes
	sizes[describe.SlotCiphertext] = n
	return sizes
}

func (e *encoding) Seal(value []byte) error {
	ciphertext, err := e.encode(value, &e.parts)
	if err != nil {
		return err
	}
	e.m.Traced("encrypt", "encrypted", ciphertext)
	sizes := e.sizesFor(len(ciphertext))
	copy(e.Packer.Begin(&sizes)[:len(ciphertext)], ciphertext)
	return e.Finish(&sizes, &e.parts)
}

// Opening implements [Kind].
func (c *Coded) Opening(m *message.Message) (envelope.Opening, error) {
	decode, err := c.Begin.decoder(m)
	if err != nil {
		return nil, err
	}
	return &decodedValues{Unpacker: envelope.Unpacker{Blobs: c.Blobs}, decode: decode}, nil
}

// decodedValues decodes the values of one message.
type decodedValues struct {
	envelope.Unpacker
	decode decoder
	parts  envelope.Parts
	value  []byte
}

func (d *decodedValues) Open(read envelope.Reading) ([]byte, error) {
	found, err := read(nil)
	if err != nil {
		return nil, err
	}
	if !d.Unpack(found, &d.Sizes, &d.parts, false) {
		return nil, message.ErrDecode
	}
	d.value, err = d.decode(&d.parts)
	return d.value, err
}

func (*decodedValues) Prepare(int) {}

func (d *decodedValues) Wipe() {
	clear(d.value)
	d.Unpacker.Wipe()
}

// Plain writes the bytes unchanged.
type Plain struct{}

func (Plain) needs() (encrypt, decrypt []message.Need) { return nil, nil }

func (Plain) encoder(*message.Message) (encoder, error) {
	return func(value []byte, _ *envelope.Parts) ([]byte, error) { return value, nil }, nil
}

func (Plain) decoder(*message.Message) (decoder, error) {
	return func(p *envelope.Parts) ([]byte, error) { return p[describe.SlotCiphertext], nil }, nil
}
