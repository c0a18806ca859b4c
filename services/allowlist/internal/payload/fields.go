package payload

import (
	"math/bits"
	"unicode/utf8"
)

// maxValues is how many values of one body may be selected. It bounds how far a
// small body of many values can grow.
const maxValues = 65536

// fields selects values inside a JSON body.
type fields struct {
	paths   []string // as configured
	steps   []step   // by depth
	text    bool     // values are taken as text and come back as strings
	lenient bool     // a path may select nothing
}

func (f *fields) encrypt(s sealer, body []byte) ([]byte, error) {
	values, err := f.selected(body)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(len(values)); err != nil {
		return nil, err
	}
	size := len(body)
	for _, v := range values {
		size += s.sealedLen(v.end-v.start) - (v.end - v.start)
	}
	out := make([]byte, 0, size)
	var plain []byte
	defer func() { clear(plain[:cap(plain)]) }()
	done := 0
	for _, v := range values {
		out = append(out, body[done:v.start]...)
		value, ok := f.plaintext(&plain, body[v.start:v.end])
		if !ok {
			return nil, notEncryptable("a selected string holds half of a character", f.paths[v.path])
		}
		if out, err = s.seal(out, value); err != nil {
			return nil, err
		}
		done = v.end
	}
	return append(out, body[done:]...), nil
}

// selected locates the values to encrypt.
func (f *fields) selected(body []byte) ([]span, error) {
	l := locator{fields: f, scanner: scanner{text: body}}
	switch {
	case !utf8.Valid(body) || !l.locate():
		if l.tooMany {
			return nil, notEncryptable("the body holds more than 65536 selected values", "")
		}
		if l.duplicate {
			return nil, notEncryptable("the body names a member twice on the way to a selected value", "")
		}
		return nil, notEncryptable("the body is not JSON, or nests deeper than 128 levels", "")
	case l.missing() != 0 && !f.lenient:
		path := f.paths[bits.TrailingZeros64(l.missing())]
		return nil, notEncryptable("a selected value is missing", path)
	}
	return l.spans, nil
}

// plaintext returns what to encrypt of a value. It may use the buffer.
func (f *fields) plaintext(buffer *[]byte, value []byte) ([]byte, bool) {
	if !f.text || value[0] != '"' {
		return value, true
	}
	raw := value[1 : len(value)-1]
	if cap(*buffer) < len(raw) {
		clear((*buffer)[:cap(*buffer)])
		*buffer = make([]byte, 0, len(raw))
	}
	text, ok := appendUnquoted((*buffer)[:0], raw)
	return text, ok
}

func (f *fields) decrypt(o opener, body []byte) ([]byte, error) {
	defer o.wipe()
	l := locator{fields: f, scanner: scanner{text: body}}
	if !utf8.Valid(body) || !l.locate() || l.missing() != 0 && !f.lenient {
		return nil, errSelect
	}
	out := make([]byte, 0, len(body))
	done := 0
	for _, v := range l.spans {
		out = append(out, body[done:v.start]...)
		plaintext, err := o.open(body[v.start:v.end])
		if err != nil {
			return nil, err
		}
		switch {
		case f.text && utf8.Valid(plaintext):
			out = appendQuoted(out, plaintext)
		case !f.text && validJSON(plaintext):
			out = append(out, plaintext...)
		default:
			return nil, errValue
		}
		done = v.end
	}
	return append(out, body[done:]...), nil
}
