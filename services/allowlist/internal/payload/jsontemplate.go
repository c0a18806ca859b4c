package payload

import "bytes"

// A jsonNode is what a value in a JSON template has to look like. Exactly one of
// its parts is set.
type jsonNode struct {
	members  map[string]*jsonNode
	elements []*jsonNode
	text     *pattern
	// scalar is a number, true, false or null, compared as it is written.
	scalar []byte
}

// match reads the next value and finds the blobs in it.
func (n *jsonNode) match(s *scanner, found [][]byte) bool {
	switch {
	case n.members != nil:
		return n.matchObject(s, found)
	case n.elements != nil:
		count := 0
		ok := s.array(func(i int) bool {
			count++
			return i < len(n.elements) && n.elements[i].match(s, found)
		})
		return ok && count == len(n.elements)
	case n.text != nil:
		raw, ok := s.string()
		if !ok {
			return false
		}
		text, ok := unquote(raw)
		return ok && n.text.match(text, found)
	default:
		raw, ok := s.scalar()
		return ok && bytes.Equal(raw, n.scalar)
	}
}

// matchObject reads an object with exactly the members of the template.
func (n *jsonNode) matchObject(s *scanner, found [][]byte) bool {
	seen := make(map[*jsonNode]bool, len(n.members))
	ok := s.object(func(raw []byte) bool {
		name, ok := unquote(raw)
		if !ok {
			return false
		}
		member := n.members[string(name)]
		if member == nil || seen[member] {
			return false
		}
		seen[member] = true
		return member.match(s, found)
	})
	return ok && len(seen) == len(n.members)
}

// A jsonParser turns a template, which is valid JSON, into nodes.
type jsonParser struct {
	scanner
	blobs []blob
	wrong string
}

// newJSONReader returns the reader of a template, or what is wrong with it. The
// template is valid JSON, and its placeholders are those of the blobs.
func newJSONReader(template string, blobs []blob) (*jsonReader, string) {
	p := &jsonParser{scanner: scanner{text: []byte(template)}, blobs: blobs}
	node := p.node()
	if p.wrong != "" {
		return nil, p.wrong
	}
	return &jsonReader{node}, ""
}

// fail notes the first thing that is wrong. It returns false, to end the reading.
func (p *jsonParser) fail(wrong string) bool {
	if p.wrong == "" {
		p.wrong = wrong
	}
	return false
}

func (p *jsonParser) node() *jsonNode {
	switch p.peek() {
	case '{':
		return p.objectNode()
	case '[':
		n := &jsonNode{elements: []*jsonNode{}}
		p.array(func(int) bool {
			n.elements = append(n.elements, p.node())
			return p.wrong == ""
		})
		return n
	case '"':
		return p.stringNode()
	default:
		raw, _ := p.scalar()
		return &jsonNode{scalar: raw}
	}
}

func (p *jsonParser) objectNode() *jsonNode {
	n := &jsonNode{members: map[string]*jsonNode{}}
	p.object(func(raw []byte) bool {
		name, ok := unquote(raw)
		switch {
		case !ok:
			return p.fail("must hold whole characters only")
		case bytes.Contains(raw, []byte("${")):
			return p.fail("must hold blobs in values only, not in names")
		case n.members[string(name)] != nil:
			return p.fail("must not name a member twice")
		}
		n.members[string(name)] = p.node()
		return p.wrong == ""
	})
	return n
}

// stringNode splits the string as it is written: a placeholder is written out,
// so an escaped `$` is a way to have one as a literal.
func (p *jsonParser) stringNode() *jsonNode {
	raw, _ := p.string()
	literals, names, _ := splitTemplate(string(raw))
	for i, literal := range literals {
		text, ok := unquote([]byte(literal))
		if !ok {
			p.fail("must hold whole characters only")
			return nil
		}
		literals[i] = string(text)
	}
	text, wrong := newPattern(literals, names, p.blobs)
	if wrong != "" {
		p.fail(wrong)
	}
	return &jsonNode{text: text}
}
