// Package slab allocates short strings that are used together, such as those of one response. Many
// of them share one allocation, which lives as long as any of them.
package slab

import "strings"

// The chunks in which [Strings] allocates grow from the size of a few names to that of a page.
const (
	minChunk = 64
	maxChunk = 4096
	growth   = 4
)

// Strings makes strings from bytes. The zero value is ready for use. Do not copy it.
type Strings struct{ chunk strings.Builder }

// Of returns a string with the bytes of text.
func (s *Strings) Of(text []byte) string {
	if s.chunk.Cap()-s.chunk.Len() < len(text) {
		size := max(len(text), minChunk, min(s.chunk.Cap()*growth, maxChunk))
		s.chunk.Reset() // the strings before keep the last chunk
		s.chunk.Grow(size)
	}
	start := s.chunk.Len()
	s.chunk.Write(text)
	return s.chunk.String()[start:]
}
