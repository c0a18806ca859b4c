package jsonbytes

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/resource"
)

// The limits of paths.
const (
	// MaxPaths is the maximum number of paths in a [Set].
	MaxPaths = 64
	// MaxPathBytes is the maximum length of a path's text.
	MaxPathBytes = 256
	// maxIndexDigits allows indexes far above what a body can hold and far below overflow.
	maxIndexDigits = 9
)

// A segmentKind is the way in which a segment selects values.
type segmentKind int

const (
	byName segmentKind = iota
	byIndex
	byAny
)

// A segment is one step of a path.
type segment struct {
	kind  segmentKind
	name  string
	index int
}

// A Path selects values in a JSON document: a subset of JSONPath (RFC 9535) with
// `.name`, `['name']`, `[index]` and `[*]`. A wildcard selects the elements of an
// array and the values of an object.
type Path []segment

// ParsePath parses a path. It accepts no white space, no double quotes, and no bare `$`.
func ParsePath(text string) (Path, bool) {
	if text == "" || len(text) > MaxPathBytes || text[0] != '$' || !utf8.ValidString(text) {
		return nil, false
	}
	var p Path
	for rest := text[1:]; rest != ""; {
		var (
			s  segment
			ok bool
		)
		switch {
		case rest[0] == '.':
			s, rest, ok = cutShorthand(rest[1:])
		case len(rest) > 2 && rest[:2] == "['":
			s, rest, ok = cutQuotedName(rest[2:])
		case len(rest) > 2 && rest[:3] == "[*]":
			s, rest, ok = segment{kind: byAny}, rest[3:], true
		case rest[0] == '[':
			s, rest, ok = cutIndex(rest[1:])
		}
		if !ok {
			return nil, false
		}
		p = append(p, s)
	}
	return p, len(p) > 0
}

// cutShorthand cuts a name that follows a dot: a letter, `_`, or a non-ASCII character, followed
// by these or digits.
func cutShorthand(text string) (s segment, rest string, ok bool) {
	i := 0
	for i < len(text) {
		c := text[i]
		first := c == '_' || c >= utf8.RuneSelf || resource.Alphanumeric(c) && (c < '0' || c > '9')
		if !first && (i == 0 || c < '0' || c > '9') {
			break
		}
		i++
	}
	return segment{kind: byName, name: text[:i]}, text[i:], i > 0
}

// cutIndex cuts an index and its closing bracket. Leading zeros are refused.
func cutIndex(text string) (s segment, rest string, ok bool) {
	i := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	if i == 0 || i > maxIndexDigits || i > 1 && text[0] == '0' || i == len(text) || text[i] != ']' {
		return segment{}, "", false
	}
	n, err := strconv.Atoi(text[:i])
	return segment{kind: byIndex, index: n}, text[i+1:], err == nil
}

// cutQuotedName cuts a name with its closing quote and bracket. The escapes are those of JSON,
// with `\'` instead of `\"`.
func cutQuotedName(text string) (s segment, rest string, ok bool) {
	var raw []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			if i+1 == len(text) || text[i+1] != ']' {
				return segment{}, "", false
			}
			name, ok := unquotedName(raw)
			return segment{kind: byName, name: name}, text[i+2:], ok
		case c == '\\' && i+1 < len(text) && text[i+1] == '\'':
			raw = append(raw, '\'')
			i++
		case c == '\\' && i+1 < len(text) && text[i+1] != '"':
			raw = append(raw, c, text[i+1])
			i++
		case c == '"':
			raw = append(raw, '\\', c)
		default:
			raw = append(raw, c)
		}
	}
	return segment{}, "", false
}

// unquotedName reads a name as the content of a JSON string.
func unquotedName(raw []byte) (string, bool) {
	quoted := append(append([]byte{'"'}, raw...), '"')
	s := Scanner{text: quoted}
	if _, ok := s.Quoted(); !ok || !s.End() {
		return "", false
	}
	name, ok := appendUnquoted(nil, raw)
	return string(name), ok
}

// String returns the path as `$['name'][0][*]`.
func (p Path) String() string {
	out := []byte{'$'}
	for _, s := range p {
		out = append(out, '[')
		switch s.kind {
		case byAny:
			out = append(out, '*')
		case byIndex:
			out = strconv.AppendInt(out, int64(s.index), 10)
		case byName:
			escaped := AppendEscaped(nil, []byte(s.name))
			escaped = bytes.ReplaceAll(escaped, []byte(`\"`), []byte(`"`))
			escaped = bytes.ReplaceAll(escaped, []byte(`'`), []byte(`\'`))
			out = append(append(append(out, '\''), escaped...), '\'')
		}
		out = append(out, ']')
	}
	return string(out)
}

// Steps returns the path step by step: names, indexes, and `*` for a wildcard.
func (p Path) Steps() []string {
	steps := make([]string, len(p))
	for i, s := range p {
		switch s.kind {
		case byAny:
			steps[i] = "*"
		case byIndex:
			steps[i] = strconv.Itoa(s.index)
		case byName:
			steps[i] = s.name
		}
	}
	return steps
}

// Overlaps reports whether, in some document, a value that p selects is, contains, or is
// contained in a value that q selects.
func (p Path) Overlaps(q Path) bool {
	for i := range min(len(p), len(q)) {
		a, b := p[i], q[i]
		if a.kind != byAny && b.kind != byAny && a != b {
			return false
		}
	}
	return true
}

// Members reports whether the path goes through members of objects only.
func (p Path) Members() bool {
	return !slices.ContainsFunc(p, func(s segment) bool { return s.kind != byName })
}

// Exact reports whether the path selects at most one value, because it has no wildcard.
func (p Path) Exact() bool {
	return !slices.ContainsFunc(p, func(s segment) bool { return s.kind == byAny })
}
