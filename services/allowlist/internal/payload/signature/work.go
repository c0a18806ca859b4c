package signature

import (
	"crypto/subtle"
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A work is the signing or the verification of one message. It is the source of the values of its
// strings.
type work struct {
	signer *Signer
	m      Message
	texts  carried
	in     signed
	room   [carriedCount + 2][]byte
}

// begin begins the work on a message.
func (s *Signer) begin(m Message) *work {
	w := &work{signer: s, m: m}
	w.texts = w.room[:]
	if n := carriedCount + len(s.texts.Values); n > len(w.room) {
		w.texts = make(carried, n)
	}
	return w
}

// input fills in the values of a message and returns the string to sign.
func (w *work) input(random io.Reader) (*signed, error) {
	if err := w.fill(random); err != nil {
		return nil, err
	}
	return w.signed()
}

// signed returns the string to sign, or the payload of claims.
func (w *work) signed() (*signed, error) {
	w.in = signed{time: w.m.Time, keepUnused: w.m.KeepUnused}
	var err error
	if w.signer.texts.Input == nil {
		w.in.payload, err = w.payload()
	} else {
		w.in.bound, err = w.signer.texts.Input.Bind(w)
	}
	return &w.in, err
}

// Value returns the value of a variable.
func (w *work) Value(v *expression.Variable) ([]byte, bool) {
	switch v.Kind {
	case expression.Named:
		text := w.texts[w.signer.named(v.Name)]
		return text, text != nil
	case expression.Header:
		if w.m.Headers == nil {
			return nil, false
		}
		text, ok := w.m.Headers(v.Name)
		return []byte(text), ok && visible(text)
	case expression.Context:
		text, ok := w.m.Values[v.Name]
		return []byte(text), ok && visible(text)
	case expression.Time:
		return v.Layout.Append(nil, w.m.Time), w.m.timeInRange()
	default:
		if i := position(v.Name); i >= 0 {
			return w.texts[i], w.texts[i] != nil
		}
		return w.m.context(v.Name)
	}
}

// fill sets the values that were not read from the message: the times, the ID, and the named values,
// each after those that it depends on. It compares computed values with those that were read.
func (w *work) fill(random io.Reader) error {
	s, m, texts := w.signer, &w.m, w.texts
	for i, name := range carriedNames() {
		if !s.needed[i] || texts[i] != nil {
			continue
		}
		text, ok := m.text(i)
		if !ok {
			return missing(name)
		}
		texts[i] = text
	}
	for i, v := range s.texts.Values {
		at := carriedCount + i
		switch {
		case texts[at] != nil && v.Carried():
			continue
		case v.single.Kind == expression.Nonce:
			if random == nil {
				return &ValueError{Variable: expression.Variable{Kind: expression.Named, Name: v.Name}}
			}
			texts[at] = make([]byte, v.single.Length)
			if err := symmetric.RandomText(random, texts[at]); err != nil {
				return err
			}
			continue
		}
		bound, err := v.Program.Bind(w)
		if err != nil {
			return err
		}
		text, err := bound.Text(nil)
		if err != nil {
			return err
		}
		if texts[at] != nil && subtle.ConstantTimeCompare(texts[at], text) != 1 {
			return invalid("The value of ${%s} in the message differs from the one that was computed.", v.Name)
		}
		texts[at] = text
	}
	return nil
}
