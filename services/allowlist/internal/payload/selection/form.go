package selection

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// The limits of a form.
const (
	maxNames     = 64
	maxNameBytes = 256
)

// A FormConfig selects values of a form body (URL Standard,
// `application/x-www-form-urlencoded`).
type FormConfig struct {
	// Names are 1-64 names. Every pair with one of these names is selected.
	Names []string
	// Optional allows a name to be missing.
	Optional bool
	// SkipEmpty leaves empty values unchanged.
	SkipEmpty bool
}

// A form selects values of a form. The decoded value is sealed. A value that is not UTF-8 is
// sealed as it is, so that the receiver gets the original bytes instead of replacement
// characters. A name without `=` has an empty value.
type form struct {
	FormConfig
	names map[string]int // positions
}

// NewForm compiles a selection of form values. If there are violations, it returns no usable
// selection.
func NewForm(c FormConfig) (Selection, []Violation) {
	if n := len(c.Names); n == 0 || n > maxNames {
		return nil, []Violation{{"names", "must have 1-64 names"}}
	}
	var violations []Violation
	f := &form{c, make(map[string]int, len(c.Names))}
	for i, name := range c.Names {
		field := fmt.Sprintf("names[%d]", i)
		if name == "" || len(name) > maxNameBytes {
			violations = append(violations, Violation{field, "must have 1-256 bytes"})
		} else if j := slices.Index(c.Names, name); j < i {
			violations = append(violations, Violation{field, fmt.Sprintf("must not be the same as names[%d]", j)})
		}
		f.names[name] = i
	}
	if len(violations) > 0 {
		return nil, violations
	}
	return f, nil
}

// Single is false because a name may occur many times in a form.
func (f *form) Single() bool { return false }

// Covers is true because paths do not lead into a form.
func (f *form) Covers(jsonbytes.Path) bool { return true }

// A pair is the place of a selected value in a body.
type pair struct {
	start, end int
	bare       bool // the pair has no `=`
}

// locate finds the selected values in the order of the body. Missing is the first missing name,
// or -1. It reports false if there are too many values.
func (f *form) locate(body []byte) (pairs []pair, missing int, ok bool) {
	seen := make([]bool, len(f.Names))
	var buffer [maxNameBytes]byte
	for start := 0; start < len(body); {
		end := len(body)
		if n := bytes.IndexByte(body[start:], '&'); n >= 0 {
			end = start + n
		}
		name, _, found := bytes.Cut(body[start:end], []byte{'='})
		// A name longer than three times the longest configured name cannot match one.
		if len(name) <= 3*maxNameBytes {
			if i, selected := f.names[string(appendDecoded(buffer[:0], name))]; selected {
				if len(pairs) == MaxValues {
					return nil, -1, false
				}
				value := start + len(name) + 1
				if !found {
					value = end
				}
				seen[i] = true
				if !f.SkipEmpty || value < end {
					pairs = append(pairs, pair{start: value, end: end, bare: !found})
				}
			}
		}
		start = end + 1
	}
	return pairs, slices.Index(seen, false), true
}

func (f *form) Encrypt(body []byte, s Sealer) ([]byte, error) {
	pairs, missing, ok := f.locate(body)
	switch {
	case !ok:
		return nil, &BodyError{Reason: "the body holds more than 65536 selected values"}
	case missing >= 0 && !f.Optional:
		return nil, &BodyError{Reason: "a selected value is missing", Path: f.Names[missing]}
	}
	if err := s.Prepare(len(pairs)); err != nil {
		return nil, err
	}
	size := len(body)
	for _, v := range pairs {
		// One base64 character in twenty is percent-encoded as three.
		n := s.SealedLen(v.end - v.start)
		size += n + n/8 + 8 - (v.end - v.start)
	}
	out := make([]byte, 0, size)
	done := 0
	for _, v := range pairs {
		out = v.begin(append(out, body[done:v.start]...))
		start := len(out)
		var err error
		if out, err = seal(out, body[v.start:v.end], s); err != nil {
			return nil, err
		}
		out = encodeTail(out, start)
		done = v.end
	}
	return append(out, body[done:]...), nil
}

// seal appends the text that replaces a value of a form.
func seal(dst, raw []byte, s Sealer) ([]byte, error) {
	value := decoded(raw)
	defer wipeCopy(value, raw)
	return s.Seal(dst, value)
}

// begin appends the `=` if the pair has none.
func (v pair) begin(dst []byte) []byte {
	if v.bare {
		return append(dst, '=')
	}
	return dst
}

func (f *form) Decrypt(body []byte, o Opener) ([]byte, error) {
	defer o.Wipe()
	pairs, missing, ok := f.locate(body)
	if !ok || missing >= 0 && !f.Optional {
		return nil, ErrSelect
	}
	if err := o.Prepare(len(pairs)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body))
	done := 0
	for _, v := range pairs {
		out = v.begin(append(out, body[done:v.start]...))
		value, err := o.Open(decoded(body[v.start:v.end]))
		if err != nil {
			return nil, err
		}
		start := len(out)
		out = encodeTail(append(out, value...), start)
		done = v.end
	}
	return append(out, body[done:]...), nil
}
