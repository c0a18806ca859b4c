package search

import (
	"bytes"
	"slices"
	"sort"
)

// separator ends each ID of a chunk. IDs do not contain it.
const separator = '\n'

// chunkSize is the maximum size of a chunk, unless a single ID is longer.
const chunkSize = 16 << 10

// ids is the ordered set of the IDs of a workspace: chunks in order, none of them empty.
//
//	chunk  ┌────────┬────────┬─────┐
//	       │ id, \n │ id, \n │ ... │
//	       └────────┴────────┴─────┘
//
// A search looks through the bytes of a chunk, which is much faster than looking at each ID. A
// change moves the bytes of one chunk.
type ids struct {
	chunks []*chunk
}

// A chunk holds some successive IDs.
type chunk struct {
	text []byte
	// folded is text in lower case, or nil if they are the same.
	folded []byte
}

func newChunk(text []byte) *chunk {
	c := &chunk{text: text}
	if folded := lower(text); !bytes.Equal(folded, text) {
		c.folded = folded
	}
	return c
}

// lower converts ASCII letters only, so that positions are the same in both forms.
func lower(text []byte) []byte {
	folded := bytes.Clone(text)
	for i, b := range folded {
		if 'A' <= b && b <= 'Z' {
			folded[i] = b + ('a' - 'A')
		}
	}
	return folded
}

// searched returns the form with which queries are compared.
func (c *chunk) searched() []byte {
	if c.folded != nil {
		return c.folded
	}
	return c.text
}

// start returns the position of the ID to which the byte at a position belongs.
func (c *chunk) start(at int) int { return bytes.LastIndexByte(c.text[:at], separator) + 1 }

// end returns the position of the separator of the ID to which the byte at a position belongs.
func (c *chunk) end(at int) int { return at + bytes.IndexByte(c.text[at:], separator) }

func (c *chunk) first() []byte { return c.text[:c.end(0)] }

func (c *chunk) last() []byte { return c.text[c.start(len(c.text)-1) : len(c.text)-1] }

// position returns the position of the first ID that is not less than id.
func (c *chunk) position(id []byte) int {
	low, high := 0, len(c.text)
	for low < high {
		start := c.start(low + (high-low)/2)
		if end := c.end(start); bytes.Compare(c.text[start:end], id) < 0 {
			low = end + 1
		} else {
			high = start
		}
	}
	return low
}

// holds reports whether the ID at a position is id.
func (c *chunk) holds(at int, id []byte) bool {
	return at < len(c.text) && bytes.Equal(c.text[at:c.end(at)], id)
}

// chunk returns the index of the chunk in which id belongs.
func (s *ids) chunk(id []byte) int {
	return max(0, sort.Search(len(s.chunks), func(i int) bool { return bytes.Compare(s.chunks[i].first(), id) > 0 })-1)
}

func (s *ids) insert(id string) {
	line := append([]byte(id), separator)
	name := line[:len(id)]
	if bytes.IndexByte(name, separator) >= 0 {
		return // a stored name that could not have been created, and that no query finds
	}
	if len(s.chunks) == 0 {
		s.chunks = append(s.chunks, newChunk(line))
		return
	}
	i := s.chunk(name)
	c := s.chunks[i]
	at := c.position(name)
	switch {
	case c.holds(at, name):
	case len(c.text)+len(line) <= chunkSize:
		c.insert(at, line)
	case at == len(c.text):
		// IDs often arrive in order. Leave full chunks behind.
		s.chunks = slices.Insert(s.chunks, i+1, newChunk(line))
	default:
		s.split(i)
		s.insert(id)
	}
}

// insert inserts an ID with its separator.
func (c *chunk) insert(at int, line []byte) {
	folded := lower(line)
	if c.folded == nil && !bytes.Equal(folded, line) {
		c.folded = bytes.Clone(c.text)
	}
	c.text = insert(c.text, at, line)
	if c.folded != nil {
		c.folded = insert(c.folded, at, folded)
	}
}

// insert inserts a line. It doubles the capacity as needed, but not beyond the size of a chunk.
func insert(text []byte, at int, line []byte) []byte {
	if size := len(text) + len(line); size > cap(text) {
		text = append(make([]byte, 0, max(size, min(2*size, chunkSize))), text...)
	}
	return slices.Insert(text, at, line...)
}

// split divides a full chunk near its middle.
func (s *ids) split(i int) {
	c := s.chunks[i]
	half := c.end(len(c.text)/2) + 1
	if half == len(c.text) {
		half = c.start(len(c.text) - 1)
	}
	left, right := newChunk(bytes.Clone(c.text[:half])), newChunk(bytes.Clone(c.text[half:]))
	s.chunks = slices.Replace(s.chunks, i, i+1, left, right)
}

func (s *ids) remove(id string) {
	if len(s.chunks) == 0 {
		return
	}
	name := []byte(id)
	i := s.chunk(name)
	c := s.chunks[i]
	at := c.position(name)
	if !c.holds(at, name) {
		return
	}
	c.text = slices.Delete(c.text, at, at+len(name)+1)
	if c.folded != nil {
		c.folded = slices.Delete(c.folded, at, at+len(name)+1)
	}
	s.tidy(i)
}

// tidy removes a chunk that is empty, or joins it with a neighbor if both are small.
func (s *ids) tidy(i int) {
	if len(s.chunks[i].text) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
		return
	}
	for left := max(0, i-1); left <= i && left+1 < len(s.chunks); left++ {
		if a, b := s.chunks[left].text, s.chunks[left+1].text; len(a)+len(b) <= chunkSize/2 {
			s.chunks = slices.Replace(s.chunks, left, left+2, newChunk(slices.Concat(a, b)))
			return
		}
	}
}
