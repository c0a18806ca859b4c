// Package template writes and reads strings with holes: an envelope, or a header, that contains
// the encoded parts of an encrypted message.
//
// A template is a string, or a JSON document, in which `${name}` is a hole and `${*}` matches
// any string. Everything else is literal and is checked when a message is read. A template that
// could read one message in two ways is refused when it is compiled, with a violation that says
// why.
//
// Callers fill the holes; [Codec] is the usual encoding of bytes for them.
package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// MaxBytes is the maximum length of a template.
const MaxBytes = 4096

// A Hole describes a placeholder.
type Hole struct {
	// Name is the name between the braces: 1-32 of a-z, 0-9, and _, a letter first.
	Name string
	// Chars are the characters that its value may contain.
	Chars Charset
	// Fixed says that the length of its value is known before reading. Of adjacent holes, all
	// except one must be fixed.
	Fixed bool
}

// wild is the hole of `${*}`.
const wild = -1

// A Template is a compiled template. It is immutable and safe for concurrent use.
type Template struct {
	// literals surround the holes in writing; there is one more literal than holes.
	literals []string
	holes    []int
	// escaped says which holes have values that may need escaping in a JSON string.
	escaped []bool
	reader  reader
}

// A reader finds the values of holes in a received message and stores them at their positions. A
// reader that reports true has found all its holes.
type reader interface {
	read(received []byte, found [][]byte, lengths []int) bool
}

// Text compiles a plain template. If it is invalid or ambiguous, violation says why.
func Text(text string, holes []Hole) (t *Template, violation string) {
	t, violation = newTemplate(text, holes)
	if violation != "" {
		return nil, violation
	}
	p, violation := newPattern(t.literals, t.holes, holes)
	if violation != "" {
		return nil, violation
	}
	t.reader = newTextReader(p, holes)
	return t, ""
}

// JSON compiles a JSON document, whose strings may contain holes. It is written verbatim, and
// read in any layout and order of members. `\u0024{` is a literal `${`.
func JSON(document string, holes []Hole) (t *Template, violation string) {
	if !jsonbytes.Valid([]byte(document)) {
		return nil, "must be JSON"
	}
	t, violation = newTemplate(document, holes)
	if violation != "" {
		return nil, violation
	}
	if t.reader, violation = newDocumentReader(document, holes); violation != "" {
		return nil, violation
	}
	for i, at := range t.holes {
		t.escaped[i] = at != wild && holes[at].Chars.needEscaping()
	}
	return t, ""
}

// newTemplate splits a template and compares its placeholders with the holes.
func newTemplate(text string, holes []Hole) (t *Template, violation string) {
	if len(text) > MaxBytes {
		return nil, "must have at most 4,096 bytes"
	}
	literals, names, ok := split(text)
	if !ok {
		return nil, "must have the form ${name} or ${*} wherever it contains ${"
	}
	t = &Template{literals: literals, holes: make([]int, len(names)), escaped: make([]bool, len(names))}
	for i, name := range names {
		if t.holes[i] = holeAt(holes, name); t.holes[i] == wild {
			if name != "*" {
				return nil, Unknown("name", name, namesOf(holes))
			}
		} else if slices.Contains(names[:i], name) {
			return nil, "must not have the same ${name} twice"
		}
	}
	return t, ""
}

// holeAt returns the position of the named hole, or wild if it does not exist.
func holeAt(holes []Hole, name string) int {
	return slices.IndexFunc(holes, func(h Hole) bool { return h.Name == name })
}

// repeatable matches names that may appear in an error. Key material in a name's place is
// longer, or has digits between its letters.
var repeatable = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,28}[0-9]{0,3}$`)

// Unknown returns the violation for an unknown name or function in a template, with the list of
// the known ones.
func Unknown(what, name string, available []string) string {
	unknown := "the unknown " + what + " " + name
	if !repeatable.MatchString(name) {
		unknown = "an unknown " + what // the name may be a secret in the wrong place
	}
	return fmt.Sprintf("must not use %s; available: %s", unknown, strings.Join(available, ", "))
}

func namesOf(holes []Hole) []string {
	names := make([]string, len(holes))
	for i, hole := range holes {
		names[i] = hole.Name
	}
	return names
}

// split splits a string at its `${name}` placeholders. There is one more literal than names. A
// `$` without a brace is a literal. A `${` that does not begin a placeholder is refused.
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

// ValidName reports whether name is 1-32 of a-z, 0-9, and _, a letter first.
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

// Holes returns the positions of the holes in the template, in its order.
func (t *Template) Holes() []int {
	return slices.DeleteFunc(slices.Clone(t.holes), func(at int) bool { return at == wild })
}

// Literals returns the total length of the literals.
func (t *Template) Literals() int {
	n := 0
	for _, literal := range t.literals {
		n += len(literal)
	}
	return n
}

// Append appends the template with its holes filled; fill appends the value of one. Append fails
// if a value that has to be escaped is not UTF-8.
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

// Read finds the values of the template's holes in received and stores them at their positions
// in found. They alias received, or are new memory if a JSON string had escapes. Read does not
// check the characters of the values; decoding does.
//
// Lengths are the lengths of fixed holes by position, or -1 if unknown. They are used only where
// nothing else determines the end of a hole, so that base64 may lack its padding or have line ends
// elsewhere. If there are no such places, lengths may be nil.
func (t *Template) Read(received []byte, found [][]byte, lengths []int) bool {
	return t.reader.read(received, found, lengths)
}
