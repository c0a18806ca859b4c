package jsonbytes

import (
	"math/bits"
	"unicode/utf8"
)

// An Insertion inserts strings into documents. It is immutable and safe for concurrent use.
type Insertion struct {
	paths []Path
	set   *Set
}

// NewInsertion returns the insertion at the given paths, at most [MaxPaths]. Each must satisfy
// [Path.Members], and no two may overlap.
func NewInsertion(paths ...Path) *Insertion {
	return &Insertion{paths: paths, set: NewSet(paths...)}
}

// Insert returns the body with the strings, which are UTF-8 and in the order of the paths,
// inserted as JSON strings. An existing value is replaced. A missing one is added as the last
// member of its object, which must exist. The result is new memory, and no other copy of the
// strings is left behind.
//
// The error is [ErrNotJSON], [ErrDuplicate], or [ErrNoPlace]; with ErrNoPlace, noPlace is the
// position of the path.
func (n *Insertion) Insert(body []byte, texts [][]byte) (out []byte, noPlace int, err error) {
	return n.insert(body, texts, false)
}

// Add is [Insertion.Insert] of new members only: a body with a value at a path has no place for it.
func (n *Insertion) Add(body []byte, texts [][]byte) (out []byte, noPlace int, err error) {
	return n.insert(body, texts, true)
}

func (n *Insertion) insert(body []byte, texts [][]byte, add bool) (out []byte, noPlace int, err error) {
	w := inserter{Scanner: Scanner{text: body}, insertion: n, add: add, err: ErrNotJSON}
	if !utf8.Valid(body) || !w.walk(0, n.set.all()) || !w.End() {
		return nil, -1, w.err
	}
	if missing := n.set.all() &^ w.placed; missing != 0 {
		return nil, bits.TrailingZeros64(missing), ErrNoPlace
	}
	// The size is computed first, so that growing the slice leaves no partial copy of a string
	// behind.
	size := len(body)
	for _, text := range texts {
		size += len(`,"":""`) + 6*(MaxPathBytes+len(text))
	}
	return w.splice(make([]byte, 0, size), texts), -1, nil
}

// An edit is the place of one string in a body.
type edit struct {
	path int
	// The string replaces the bytes from start to end.
	start, end int
	// before is inserted in front of the string. The member's name follows it unless the string
	// replaces another value.
	before string
	named  bool
}

// An inserter finds the places of the strings in one pass, which also checks that the body is
// JSON.
type inserter struct {
	Scanner
	insertion *Insertion
	add       bool // no value is replaced

	edits  []edit // in the order of the body
	placed uint64 // the paths whose place was found
	err    error  // the cause of a failure
}

// walk reads a value that the paths in alive lead to.
func (w *inserter) walk(depth int, alive uint64) bool {
	switch {
	case alive == 0:
		return w.Value()
	case alive&w.insertion.set.steps[depth].ends != 0:
		// The paths do not overlap, so exactly one path ends here.
		w.Peek()
		start := w.i
		ok := w.Value()
		if !w.add {
			w.place(edit{path: bits.TrailingZeros64(alive), start: start, end: w.i})
		}
		return ok
	case w.Peek() == '{':
		return w.walkObject(depth, alive)
	default:
		return w.Value()
	}
}

// walkObject reads an object, and finds a place for its missing members. It refuses a duplicate
// name if a path goes through it, because receivers disagree on which one counts.
func (w *inserter) walkObject(depth int, alive uint64) bool {
	last, before := w.i+1, ""
	seen := uint64(0)
	steps := w.insertion.set.steps
	whole := w.Object(func(raw []byte) bool {
		name, ok := Unquote(raw)
		if !ok {
			return false
		}
		through := alive & steps[depth].names[string(name)]
		if through&seen != 0 {
			w.err = ErrDuplicate
			return false
		}
		seen |= through
		ok = w.walk(depth+1, through)
		last, before = w.i, ","
		return ok
	})
	for missing := alive &^ seen & steps[depth+1].ends; missing != 0; missing &= missing - 1 {
		w.place(edit{path: bits.TrailingZeros64(missing), start: last, end: last, before: before, named: true})
		before = ","
	}
	return whole
}

func (w *inserter) place(e edit) {
	w.edits = append(w.edits, e)
	w.placed |= 1 << e.path
}

// splice appends the body with the edits applied.
func (w *inserter) splice(out []byte, texts [][]byte) []byte {
	done := 0
	for _, e := range w.edits {
		out = append(append(out, w.text[done:e.start]...), e.before...)
		if e.named {
			steps := w.insertion.paths[e.path]
			out = append(AppendQuoted(out, []byte(steps[len(steps)-1].name)), ':')
		}
		out = AppendQuoted(out, texts[e.path])
		done = e.end
	}
	return append(out, w.text[done:]...)
}
