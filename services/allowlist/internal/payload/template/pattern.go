package template

import "bytes"

// The violations of a pattern.
const (
	holesTouch     = "must have a literal between two placeholders, unless all but one of them have a fixed length"
	literalUnclear = "must continue after a placeholder with a character that its encoding cannot contain"
)

// A pattern is a template as it is read: literal, run, literal, and so on. Only the first and
// the last literal may be empty. A pattern matches a string in at most one way.
type pattern struct {
	literals [][]byte
	runs     []run
}

// newPattern returns the pattern of a split template, or a violation if the pattern could match
// in more than one way.
func newPattern(literals []string, places []int, holes []Hole) (p *pattern, violation string) {
	p = &pattern{literals: [][]byte{[]byte(literals[0])}}
	for i := 0; i < len(places); {
		end := i + 1
		for end < len(places) && literals[end] == "" {
			end++
		}
		r, violation := newRun(places[i:end], holes, literals[end])
		if violation != "" {
			return nil, violation
		}
		p.runs = append(p.runs, r)
		p.literals = append(p.literals, []byte(literals[end]))
		i = end
	}
	return p, ""
}

func (p *pattern) match(text []byte, found [][]byte, lengths []int) bool {
	text, ok := bytes.CutPrefix(text, p.literals[0])
	for i := 0; ok && i < len(p.runs); i++ {
		text, ok = p.runs[i].match(text, p.literals[i+1], found, lengths)
	}
	return ok && len(text) == 0
}

// A run is a sequence of adjacent holes.
type run struct {
	holes []int
	// open is the position of the hole whose end is found by the literal after the run, or -1 if
	// the lengths determine the ends of all holes.
	open int
}

// newRun returns a run that is followed by a literal, or by the end of the template if the
// literal is empty.
func newRun(places []int, holes []Hole, next string) (r run, violation string) {
	mayHold := func(at int) bool { return at == wild || holes[at].Chars.Has(next[0]) }
	if len(places) == 1 && (next == "" || !mayHold(places[0])) {
		return run{holes: places}, ""
	}
	r = run{holes: places, open: -1}
	for i, at := range places {
		if at != wild && holes[at].Fixed {
			continue
		}
		if r.open >= 0 {
			return run{}, holesTouch
		}
		r.open = i
	}
	if r.open < 0 || next == "" || places[r.open] == wild {
		return r, ""
	}
	for _, at := range places[r.open:] {
		if mayHold(at) {
			return run{}, literalUnclear
		}
	}
	return r, ""
}

// match finds the run at the beginning of text and returns the text after next.
func (r *run) match(text, next []byte, found [][]byte, lengths []int) (rest []byte, ok bool) {
	before, behind := r.holes, []int(nil)
	if r.open >= 0 {
		before, behind = r.holes[:r.open], r.holes[r.open+1:]
	}
	if text, ok = cutAll(before, text, found, lengths); !ok {
		return nil, false
	}
	if r.open >= 0 {
		end := r.end(text, next, sum(behind, lengths))
		if end < 0 {
			return nil, false
		}
		if at := r.holes[r.open]; at != wild {
			found[at] = text[:end]
		}
		if text, ok = cutAll(behind, text[end:], found, lengths); !ok {
			return nil, false
		}
	}
	return bytes.CutPrefix(text, next)
}

// end returns the end of the open hole's text, or -1. The hole is followed by behind bytes of
// other holes, and then by next.
func (r *run) end(text, next []byte, behind int) int {
	switch {
	case behind < 0 || behind > len(text):
		return -1
	case len(next) == 0:
		return len(text) - behind
	case r.holes[r.open] == wild:
		return bytes.Index(text[behind:], next)
	default:
		return bytes.IndexByte(text, next[0]) - behind
	}
}

// sum returns the total length of fixed holes, or -1 if it is unknown.
func sum(places, lengths []int) int {
	total := 0
	for _, at := range places {
		if at >= len(lengths) || lengths[at] < 0 {
			return -1
		}
		total += lengths[at]
	}
	return total
}

// cutAll cuts the values of fixed holes.
func cutAll(places []int, text []byte, found [][]byte, lengths []int) (rest []byte, ok bool) {
	if n := sum(places, lengths); n < 0 || n > len(text) {
		return nil, false
	}
	for _, at := range places {
		found[at], text = text[:lengths[at]], text[lengths[at]:]
	}
	return text, true
}

// A textReader reads messages of a plain template. Partners' tools append line ends, so it
// ignores ASCII white space around the message and at the ends of the template, except where
// the white space may belong to a hole.
type textReader struct {
	exact, trimmed *pattern
	left, right    bool // ignore white space
}

func newTextReader(p *pattern, holes []Hole) *textReader {
	r := &textReader{exact: p, trimmed: &pattern{literals: append([][]byte(nil), p.literals...), runs: p.runs}}
	last := len(p.literals) - 1
	first, end := bytes.TrimLeft(p.literals[0], asciiSpace), bytes.TrimRight(p.literals[last], asciiSpace)
	if last == 0 {
		end = bytes.TrimRight(first, asciiSpace)
		first = end
	}
	mayHoldSpace := func(at int) bool { return at != wild && holes[at].Chars.holdSpace() }
	if r.left = len(first) > 0 || last == 0 || !mayHoldSpace(p.runs[0].holes[0]); r.left {
		r.trimmed.literals[0] = first
	}
	if r.right = len(end) > 0 || last == 0 || !mayHoldSpace(p.runs[last-1].last()); r.right {
		r.trimmed.literals[last] = end
	}
	return r
}

func (r *run) last() int { return r.holes[len(r.holes)-1] }

func (r *textReader) read(text []byte, found [][]byte, lengths []int) bool {
	trimmed := text
	if r.left {
		trimmed = bytes.TrimLeft(trimmed, asciiSpace)
	}
	if r.right {
		trimmed = bytes.TrimRight(trimmed, asciiSpace)
	}
	// If the last hole is empty, a space of the template may be at the end, where trimming would
	// remove it.
	return r.trimmed.match(trimmed, found, lengths) || r.exact.match(text, found, lengths)
}

// TrimSpace removes the ASCII white space around text.
func TrimSpace(text []byte) []byte { return bytes.Trim(text, asciiSpace) }

const asciiSpace = " \t\r\n\v\f"
