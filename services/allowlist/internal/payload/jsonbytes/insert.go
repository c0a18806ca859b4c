package jsonbytes

import (
	"math/bits"
	"unicode/utf8"
)

// An Insertion puts texts into documents. It is immutable and may be used from many
// goroutines.
type Insertion struct {
	paths []Path
	set   *Set
}

// NewInsertion returns the insertion at paths of which each is [Path.Members] and no
// two overlap, at most [MaxPaths].
func NewInsertion(paths ...Path) *Insertion {
	return &Insertion{paths: paths, set: NewSet(paths...)}
}

// Insert returns the body with the texts, which are UTF-8 and in the order of the
// paths, as JSON strings in their places. What is there is replaced; what is not is
// added as the last member of its object, which must be there. The result is new
// memory, and of the texts no other copy is left behind.
//
// The error is [ErrNotJSON], [ErrDuplicate] or [ErrNoPlace]; with the last one noPlace
// is the path.
func (n *Insertion) Insert(body []byte, texts [][]byte) (out []byte, noPlace int, err error) {
	w := inserter{Scanner: Scanner{text: body}, insertion: n, err: ErrNotJSON}
	if !utf8.Valid(body) || !w.walk(0, n.set.all()) || !w.End() {
		return nil, -1, w.err
	}
	if missing := n.set.all() &^ w.placed; missing != 0 {
		return nil, bits.TrailingZeros64(missing), ErrNoPlace
	}
	// Sized before, so that no half of a text is left behind by a growing slice.
	size := len(body)
	for _, text := range texts {
		size += len(`,"":""`) + 6*(MaxPathBytes+len(text))
	}
	return w.splice(make([]byte, 0, size), texts), -1, nil
}

// An edit is where in a body a text goes.
type edit struct {
	path int
	// The text takes the place of what stands from start to end.
	start, end int
	// before is what comes before it; the member's name comes between unless the
	// text takes the place of another value.
	before string
	named  bool
}

// An inserter finds the places of texts in one pass that also checks that the body
// is JSON.
type inserter struct {
	Scanner
	insertion *Insertion

	edits  []edit // in the order of the body
	placed uint64 // the paths that have their place
	err    error  // why it failed, if it fails
}

// walk reads a value to which the paths in alive have led.
func (w *inserter) walk(depth int, alive uint64) bool {
	switch {
	case alive == 0:
		return w.Value()
	case alive&w.insertion.set.steps[depth].ends != 0:
		// The paths do not overlap, so that it is one path's alone.
		w.Peek()
		start := w.i
		ok := w.Value()
		w.place(edit{path: bits.TrailingZeros64(alive), start: start, end: w.i})
		return ok
	case w.Peek() == '{':
		return w.walkObject(depth, alive)
	default:
		return w.Value()
	}
}

// walkObject reads an object, and finds a place for the members that it lacks. A
// name that stands twice in it is refused if a path goes through it: receivers do
// not agree on which one counts.
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

// splice appends the body with the edits made.
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
