package template

import (
	"bytes"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// A documentReader reads a JSON document in any layout and order, with exactly the members of
// the template.
type documentReader struct{ root *node }

func (r *documentReader) read(text []byte, found [][]byte, lengths []int) bool {
	m := matcher{Scanner: jsonbytes.Scan(text), found: found, lengths: lengths}
	return utf8.Valid(text) && m.match(r.root) && m.End()
}

// A node describes a value in a template. Exactly one of its fields is set.
type node struct {
	members  map[string]*node
	elements []*node
	text     *pattern
	// scalar is a number, true, false, or null, compared verbatim.
	scalar []byte
}

// A matcher reads one document.
type matcher struct {
	*jsonbytes.Scanner
	found   [][]byte
	lengths []int
}

// match reads the next value and finds its holes.
func (m *matcher) match(n *node) bool {
	switch {
	case n.members != nil:
		return m.matchObject(n)
	case n.elements != nil:
		count := 0
		ok := m.Array(func(i int) bool {
			count++
			return i < len(n.elements) && m.match(n.elements[i])
		})
		return ok && count == len(n.elements)
	case n.text != nil:
		raw, ok := m.Quoted()
		if !ok {
			return false
		}
		text, ok := jsonbytes.Unquote(raw)
		return ok && n.text.match(text, m.found, m.lengths)
	default:
		raw, ok := m.Scalar()
		return ok && bytes.Equal(raw, n.scalar)
	}
}

// matchObject reads an object with exactly the members of the template.
func (m *matcher) matchObject(n *node) bool {
	seen := make(map[*node]bool, len(n.members))
	ok := m.Object(func(raw []byte) bool {
		name, ok := jsonbytes.Unquote(raw)
		if !ok {
			return false
		}
		member := n.members[string(name)]
		if member == nil || seen[member] {
			return false
		}
		seen[member] = true
		return m.match(member)
	})
	return ok && len(seen) == len(n.members)
}

// A parser turns a template, which is valid JSON, into nodes.
type parser struct {
	*jsonbytes.Scanner
	holes     []Hole
	violation string
}

// newDocumentReader returns the reader of a template, or the violation in it. The template must
// be valid JSON, and its placeholders must name the holes.
func newDocumentReader(document string, holes []Hole) (r *documentReader, violation string) {
	p := &parser{Scanner: jsonbytes.Scan([]byte(document)), holes: holes}
	root := p.node()
	if p.violation != "" {
		return nil, p.violation
	}
	return &documentReader{root}, ""
}

// fail records the first violation. It returns false, which ends the reading.
func (p *parser) fail(violation string) bool {
	if p.violation == "" {
		p.violation = violation
	}
	return false
}

func (p *parser) node() *node {
	switch p.Peek() {
	case '{':
		return p.objectNode()
	case '[':
		n := &node{elements: []*node{}}
		p.Array(func(int) bool {
			n.elements = append(n.elements, p.node())
			return p.violation == ""
		})
		return n
	case '"':
		return p.stringNode()
	default:
		raw, _ := p.Scalar()
		return &node{scalar: raw}
	}
}

func (p *parser) objectNode() *node {
	n := &node{members: map[string]*node{}}
	p.Object(func(raw []byte) bool {
		name, ok := jsonbytes.Unquote(raw)
		switch {
		case !ok:
			return p.fail("must not contain half of a surrogate pair")
		case bytes.Contains(raw, []byte("${")):
			return p.fail("must have placeholders in values only, not in names")
		case n.members[string(name)] != nil:
			return p.fail("must not have duplicate members")
		}
		n.members[string(name)] = p.node()
		return p.violation == ""
	})
	return n
}

// stringNode splits the raw string. A placeholder is always written without escapes, so an
// escaped `$` is a literal.
func (p *parser) stringNode() *node {
	raw, _ := p.Quoted()
	literals, names, _ := split(string(raw))
	for i, literal := range literals {
		text, ok := jsonbytes.Unquote([]byte(literal))
		if !ok {
			p.fail("must not contain half of a surrogate pair")
			return nil
		}
		literals[i] = string(text)
	}
	places := make([]int, len(names))
	for i, name := range names {
		places[i] = holeAt(p.holes, name)
	}
	text, violation := newPattern(literals, places, p.holes)
	if violation != "" {
		p.fail(violation)
	}
	return &node{text: text}
}
