// Package template writes and reads texts with holes: what stands in an envelope, or
// in a header, with the encoded parts of an encrypted message in it.
//
// A template is a text, or a JSON document, in which `${name}` stands for a hole and
// `${*}` for a text that does not matter. Everything else is literal and is checked
// when a message is read. A template that could read one message in two ways is
// refused when it is compiled, with a finding that says why.
//
// What fills the holes is not this package's business; [Codec] is how bytes commonly
// become their texts.
package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// MaxBytes is how long a template may be.
const MaxBytes = 4096

// A Hole is what a placeholder stands for.
type Hole struct {
	// Name stands between the braces: 1-32 of a-z, 0-9 and _, a letter first.
	Name string
	// Chars are the characters that its text may hold.
	Chars Charset
	// Fixed says that the length of its text is known when it is read. Where holes
	// stand behind each other, all but one have to be fixed.
	Fixed bool
}

// wild is the hole that `${*}` stands for.
const wild = -1

// A Template is a compiled text. It is immutable and may be used from many goroutines.
type Template struct {
	// literals surround the holes when they are written; there is one more.
	literals []string
	holes    []int
	// escaped are the holes whose texts may need escaping in a JSON string.
	escaped []bool
	reader  reader
}

// A reader finds the texts of holes in what was received and puts them at their
// positions. A reader that reports true has filled all that stand in it.
type reader interface {
	read(received []byte, found [][]byte, lengths []int) bool
}

// Text compiles a text. If it is no template, or not a clear one, finding says why.
func Text(text string, holes []Hole) (t *Template, finding string) {
	t, finding = newTemplate(text, holes)
	if finding != "" {
		return nil, finding
	}
	p, finding := newPattern(t.literals, t.holes, holes)
	if finding != "" {
		return nil, finding
	}
	t.reader = newTextReader(p, holes)
	return t, ""
}

// JSON compiles a JSON document, whose strings may hold holes. It is written as it
// stands, and read in any layout and order of members. `\u0024{` is a literal `${`.
func JSON(document string, holes []Hole) (t *Template, finding string) {
	if !jsonbytes.Valid([]byte(document)) {
		return nil, "must be JSON"
	}
	t, finding = newTemplate(document, holes)
	if finding != "" {
		return nil, finding
	}
	if t.reader, finding = newDocumentReader(document, holes); finding != "" {
		return nil, finding
	}
	for i, at := range t.holes {
		t.escaped[i] = at != wild && holes[at].Chars.needEscaping()
	}
	return t, ""
}

// newTemplate splits a text and compares its placeholders with the holes.
func newTemplate(text string, holes []Hole) (t *Template, finding string) {
	if len(text) > MaxBytes {
		return nil, "must have at most 4,096 bytes"
	}
	literals, names, ok := split(text)
	if !ok {
		return nil, "must have the form ${name} or ${*} wherever ${ stands"
	}
	t = &Template{literals: literals, holes: make([]int, len(names)), escaped: make([]bool, len(names))}
	for i, name := range names {
		if t.holes[i] = holeAt(holes, name); t.holes[i] == wild {
			if name != "*" {
				return nil, Unknown("name", name, namesOf(holes))
			}
		} else if slices.Contains(names[:i], name) {
			return nil, "must not hold a ${name} twice"
		}
	}
	return t, ""
}

// holeAt returns the position of a hole, or wild if there is none of this name.
func holeAt(holes []Hole, name string) int {
	return slices.IndexFunc(holes, func(h Hole) bool { return h.Name == name })
}

// repeatable is what a name looks like. Key material in its place is longer, or has digits
// between its letters.
var repeatable = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,28}[0-9]{0,3}$`)

// Unknown returns what is wrong with a text that holds a name, or a function, which there is
// not; and which there are.
func Unknown(what, name string, there []string) string {
	if !repeatable.MatchString(name) {
		name = "of this kind" // it may be a secret in the wrong place
	}
	return fmt.Sprintf("must hold no %s %s; there are %s", what, name, strings.Join(there, ", "))
}

func namesOf(holes []Hole) []string {
	names := make([]string, len(holes))
	for i, hole := range holes {
		names[i] = hole.Name
	}
	return names
}

// split splits a text at its `${name}` placeholders. There is one more literal than
// there are names. A `$` without a brace is a literal; a `${` that does not begin a
// placeholder is refused.
func split(text string) (literals, names []string, ok bool) {
	for {
		literal, rest, found := strings.Cut(text, "${")
		literals = append(literals, literal)
		if !found {
			return literals, names, true
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed || name != "*" && !ValidName(name) {
			return nil, nil, false
		}
		names = append(names, name)
		text = rest
	}
}

// ValidName reports whether name is 1-32 of a-z, 0-9 and _, a letter first.
func ValidName(name string) bool {
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

// Holes returns the positions of the holes that stand in the template, in its order.
func (t *Template) Holes() []int {
	return slices.DeleteFunc(slices.Clone(t.holes), func(at int) bool { return at == wild })
}

// Literals returns the length of all that is no hole.
func (t *Template) Literals() int {
	n := 0
	for _, literal := range t.literals {
		n += len(literal)
	}
	return n
}

// Append appends the template with its holes filled; fill appends the text of one. It
// fails if a text that has to be escaped is not UTF-8.
func (t *Template) Append(dst []byte, fill func(dst []byte, hole int) []byte) (out []byte, ok bool) {
	dst = append(dst, t.literals[0]...)
	for i, at := range t.holes {
		start := len(dst)
		if at != wild {
			dst = fill(dst, at)
		}
		if t.escaped[i] {
			if dst, ok = jsonbytes.EscapeTail(dst, start); !ok {
				return nil, false
			}
		}
		dst = append(dst, t.literals[i+1]...)
	}
	return dst, true
}

// Read finds the texts of the template's holes in received and puts them at their
// positions in found. They are parts of received, or new memory where a JSON string
// held escapes. Whether a text has the right characters is not looked at: what decodes
// it does that.
//
// Lengths are those of the texts of fixed holes by position, or -1 where they are not
// known. They count only where nothing else tells a hole's end, so that elsewhere
// base64 may lack its padding; without such places lengths may be nil.
func (t *Template) Read(received []byte, found [][]byte, lengths []int) bool {
	return t.reader.read(received, found, lengths)
}
