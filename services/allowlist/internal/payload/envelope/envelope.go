// Package envelope writes protected values into bodies and headers, and reads them from there.
// Blobs define how the parts of a value are combined, and templates define where the encoded blobs
// are placed. A [Sealing] and an [Opening] decide what the parts are.
package envelope

import (
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// An Envelope says how protected bytes are written and read. It fills holes with strings, and does
// not know what the bytes are.
type Envelope struct {
	Holes int
	Body  *template.Template
	// Headers contains the headers that hold protected bytes, and those that are only sent.
	Headers []HeaderTemplate
	// Outer encodes the finished body once more, if set.
	Outer *template.Codec
	// Inner encodes a value before it is encrypted, if set.
	Inner *template.Codec
}

// A HeaderTemplate is a header with its value.
type HeaderTemplate struct {
	Name   string
	Value  *template.Template
	Filled bool // it holds protected bytes, and is therefore read
}

// A writer is the sealer of the selection.
type writer struct {
	*message.Message
	envelope *Envelope
	nested   *signing.Nesting // nil if there is no nested signature
	sealing  Sealing
	// fill is the AppendText method of the sealing, bound once.
	fill   func(dst []byte, hole int) []byte
	sealed int // number of values
}

// NewWriter returns a writer for the values of a message.
func NewWriter(m *message.Message, e *Envelope, n *signing.Nesting, s Sealing) *writer {
	return &writer{Message: m, envelope: e, nested: n, sealing: s, fill: s.AppendText}
}

// Prepare implements [selection.Sealer].
func (w *writer) Prepare(values int) error { return w.sealing.Prepare(values) }

// SealedLen implements [selection.Sealer].
func (w *writer) SealedLen(n int) int {
	n = w.innerLen(n)
	if w.envelope.Outer != nil {
		n = w.envelope.Outer.EncodedLen(n)
	}
	return n
}

// innerLen returns the length of a string before its outer encoding.
func (w *writer) innerLen(n int) int {
	if w.nested != nil {
		n = w.nested.Len(n)
	}
	if w.envelope.Inner != nil {
		n = w.envelope.Inner.EncodedLen(n)
	}
	return w.envelope.Body.Literals() + w.sealing.TextLen(n)
}

// Seal implements [selection.Sealer].
func (w *writer) Seal(dst, value []byte) ([]byte, error) {
	w.Traced("select", "selected value", value)
	n := len(value)
	if w.nested != nil {
		signed, err := w.nested.Sign(w.Message, value)
		if err != nil {
			return nil, err
		}
		w.Traced("sign inside", "JSON Web Signature around the value", signed)
		value = signed
	}
	if err := w.sealInner(value); err != nil {
		return nil, err
	}
	if w.nested != nil {
		clear(value) // the JWS, which holds the value
	}
	w.sealed++
	start := len(dst)
	if w.envelope.Outer == nil {
		out, ok := w.envelope.Body.Append(dst, w.fill)
		if !ok {
			return nil, notText()
		}
		w.Traced("envelope", "envelope written", out[start:])
		return out, nil
	}
	// The value is a whole body: there is only one.
	inner, ok := w.envelope.Body.Append(make([]byte, 0, w.innerLen(n)), w.fill)
	if !ok {
		return nil, notText()
	}
	dst = w.envelope.Outer.AppendEncoded(dst, inner)
	w.Traced("envelope", "envelope written and encoded once more", dst[start:])
	return dst, nil
}

// sealInner encrypts a value in its encoding.
func (w *writer) sealInner(value []byte) error {
	if w.envelope.Inner == nil {
		return w.sealing.Seal(value)
	}
	encoded := w.envelope.Inner.AppendEncoded(make([]byte, 0, w.envelope.Inner.EncodedLen(len(value))), value)
	defer clear(encoded)
	w.Traced("encode", "encoded before the encryption", encoded)
	return w.sealing.Seal(encoded)
}

// notText returns the error for bytes that a JSON string or a header cannot hold.
func notText() error {
	return message.NotEncryptable("the bytes cannot be placed in the envelope as they are: they are not text", "")
}

// WriteHeaders returns the headers. They only hold parts of the whole message, which are the same
// for the last value as for all others.
func (w *writer) WriteHeaders() ([]message.Header, error) {
	var headers []message.Header
	for _, h := range w.envelope.Headers {
		if h.Filled && w.sealed == 0 {
			continue // there is nothing to decrypt
		}
		value, ok := h.Value.Append(nil, w.fill)
		if !ok || !ValidHeaderText(string(value)) {
			return nil, message.NotEncryptable("the bytes cannot be placed in a header as they are", "")
		}
		headers = append(headers, message.Header{Name: h.Name, Value: string(value)})
	}
	return headers, nil
}

// ValidHeaderText reports whether a string can be the value of a header. A line break in it would
// begin another header.
func ValidHeaderText(value string) bool {
	if strings.TrimSpace(value) != value {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// A parser is the opener of the selection.
type parser struct {
	*message.Message
	envelope *Envelope
	nested   *signing.Nesting
	opening  Opening
	outer    scratch
	plain    scratch // decoded values
	inner    []byte  // payload of the nested signature
	text     []byte
	found    [][]byte // by hole
	reading  Reading  // the read method, bound once
}

// NewParser returns a parser for the values of a message.
func NewParser(m *message.Message, e *Envelope, n *signing.Nesting, o Opening) *parser {
	p := &parser{Message: m, envelope: e, nested: n, opening: o, found: make([][]byte, e.Holes)}
	p.reading = p.read
	return p
}

// Prepare implements [selection.Opener].
func (p *parser) Prepare(values int) error {
	p.opening.Prepare(values)
	return nil
}

// Open implements [selection.Opener].
func (p *parser) Open(text []byte) ([]byte, error) {
	if p.envelope.Outer != nil {
		trimmed := template.TrimSpace(text)
		decoded, ok := p.envelope.Outer.AppendDecoded(p.outer.room(p.envelope.Outer.MaxDecodedLen(len(trimmed)))[:0], trimmed)
		if !ok {
			return nil, message.ErrDecode
		}
		text = decoded
	}
	p.text = text
	value, err := p.opening.Open(p.reading)
	if err == nil && p.envelope.Inner != nil {
		value, err = p.decoded(value)
	}
	if err != nil || p.nested == nil {
		return value, err
	}
	p.inner, err = p.nested.Verify(p.Message, value)
	clear(value)
	return p.inner, err
}

// decoded returns a value without its encoding.
func (p *parser) decoded(value []byte) ([]byte, error) {
	codec := p.envelope.Inner
	decoded, ok := codec.AppendDecoded(p.plain.room(codec.MaxDecodedLen(len(value)))[:0], value)
	clear(value)
	if !ok {
		return nil, message.ErrValue
	}
	return decoded, nil
}

// read finds the strings of the holes in the headers and in the body.
func (p *parser) read(lengths []int) ([][]byte, error) {
	for _, h := range p.envelope.Headers {
		if !h.Filled {
			continue
		}
		value, came := p.Headers[strings.ToLower(h.Name)]
		if !came || strings.ContainsAny(strings.TrimSpace(value), "\r\n") || !h.Value.Read([]byte(value), p.found, lengths) {
			return nil, message.ErrEnvelope
		}
	}
	if !p.envelope.Body.Read(p.text, p.found, lengths) {
		return nil, message.ErrEnvelope
	}
	return p.found, nil
}

// Wipe implements [selection.Opener].
func (p *parser) Wipe() {
	p.opening.Wipe()
	p.outer.Wipe()
	p.plain.Wipe()
	clear(p.inner)
}
