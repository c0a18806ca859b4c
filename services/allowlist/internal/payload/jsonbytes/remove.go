package jsonbytes

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Has reports whether a document is an object with a member of a name.
func Has(body []byte, name string) bool {
	found := false
	s := Scan(body)
	if s.Peek() == '{' {
		s.Object(func(raw []byte) bool {
			text, ok := Unquote(raw)
			found = found || ok && string(text) == name
			return ok && s.Value()
		})
	}
	return found
}

// A remover removes members from an object.
type remover struct {
	*Scanner
	names  []string
	values []string
	seen   []bool
	// kept are the remaining members with the white space in front of them, and gaps is the white
	// space behind each but the last. end is the end of the last member, kept or not.
	kept, gaps [][]byte
	end        int
	// some says that there was a member.
	some bool
}

// Remove removes members with string values from a document, which is an object. Each name must
// occur exactly once, and its value be a string. Remove undoes an [Insertion] of new members: the
// rest keeps its exact bytes. It returns the rest, in new memory unless there are no names, and the
// values in the order of the names.
func Remove(body []byte, names []string) (rest []byte, values []string, ok bool) {
	if len(names) == 0 {
		return body, nil, true
	}
	r := remover{Scanner: Scan(body), names: names, values: make([]string, len(names)), seen: make([]bool, len(names))}
	if !utf8.Valid(body) || r.Peek() != '{' {
		return nil, nil, false
	}
	first := r.i + 1
	r.end = first
	if !r.Object(r.member) || !r.End() || slices.Contains(r.seen, false) {
		return nil, nil, false
	}
	rest = append(make([]byte, 0, len(body)), body[:first]...)
	for i, member := range r.kept {
		if rest = append(rest, member...); i < len(r.kept)-1 {
			rest = append(append(rest, r.gaps[i]...), ',')
		}
	}
	return append(rest, body[r.end:]...), r.values, true
}

// member reads a member.
func (r *remover) member(raw []byte) bool {
	start := r.end
	if r.some {
		comma := start + bytes.IndexByte(r.text[start:], ',')
		if len(r.kept) > len(r.gaps) {
			r.gaps = append(r.gaps, r.text[start:comma])
		}
		start = comma + 1
	}
	r.some = true
	name, ok := Unquote(raw)
	if !ok {
		return false
	}
	at := slices.Index(r.names, string(name))
	if at < 0 {
		ok = r.Value()
		r.end = r.i
		r.kept = append(r.kept, r.text[start:r.end])
		return ok
	}
	quoted, ok := r.Quoted()
	if !ok || r.seen[at] {
		return false
	}
	text, ok := Unquote(quoted)
	r.values[at], r.seen[at], r.end = string(text), true, r.i
	return ok
}
