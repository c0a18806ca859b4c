package signature

import (
	"bytes"
	"crypto"
	"io"
	"strings"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of an input.
const (
	maxInputBytes   = 1024
	maxPlaceholders = 32
	maxFunctions    = 4
	// maxWork bounds the total number of bytes that all functions and the scheme process.
	maxWork = 64 << 20
)

// An input is the compiled template of the signed string.
type input struct {
	// literals surround the placeholders; there is one more literal than placeholders.
	literals     [][]byte
	placeholders []placeholder
}

// A placeholder is a value and the functions to apply to it.
type placeholder struct {
	// name is the name in the template, including the path of `json:`.
	name string
	// lookup finds the value of `json:` and a path.
	lookup    *jsonbytes.Lookup
	functions []function
}

// parseInput compiles a template, or returns the violation in it.
func parseInput(text string) (in *input, violation string) {
	if len(text) > maxInputBytes {
		return nil, "must have at most 1,024 bytes"
	}
	if text == "" {
		text = "${" + nameBody + "}"
	}
	in = &input{}
	for {
		literal, rest, found := strings.Cut(text, "${")
		in.literals = append(in.literals, []byte(literal))
		if !found {
			break
		}
		inside, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, "must have the form ${name} or ${name|function} wherever it contains ${"
		}
		p, violation := parsePlaceholder(inside)
		if violation != "" {
			return nil, violation
		}
		in.placeholders = append(in.placeholders, p)
		text = rest
	}
	if n := len(in.placeholders); n == 0 || n > maxPlaceholders {
		return nil, "must have 1-32 placeholders"
	}
	return in, ""
}

// parsePlaceholder parses the content of the braces.
func parsePlaceholder(text string) (p placeholder, violation string) {
	names := strings.Split(text, "|")
	p.name = names[0]
	if path, ok := strings.CutPrefix(p.name, nameJSON); ok {
		parsed, ok := jsonbytes.ParsePath(path)
		if !ok || !parsed.Exact() {
			return p, "must have a path such as $.a['b'][0] after json:, without [*], |, and }"
		}
		p.lookup = jsonbytes.NewLookup(parsed)
	} else if !knownName(p.name) {
		return p, template.Unknown("name", p.name, inputNames())
	}
	if len(names)-1 > maxFunctions {
		return p, "must have at most 4 functions on a value"
	}
	for _, name := range names[1:] {
		f, ok := newFunction(name)
		if !ok {
			return p, template.Unknown("function", name, functionNames())
		}
		f.name = name
		p.functions = append(p.functions, f)
	}
	return p, ""
}

// inputNames returns the names of all placeholders.
func inputNames() []string {
	return append(carriedNames(), nameBody, namePlaintext, nameJSON+"$.a", nameSecret, nameMethod, nameHost, namePath, nameQuery, nameContentType)
}

// knownName reports whether a placeholder with this name exists.
func knownName(name string) bool {
	switch name {
	case nameBody, namePlaintext, nameSecret, nameMethod, nameHost, namePath, nameQuery, nameContentType:
		return true
	}
	return position(name) >= 0
}

// position returns the position of the named value among those that a header may carry, or -1.
func position(name string) int {
	for i, carried := range carriedNames() {
		if carried == name {
			return i
		}
	}
	return -1
}

// WeakDigest reports whether the template of an input takes an MD5 or SHA-1 digest of a value
// for which an attacker could find another value with the same digest. It is false for an
// invalid template.
func WeakDigest(text string) bool {
	in, _ := parseInput(text)
	if in == nil {
		return false
	}
	for _, p := range in.placeholders {
		for _, f := range p.functions {
			if f.hash == crypto.MD5 || f.hash == crypto.SHA1 {
				return true
			}
		}
	}
	return false
}

// has reports whether the input uses a name.
func (in *input) has(name string) bool {
	for _, p := range in.placeholders {
		if p.name == name {
			return true
		}
	}
	return false
}

// bare reports whether the input is a single value without functions.
func (in *input) bare() bool {
	return len(in.placeholders) == 1 && len(in.placeholders[0].functions) == 0 &&
		len(in.literals[0]) == 0 && len(in.literals[1]) == 0
}

