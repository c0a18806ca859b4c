package jsonbytes

import (
	"math/bits"
	"unicode/utf8"
)

// Remove undoes [Insertion.Add]: it returns the body without the members at the paths, in new memory
// unless there are no paths, and their values in the order of the paths. The rest keeps its exact
// bytes. Each member must occur exactly once, and its value be a string.
func (n *Insertion) Remove(body []byte) (rest []byte, values []string, ok bool) {
	if len(n.paths) == 0 {
		return body, nil, true
	}
	r := remover{Scanner: Scan(body), set: n.set, values: make([]string, len(n.paths)), rest: make([]byte, 0, len(body))}
	if !utf8.Valid(body) || !r.object(0, n.set.all()) || !r.End() || r.found != n.set.all() {
		return nil, nil, false
	}
	return append(r.rest, body[r.done:]...), r.values, true
}

// A remover removes members in one pass, which also checks that the body is JSON.
type remover struct {
	*Scanner
	set    *Set
	values []string
	found  uint64 // the paths whose member was found

	// rest is the result up to done, where the text goes on.
	rest []byte
	done int
}

// object reads an object that the paths in alive lead through.
func (r *remover) object(depth int, alive uint64) bool {
	if r.Peek() != '{' {
		return false
	}
	steps := r.set.steps
	seen := uint64(0)
	start := r.i + 1 // of the next member, with the white space in front of it
	end := start     // of the last member
	kept := start    // the end of the last member that stays
	removed := -1    // the start of the members to remove that are directly in front of this one
	whole := r.Object(func(raw []byte) bool {
		if end > start { // behind another member
			for start = end; r.text[start] != ','; start++ {
			}
			start++
		}
		name, ok := Unquote(raw)
		through := alive & steps[depth].names[string(name)]
		if !ok || through&seen != 0 {
			return false
		}
		seen |= through
		switch at := through & steps[depth+1].ends; {
		case at != 0:
			ok = r.member(at)
			if removed < 0 {
				removed = start
			}
			end = r.i
			return ok
		case removed >= 0:
			r.cut(removed, start)
			removed = -1
		}
		if through != 0 {
			ok = r.object(depth+1, through)
		} else {
			ok = r.Value()
		}
		end, kept = r.i, r.i
		return ok
	})
	if whole && removed >= 0 {
		r.cut(kept, end)
	}
	return whole
}

// member reads the value of the member at a path.
func (r *remover) member(path uint64) bool {
	quoted, ok := r.Quoted()
	if !ok {
		return false
	}
	text, ok := Unquote(quoted)
	r.values[bits.TrailingZeros64(path)], r.found = string(text), r.found|path
	return ok
}

// cut leaves the text from start to end out of the result.
func (r *remover) cut(start, end int) {
	r.rest, r.done = append(r.rest, r.text[r.done:start]...), end
}
