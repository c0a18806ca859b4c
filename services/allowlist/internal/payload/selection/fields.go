package selection

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A ValueForm says which bytes of a value are sealed.
type ValueForm int

// The forms.
const (
	// JSON is the JSON text of the value, which restores its type.
	JSON ValueForm = iota
	// Text is the characters of a string, and the JSON text of other values. Every opened value becomes
	// a string.
	Text
	// Base64 and Hex are the bytes that a string represents. Strings are read in either alphabet and
	// without padding, or in either case; opened values are written with padding, or in lowercase.
	Base64
	Hex
)

// A FieldsConfig selects values inside a JSON body. Each is replaced by a JSON string that holds
// its sealed text.
type FieldsConfig struct {
	// Paths are 1-64 paths, no two of which overlap.
	Paths []string
	// ValueForm is the form of the values.
	ValueForm ValueForm
	// Optional allows a path to select nothing.
	Optional bool
	// SkipEmpty leaves empty strings unchanged.
	SkipEmpty bool
}

type fields struct {
	FieldsConfig
	paths []jsonbytes.Path
	set   *jsonbytes.Set
	codec template.Codec // of the bytes of Base64 and Hex
}

// NewFields compiles a selection of values. If there are violations, it returns no usable
// selection.
func NewFields(c FieldsConfig) (Selection, []Violation) {
	if n := len(c.Paths); n == 0 || n > jsonbytes.MaxPaths {
		return nil, []Violation{{"paths", "must have 1-64 paths"}}
	}
	var violations []Violation
	paths := make([]jsonbytes.Path, len(c.Paths))
	for i, text := range c.Paths {
		field := fmt.Sprintf("paths[%d]", i)
		p, ok := jsonbytes.ParsePath(text)
		if !ok {
			violations = append(violations, Violation{field, "must be a path of at most 256 bytes: $ and then .name, ['name'], [index], or [*]"})
			continue
		}
		for j, other := range paths[:i] {
			if other != nil && p.Overlaps(other) {
				violations = append(violations, Violation{field, fmt.Sprintf("must not overlap paths[%d]", j)})
				break
			}
		}
		paths[i] = p
	}
	if len(violations) > 0 {
		return nil, violations
	}
	encoding := template.Base64
	if c.ValueForm == Hex {
		encoding = template.Hex
	}
	return &fields{c, paths, jsonbytes.NewSet(paths...), template.NewCodec(encoding).Lenient()}, nil
}

func (f *fields) Single() bool { return len(f.paths) == 1 && f.paths[0].Exact() }

func (f *fields) Covers(p jsonbytes.Path) bool {
	for _, own := range f.paths {
		if own.Overlaps(p) {
			return true
		}
	}
	return false
}

func (f *fields) Encrypt(body []byte, s Sealer) ([]byte, error) {
	spans, missing, err := f.set.Locate(body, MaxValues)
	switch {
	case err != nil:
		return nil, bodyError(err)
	case missing >= 0 && !f.Optional:
		return nil, &BodyError{Reason: "a selected value is missing", Path: f.Paths[missing]}
	}
	spans = f.worked(body, spans)
	if err := s.Prepare(len(spans)); err != nil {
		return nil, err
	}
	size := len(body)
	for _, v := range spans {
		size += len(`""`) + s.SealedLen(v.End-v.Start) - (v.End - v.Start)
	}
	out := make([]byte, 0, size)
	done := 0
	for _, v := range spans {
		out = append(out, body[done:v.Start]...)
		if out, err = f.seal(out, body[v.Start:v.End], s); err != nil {
			return nil, withPath(err, f.Paths[v.Path])
		}
		done = v.End
	}
	return append(out, body[done:]...), nil
}

// worked returns the spans without those that stay unchanged. It reuses their memory.
func (f *fields) worked(body []byte, spans []jsonbytes.Span) []jsonbytes.Span {
	if !f.SkipEmpty {
		return spans
	}
	kept := spans[:0]
	for _, v := range spans {
		if string(body[v.Start:v.End]) != `""` {
			kept = append(kept, v)
		}
	}
	return kept
}

