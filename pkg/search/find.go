package search

import (
	"bytes"
	"slices"
)

const (
	// pieceSize is the number of chunks that a search looks through before it lets writers proceed.
	pieceSize = 16
	// sampleSize is the number of bytes of a chunk, and of a query, from which a search estimates
	// how often each byte occurs.
	sampleSize  = 1024
	sampleQuery = 16
)

// A search is a query and its progress.
type search struct {
	query   []byte
	reverse bool
	limit   int

	after []byte // the ID after which the search continues; empty at its start
	found []string
	spans []span // reused by each chunk of a reverse search
}

// A span is the position of an ID in a chunk.
type span struct{ start, end int }

// advance looks through the next chunks and reports whether IDs remain.
func (s *search) advance(set *ids) bool {
	i, step := s.next(set), 1
	if s.reverse {
		step = -1
	}
	for range pieceSize {
		if i < 0 || i >= len(set.chunks) {
			return false
		}
		c := set.chunks[i]
		s.look(c)
		if len(s.found) == s.limit {
			return false
		}
		if s.reverse {
			s.after = append(s.after[:0], c.first()...)
		} else {
			s.after = append(s.after[:0], c.last()...)
		}
		i += step
	}
	return true
}

// next returns the index of the chunk with which the search continues.
func (s *search) next(set *ids) int {
	switch {
	case len(s.after) > 0:
		return set.chunk(s.after)
	case s.reverse:
		return len(set.chunks) - 1
	default:
		return 0
	}
}

// look adds the matches of a chunk.
func (s *search) look(c *chunk) {
	from, to := 0, len(c.text)
	if len(s.after) > 0 {
		at := c.position(s.after)
		switch {
		case s.reverse:
			to = at
		case c.holds(at, s.after):
			from = c.end(at) + 1
		default:
			from = at
		}
	}
	if !s.reverse {
		s.matches(c, from, to, func(m span) bool {
			s.found = append(s.found, string(c.text[m.start:m.end]))
			return len(s.found) < s.limit
		})
		return
	}
	s.spans = s.spans[:0]
	s.matches(c, from, to, func(m span) bool {
		s.spans = append(s.spans, m)
		return true
	})
	for _, m := range slices.Backward(s.spans) {
		if len(s.found) == s.limit {
			return
		}
		s.found = append(s.found, string(c.text[m.start:m.end]))
	}
}

// matches calls yield for each ID within a part of a chunk that contains the query, until yield
// returns false.
//
// It searches for one byte of the query, which the processor does quickly, and then compares the
// rest. With the rarest byte, it has to compare least often.
func (s *search) matches(c *chunk, from, to int, yield func(span) bool) {
	text := c.searched()[:to]
	rare := s.rarest(text[from:])
	for at := from; at < to; {
		if len(s.query) > 0 {
			found := bytes.IndexByte(text[at:], s.query[rare])
			if found < 0 {
				return
			}
			begin := at + found - rare
			if begin < from || !bytes.HasPrefix(text[begin:], s.query) {
				at += found + 1
				continue
			}
			at = begin
		}
		m := span{start: c.start(at), end: c.end(at)}
		if !yield(m) {
			return
		}
		at = m.end + 1
	}
}

// rarest returns the position in the query of the byte that occurs least often at the start of a
// text.
func (s *search) rarest(text []byte) int {
	sample := text[:min(len(text), sampleSize)]
	best, least := 0, len(sample)+1
	for i := range min(len(s.query), sampleQuery) {
		if n := bytes.Count(sample, s.query[i:i+1]); n < least {
			best, least = i, n
		}
		if least == 0 {
			break
		}
	}
	return best
}
