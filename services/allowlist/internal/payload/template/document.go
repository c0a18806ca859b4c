package template

import (
	"bytes"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// A documentReader reads a JSON document: in any layout and order, but with the
// members of the template and no others.
type documentReader struct{ root *node }

func (r *documentReader) read(text []byte, found [][]byte, lengths []int) bool {
	m := matcher{Scanner: jsonbytes.Scan(text), found: found, lengths: lengths}
	return utf8.Valid(text) && m.match(r.root) && m.End()
}

// A node is what a value in a template has to look like. Exactly one of its parts is
// set.
type node struct {
	members  map[string]*node
	elements []*node
	text     *pattern
	// scalar is a number, true, false or null, compared as it is written.
	scalar []byte
}

// A matcher reads one document.
type matcher struct {
	*jsonbytes.Scanner
	found   [][]byte
	lengths []int
}

// match reads the next value and finds the holes in it.
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
	holes   []Hole
	finding string
}

// newDocumentReader returns the reader of a template, or what is wrong with it. The
// template is valid JSON, and its placeholders are those of the holes.
func newDocumentReader(document string, holes []Hole) (r *documentReader, finding string) {
	p := &parser{Scanner: jsonbytes.Scan([]byte(document)), holes: holes}
	root := p.node()
	if p.finding != "" {
		return nil, p.finding
	}
	return &documentReader{root}, ""
}

// fail notes the first thing that is wrong. It returns false, to end the reading.
func (p *parser) fail(finding string) bool {
	if p.finding == "" {
		p.finding = finding
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
			return p.finding == ""
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
			return p.fail("must hold whole characters only")
		case bytes.Contains(raw, []byte("${")):
			return p.fail("must hold placeholders in values only, not in names")
		case n.members[string(name)] != nil:
			return p.fail("must not name a member twice")
		}
		n.members[string(name)] = p.node()
		return p.finding == ""
	})
	return n
}

// stringNode splits the string as it is written: a placeholder is written out, so an
// escaped `$` is a way to have one as a literal.
func (p *parser) stringNode() *node {
	raw, _ := p.Quoted()
	literals, names, _ := split(string(raw))
	for i, literal := range literals {
		text, ok := jsonbytes.Unquote([]byte(literal))
		if !ok {
			p.fail("must hold whole characters only")
			return nil
		}
		literals[i] = string(text)
	}
	places := make([]int, len(names))
	for i, name := range names {
		places[i] = holeAt(p.holes, name)
	}
	text, finding := newPattern(literals, places, p.holes)
	if finding != "" {
		p.fail(finding)
	}
	return &node{text: text}
}
