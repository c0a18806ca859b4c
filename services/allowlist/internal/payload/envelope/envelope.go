package payload

import (
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// An envelope says how protected bytes are written and read. What they are is not its
// business: it fills holes with texts.
type envelope struct {
	holes int
	body  *template.Template
	// headers are those that hold something, and those that are sent only.
	headers []headerTemplate
	// outer encodes the finished body once more, if it is set.
	outer *template.Codec
}

// A headerTemplate is a header with its value.
type headerTemplate struct {
	name   string
	value  *template.Template
	filled bool // it holds something, so that it is read
}

// A writer is what the selection seals values with.
type writer struct {
	*message
	envelope *envelope
	nested   *nesting // nil: nothing is signed inside
	sealing  sealing
	// fill is the sealing's appendText, made once.
	fill   func(dst []byte, hole int) []byte
	sealed int // how many values
}

func newWriter(m *message, e *envelope, n *nesting, s sealing) *writer {
	return &writer{message: m, envelope: e, nested: n, sealing: s, fill: s.appendText}
}

// Prepare implements [selection.Sealer].
func (w *writer) Prepare(values int) error { return w.sealing.prepare(values) }

// SealedLen implements [selection.Sealer].
func (w *writer) SealedLen(n int) int {
	n = w.innerLen(n)
	if w.envelope.outer != nil {
		n = w.envelope.outer.EncodedLen(n)
	}
	return n
}

// innerLen returns the length of a text before its outer encoding.
func (w *writer) innerLen(n int) int {
	if w.nested != nil {
		n = w.nested.len(n)
	}
	return w.envelope.body.Literals() + w.sealing.textLen(n)
}

// Seal implements [selection.Sealer].
func (w *writer) Seal(dst, value []byte) ([]byte, error) {
	w.traced("select", "selected value", value)
	n := len(value)
	if w.nested != nil {
		signed, err := w.nested.sign(w.message, value)
		if err != nil {
			return nil, err
		}
		w.traced("sign inside", "JSON Web Signature around the value", signed)
		value = signed
	}
	if err := w.sealing.seal(value); err != nil {
		return nil, err
	}
	if w.nested != nil {
		clear(value) // the JWS, which holds the value
	}
	w.sealed++
	start := len(dst)
	if w.envelope.outer == nil {
		out, ok := w.envelope.body.Append(dst, w.fill)
		if !ok {
			return nil, notText()
		}
		w.traced("envelope", "envelope written", out[start:])
		return out, nil
	}
	// Of a whole body: there is one.
	inner, ok := w.envelope.body.Append(make([]byte, 0, w.innerLen(n)), w.fill)
	if !ok {
		return nil, notText()
	}
	dst = w.envelope.outer.AppendEncoded(dst, inner)
	w.traced("envelope", "envelope written and encoded once more", dst[start:])
	return dst, nil
}

// notText is the refusal of bytes that a JSON string or a header cannot hold.
func notText() error {
	return notEncryptable("the bytes cannot stand in the envelope as they are: they are not text", "")
}

// writeHeaders returns the headers, which hold what is of the whole message: it is the
// same for the last value as for all.
func (w *writer) writeHeaders() ([]Header, error) {
	var headers []Header
	for _, h := range w.envelope.headers {
		if h.filled && w.sealed == 0 {
			continue // nothing is there to open
		}
		value, ok := h.value.Append(nil, w.fill)
		if !ok || !validHeaderText(string(value)) {
			return nil, notEncryptable("the bytes cannot stand in a header as they are", "")
		}
		headers = append(headers, Header{Name: h.name, Value: string(value)})
	}
	return headers, nil
}

// validHeaderText reports whether a text can be the value of a header: a line break in
// one would begin another.
func validHeaderText(value string) bool {
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
	*message
	envelope *envelope
	nested   *nesting
	opening  opening
	outer    scratch
	inner    []byte // what was signed inside
	text     []byte
	found    [][]byte // by hole
	reading  reading  // read, made once
}

func newParser(m *message, e *envelope, n *nesting, o opening) *parser {
	p := &parser{message: m, envelope: e, nested: n, opening: o, found: make([][]byte, e.holes)}
	p.reading = p.read
	return p
}

// Prepare implements [selection.Opener].
func (p *parser) Prepare(values int) error {
	p.opening.prepare(values)
	return nil
}

// Open implements [selection.Opener].
func (p *parser) Open(text []byte) ([]byte, error) {
	if p.envelope.outer != nil {
		trimmed := template.TrimSpace(text)
		decoded, ok := p.envelope.outer.AppendDecoded(p.outer.room(p.envelope.outer.MaxDecodedLen(len(trimmed)))[:0], trimmed)
		if !ok {
			return nil, errDecode
		}
		text = decoded
	}
	p.text = text
	value, err := p.opening.open(p.reading)
	if err != nil || p.nested == nil {
		return value, err
	}
	p.inner, err = p.nested.verify(p.message, value)
	clear(value)
	return p.inner, err
}

// read finds the texts of the holes in the headers and in the text.
func (p *parser) read(lengths []int) ([][]byte, error) {
	for _, h := range p.envelope.headers {
		if !h.filled {
			continue
		}
		value, came := p.Headers[strings.ToLower(h.name)]
		if !came || !h.value.Read([]byte(value), p.found, lengths) {
			return nil, errEnvelope
		}
	}
	if !p.envelope.body.Read(p.text, p.found, lengths) {
		return nil, errEnvelope
	}
	return p.found, nil
}

// Wipe implements [selection.Opener].
func (p *parser) Wipe() {
	p.opening.wipe()
	p.outer.Wipe()
	clear(p.inner)
}