// seal appends the JSON string that replaces a value.
func (f *fields) seal(dst, value []byte, s Sealer) ([]byte, error) {
	if f.ValueForm == JSON {
		return appendSealed(dst, value, s)
	}
	text, ok := jsonbytes.Text(value)
	if !ok {
		return nil, &BodyError{Reason: "a selected string contains half of a surrogate pair"}
	}
	defer wipeCopy(text, value)
	if f.ValueForm == Text {
		return appendSealed(dst, text, s)
	}
	decoded, ok := f.codec.AppendDecoded(make([]byte, 0, f.codec.MaxDecodedLen(len(text))), text)
	defer clear(decoded[:cap(decoded)])
	if !ok || value[0] != '"' {
		return nil, &BodyError{Reason: "a selected value is not a string in the encoding of its bytes"}
	}
	return appendSealed(dst, decoded, s)
}

func (f *fields) Decrypt(body []byte, o Opener) ([]byte, error) {
	defer o.Wipe()
	spans, missing, err := f.set.Locate(body, MaxValues)
	if err != nil || missing >= 0 && !f.Optional {
		return nil, ErrSelect
	}
	spans = f.worked(body, spans)
	if err := o.Prepare(len(spans)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body))
	done, fits := 0, true
	for _, v := range spans {
		out = append(out, body[done:v.Start]...)
		value, err := openString(body[v.Start:v.End], o)
		switch {
		case err != nil:
			return nil, err
		case f.ValueForm == Text && utf8.Valid(value):
			out = jsonbytes.AppendQuoted(out, value)
		case f.ValueForm == JSON && jsonbytes.Valid(value):
			out = append(out, value...)
		case f.ValueForm == Base64, f.ValueForm == Hex:
			out = append(f.codec.AppendEncoded(append(out, '"'), value), '"')
		default:
			fits = false // open the others anyway, so that the time does not reveal which one it was
		}
		done = v.End
	}
	if !fits {
		clear(out)
		return nil, ErrValue
	}
	return append(out, body[done:]...), nil
}

// appendSealed seals a value and appends it as a JSON string.
func appendSealed(dst, value []byte, s Sealer) ([]byte, error) {
	dst = append(dst, '"')
	start := len(dst)
	dst, err := s.Seal(dst, value)
	if err != nil {
		return nil, err
	}
	dst, ok := jsonbytes.EscapeTail(dst, start)
	if !ok {
		return nil, &BodyError{Reason: "the text for a JSON string is not UTF-8"}
	}
	return append(dst, '"'), nil
}

// openString opens the content of a JSON string.
func openString(value []byte, o Opener) ([]byte, error) {
	if value[0] != '"' {
		return nil, ErrSelect
	}
	text, ok := jsonbytes.Text(value)
	if !ok {
		return nil, ErrSelect
	}
	return o.Open(text)
}

// wipeCopy zeroes text if it is a copy, and not value itself, with or without the quotes, which
// belongs to the caller.
func wipeCopy(text, value []byte) {
	if len(text) > 0 && len(value) > 1 && &text[0] != &value[0] && &text[0] != &value[1] {
		clear(text)
	}
}

// bodyError returns why the values cannot be located in a body.
func bodyError(err error) *BodyError {
	switch {
	case errors.Is(err, jsonbytes.ErrTooMany):
		return &BodyError{Reason: "the body holds more than 65536 selected values"}
	case errors.Is(err, jsonbytes.ErrDuplicate):
		return &BodyError{Reason: "the body names a member twice on the way to a selected value"}
	default:
		return &BodyError{Reason: "the body is not JSON, or nests deeper than 128 levels"}
	}
}

// withPath adds the path to a refusal.
func withPath(err error, path string) error {
	var r *BodyError
	if errors.As(err, &r) {
		return &BodyError{Reason: r.Reason, Path: path}
	}
	return err
}
