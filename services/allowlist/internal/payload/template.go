package payload

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const maxTemplateBytes = 4096

// splitTemplate splits a text at its `${name}` placeholders. There is one more
// literal than there are names. A `$` without a brace is a literal; a `${` that
// does not begin a placeholder is refused.
func splitTemplate(text string) (literals, names []string, ok bool) {
	for {
		literal, rest, found := strings.Cut(text, "${")
		literals = append(literals, literal)
		if !found {
			return literals, names, true
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed || !validBlobName(name) {
			return nil, nil, false
		}
		names = append(names, name)
		text = rest
	}
}

// validBlobName reports whether name is 1-32 of a-z, 0-9 and _, a letter first.
func validBlobName(name string) bool {
	if name == "" || len(name) > 32 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// A pattern is a text with blobs in it, as it is read: literal, blob, literal,
// and so on. It matches a text in one way at most: what follows a blob begins
// with a character that the blob cannot hold.
type pattern struct {
	literals [][]byte
	blobs    []int // positions in the envelope
}

// match finds the texts of the blobs and puts them at their positions. The
// characters of a blob are not looked at: its codec does that.
func (p *pattern) match(text []byte, found [][]byte) bool {
	text, ok := bytes.CutPrefix(text, p.literals[0])
	if !ok {
		return false
	}
	for i, blob := range p.blobs {
		next := p.literals[i+1]
		end := len(text)
		if len(next) > 0 {
			if end = bytes.IndexByte(text, next[0]); end < 0 {
				return false
			}
		}
		found[blob] = text[:end]
		if text, ok = bytes.CutPrefix(text[end:], next); !ok {
			return false
		}
	}
	return len(text) == 0
}

// The findings of a pattern.
const (
	blobsTouch     = "must have a literal between two blobs"
	literalUnclear = "must go on after a blob with a character that the blob's encoding cannot hold"
)

// newPattern makes the pattern of a split text. If it could match in more than
// one way, it returns what is wrong.
func newPattern(literals, names []string, blobs []blob) (p *pattern, wrong string) {
	p = &pattern{literals: make([][]byte, len(literals)), blobs: make([]int, len(names))}
	for i, literal := range literals {
		p.literals[i] = []byte(literal)
	}
	for i, name := range names {
		p.blobs[i] = blobAt(blobs, name)
		next := literals[i+1]
		switch {
		case next == "" && i+1 < len(names):
			return nil, blobsTouch
		case next != "" && blobs[p.blobs[i]].codec.mayHold(next[0]):
			return nil, literalUnclear
		}
	}
	return p, ""
}

// A textReader reads a body that is a text. Partners' tools end texts with a
// line end: ASCII white space around the body is ignored, and so is white space
// at the ends of the template.
type textReader struct{ exact, trimmed pattern }

func newTextReader(p *pattern) *textReader {
	literals := append([][]byte(nil), p.literals...)
	last := len(literals) - 1
	literals[0] = bytes.TrimLeft(literals[0], asciiSpace)
	literals[last] = bytes.TrimRight(literals[last], asciiSpace)
	return &textReader{exact: *p, trimmed: pattern{literals: literals, blobs: p.blobs}}
}

func (r *textReader) read(body []byte, found [][]byte) bool {
	// An empty ciphertext may leave a blank between two blobs at the end of the
	// body, where trimming takes it for white space.
	return r.trimmed.match(trimSpace(body), found) || r.exact.match(body, found)
}

// A valueReader reads the string, still quoted, that stands in the place of a value.
type valueReader struct{ pattern pattern }

func (r *valueReader) read(quoted []byte, found [][]byte) bool {
	s := scanner{text: quoted}
	raw, ok := s.string()
	if !ok {
		return false
	}
	text, ok := unquote(raw)
	return ok && r.pattern.match(text, found)
}

// unquote returns the characters of a JSON string; without escapes it copies nothing.
func unquote(raw []byte) ([]byte, bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	return appendUnquoted(make([]byte, 0, len(raw)), raw)
}

// A jsonReader reads a body that is a JSON document: in any layout and order,
// but with the members of the template and no others.
type jsonReader struct{ root *jsonNode }

func (r *jsonReader) read(body []byte, found [][]byte) bool {
	s := scanner{text: body}
	return utf8.Valid(body) && r.root.match(&s, found) && s.end()
}
