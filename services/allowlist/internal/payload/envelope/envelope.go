// Package envelope writes protected values into bodies and headers, and reads them from there: how
// the parts of a value are put together (blobs) and where the texts of blobs stand (templates).
// What the parts are is decided by a [Sealing] and an [Opening].
package envelope

import (
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// An Envelope says how protected bytes are written and read. What they are is not its
// business: it fills holes with texts.
type Envelope struct {
	Holes int
	Body  *template.Template
	// Headers are those that hold something, and those that are sent only.
	Headers []HeaderTemplate
	// Outer encodes the finished body once more, if it is set.
	Outer *template.Codec
}

// A HeaderTemplate is a header with its value.
type HeaderTemplate struct {
	Name   string
	Value  *template.Template
	Filled bool // it holds something, so that it is read
}

// A writer is what the selection seals values with.
type writer struct {
	*message.Message
	envelope *Envelope
	nested   *signing.Nesting // nil: nothing is signed inside
	sealing  Sealing
	// fill is the sealing's appendText, made once.
	fill   func(dst []byte, hole int) []byte
	sealed int // how many values
}

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

// innerLen returns the length of a text before its outer encoding.
func (w *writer) innerLen(n int) int {
	if w.nested != nil {
		n = w.nested.Len(n)
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
	if err := w.sealing.Seal(value); err != nil {
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
	// Of a whole body: there is one.
	inner, ok := w.envelope.Body.Append(make([]byte, 0, w.innerLen(n)), w.fill)
	if !ok {
		return nil, notText()
	}
	dst = w.envelope.Outer.AppendEncoded(dst, inner)
	w.Traced("envelope", "envelope written and encoded once more", dst[start:])
	return dst, nil
}

// notText is the refusal of bytes that a JSON string or a header cannot hold.
func notText() error {
	return message.NotEncryptable("the bytes cannot stand in the envelope as they are: they are not text", "")
}

// WriteHeaders returns the headers, which hold what is of the whole message: it is the
// same for the last value as for all.
func (w *writer) WriteHeaders() ([]message.Header, error) {
	var headers []message.Header
	for _, h := range w.envelope.Headers {
		if h.Filled && w.sealed == 0 {
			continue // nothing is there to open
		}
		value, ok := h.Value.Append(nil, w.fill)
		if !ok || !ValidHeaderText(string(value)) {
			return nil, message.NotEncryptable("the bytes cannot stand in a header as they are", "")
		}
		headers = append(headers, message.Header{Name: h.Name, Value: string(value)})
	}
	return headers, nil
}

// ValidHeaderText reports whether a text can be the value of a header: a line break in
// one would begin another.
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

// A parser is what the selection opens values with.
type parser struct {
	*message.Message
	envelope *Envelope
	nested   *signing.Nesting
	opening  Opening
	outer    scratch
	inner    []byte // what was signed inside
	text     []byte
	found    [][]byte // by hole
	reading  Reading  // read, made once
}

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
	if err != nil || p.nested == nil {
		return value, err
	}
	p.inner, err = p.nested.Verify(p.Message, value)
	clear(value)
	return p.inner, err
}

// read finds the texts of the holes in the headers and in the text.
func (p *parser) read(lengths []int) ([][]byte, error) {
	for _, h := range p.envelope.Headers {
		if !h.Filled {
			continue
		}
		value, came := p.Headers[strings.ToLower(h.Name)]
		if !came || !h.Value.Read([]byte(value), p.found, lengths) {
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
	clear(p.inner)
}