// signed finds the values of the input in a message.
func (in *input) signed(m *Message, texts *carried) (*signed, error) {
	s := &signed{input: in, time: m.Time, values: make([][]byte, len(in.placeholders)), keepUnused: m.KeepUnused}
	for i := range in.placeholders {
		p := &in.placeholders[i]
		value, ok := p.value(m, texts)
		if !ok {
			return nil, &ValueError{p.name}
		}
		s.values[i] = value
		if s.work += p.work(len(value)); s.work > maxWork {
			return nil, ErrTooLong
		}
	}
	return s, nil
}

// value finds the value of a placeholder. The secret has none yet.
func (p *placeholder) value(m *Message, texts *carried) ([]byte, bool) {
	if p.lookup != nil {
		if !m.PlaintextKnown {
			return nil, false
		}
		value, ok := p.lookup.Value(m.Plaintext)
		if !ok {
			return nil, false
		}
		return jsonbytes.Text(value)
	}
	if i := position(p.name); i >= 0 {
		return texts[i], true
	}
	return m.context(p.name)
}

// work returns the maximum number of bytes that a value of n bytes has along the way.
func (p *placeholder) work(n int) int {
	most := n
	for _, f := range p.functions {
		if f.hash != 0 {
			n = f.hash.Size()
		} else if f.encodes {
			n *= 2
		}
		most = max(most, n)
	}
	return most
}

// A signed is an input with the values of one message. It is not safe for concurrent use.
type signed struct {
	input  *input
	time   time.Time
	values [][]byte
	// work is the maximum number of bytes that the input has or processes.
	work int

	// keepUnused is KeepUnused of the message.
	keepUnused time.Duration

	// The assembled input and its digest, cached for the next key.
	whole, sum []byte
}

// writeTo writes the input into a hash or a buffer, which do not fail.
func (s *signed) writeTo(w io.Writer, secret []byte) {
	for i := range s.values {
		p, value := &s.input.placeholders[i], s.values[i]
		if p.name == nameSecret {
			value = secret
		}
		_, _ = w.Write(s.input.literals[i])
		p.writeTo(w, value)
	}
	_, _ = w.Write(s.input.literals[len(s.values)])
}

// show writes the input with [Hidden] in place of the secret.
func (s *signed) show(w *bytes.Buffer) {
	for i := range s.values {
		w.Write(s.input.literals[i])
		if p := &s.input.placeholders[i]; p.name == nameSecret {
			w.WriteString(Hidden)
		} else {
			p.writeTo(w, s.values[i])
		}
	}
	w.Write(s.input.literals[len(s.values)])
}

// writeTo writes a value through its functions.
func (p *placeholder) writeTo(w io.Writer, value []byte) {
	stages := make([]io.Closer, len(p.functions))
	for i := len(stages) - 1; i >= 0; i-- {
		stage := p.functions[i].open(w)
		w, stages[i] = stage, stage
	}
	_, _ = w.Write(value)
	for _, stage := range stages {
		_ = stage.Close() // the first writes its remaining bytes to the second
	}
}

// digest returns the digest of the input, always with the hash of the scheme.
func (s *signed) digest(hash crypto.Hash) []byte {
	if s.sum == nil {
		h := hash.New()
		s.writeTo(h, nil)
		s.sum = h.Sum(nil)
	}
	return s.sum
}

// bytes returns the input itself. It may alias the message's body.
func (s *signed) bytes() []byte {
	if s.input.bare() {
		return s.values[0]
	}
	if s.whole == nil {
		var b bytes.Buffer
		b.Grow(s.work)
		s.writeTo(&b, nil)
		s.whole = b.Bytes()
	}
	return s.whole
}

// Shape returns where the template of an input uses the secret: `S` with its functions for each
// placeholder of the secret, and `*` for anything else before, between, and after them. Public
// parts may change without changing the shape.
func Shape(text string) string {
	in, _ := parseInput(text)
	if in == nil {
		return "*"
	}
	var shape strings.Builder
	public := len(in.literals[0]) > 0
	for i, p := range in.placeholders {
		if p.name != nameSecret {
			public = true
			continue
		}
		if public {
			shape.WriteByte('*')
		}
		shape.WriteByte('S')
		for _, f := range p.functions {
			shape.WriteString("|" + f.name)
		}
		public = len(in.literals[i+1]) > 0
	}
	if public {
		shape.WriteByte('*')
	}
	return shape.String()
}
