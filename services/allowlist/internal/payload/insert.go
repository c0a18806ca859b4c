package payload

import (
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
)

// maxInsertions is how many values one insertion puts into a body.
const maxInsertions = 16

// An Insertion puts texts into JSON bodies, before they are encrypted. It is
// immutable and may be used from many goroutines.
type Insertion struct {
	texts []string // the paths as configured
	paths []path
	steps []step
}

// NewInsertion compiles the paths of values: `$` and then `.name` or `['name']`. All
// findings come back at once as one [fault.Error], whose violations name fields as
// `body_values[0].path`.
func NewInsertion(texts []string) (*Insertion, error) {
	f := new(findings)
	paths := make([]path, len(texts))
	for i, text := range texts {
		at := fmt.Sprintf("body_values[%d].path", i)
		parsed, ok := parsePath(text)
		if !ok || !parsed.members() {
			f.add(at, "must be a path of at most 256 bytes: $ and then .name or ['name']")
			continue
		}
		for j, other := range paths[:i] {
			if other != nil && parsed.overlaps(other) {
				f.add(at, fmt.Sprintf("must not be the place of body_values[%d], nor lie inside it, nor hold it", j))
				break
			}
		}
		paths[i] = parsed
	}
	if len(texts) > maxInsertions {
		f.add("body_values", "must hold at most 16 values")
	}
	if err := f.fault(); err != nil {
		return nil, err
	}
	return &Insertion{texts: texts, paths: paths, steps: newSteps(paths)}, nil
}

// members reports whether the path goes through members of objects only.
func (p path) members() bool {
	for _, s := range p {
		if s.kind != byName {
			return false
		}
	}
	return true
}

// Insert returns the body with the values, which are in the order of the paths, as
// JSON strings in their places. What is there is replaced; what is not is added as the
// last member of its object, which must be there. All else keeps its exact bytes.
//
// It fails with BODY_NOT_ENCRYPTABLE if the body is not JSON or has no place for a
// value, and with KEY_NOT_USABLE if a value is not UTF-8. The result is the caller's,
// to zero once it is encrypted.
func (n *Insertion) Insert(body []byte, values []sensitive.Bytes) ([]byte, error) {
	w := inserter{scanner: scanner{text: body}, insertion: n}
	if !utf8.Valid(body) || !w.walk(0, w.all()) || !w.end() {
		if w.duplicate {
			return nil, notEncryptable("the body names a member twice on the way to an inserted value", "")
		}
		return nil, notEncryptable("the body is not JSON, or nests deeper than 128 levels", "")
	}
	if missing := w.all() &^ w.placed; missing != 0 {
		return nil, notEncryptable("the object that is to hold an inserted value is missing", n.texts[bits.TrailingZeros64(missing)])
	}
	quoted := make([][]byte, len(values))
	defer func() {
		for _, text := range quoted {
			clear(text)
		}
	}()
	size := len(body)
	for i, value := range values {
		text := value.Reveal()
		if !utf8.Valid(text) {
			return nil, fault.New(fault.FailedPrecondition, KeyNotUsable, "a referenced credential is not a text")
		}
		// Sized before, so that no half of a value is left behind by a growing slice.
		quoted[i] = appendQuoted(make([]byte, 0, 2+6*len(text)), text)
		size += len(quoted[i]) + len(`,"":`) + 6*maxPathBytes
	}
	return w.splice(make([]byte, 0, size), quoted), nil
}

// An edit is where in a body a value goes.
type edit struct {
	path int
	// The value takes the place of what stands from start to end.
	start, end int
	// before is what comes before it; the member's name comes between unless the
	// value takes the place of another.
	before string
	named  bool
}

// An inserter finds the places of values in one pass that also checks that the body
// is JSON.
type inserter struct {
	scanner
	insertion *Insertion

	edits     []edit // in the order of the body
	placed    uint64 // the paths that have their place
	duplicate bool
}

func (w *inserter) all() uint64 { return 1<<len(w.insertion.paths) - 1 }

// walk reads a value to which the paths in alive have led.
func (w *inserter) walk(depth int, alive uint64) bool {
	switch {
	case alive == 0:
		return w.value()
	case alive&w.insertion.steps[depth].ends != 0:
		// The paths do not overlap, so that it is one path's alone.
		w.peek()
		start := w.i
		ok := w.value()
		w.place(edit{path: bits.TrailingZeros64(alive), start: start, end: w.i})
		return ok
	case w.peek() == '{':
		return w.walkObject(depth, alive)
	default:
		return w.value()
	}
}

// walkObject reads an object, and finds a place for the members that it lacks. A
// name that stands twice in it is refused if a path goes through it: receivers do
// not agree on which one counts.
func (w *inserter) walkObject(depth int, alive uint64) bool {
	last, before := w.i+1, ""
	seen := uint64(0)
	whole := w.object(func(raw []byte) bool {
		name, ok := unquote(raw)
		if !ok {
			return false
		}
		through := alive & w.insertion.steps[depth].names[string(name)]
		if through&seen != 0 {
			w.duplicate = true
			return false
		}
		seen |= through
		ok = w.walk(depth+1, through)
		last, before = w.i, ","
		return ok
	})
	for missing := alive &^ seen & w.insertion.steps[depth+1].ends; missing != 0; missing &= missing - 1 {
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
func (w *inserter) splice(out []byte, quoted [][]byte) []byte {
	done := 0
	for _, e := range w.edits {
		out = append(append(out, w.text[done:e.start]...), e.before...)
		if e.named {
			steps := w.insertion.paths[e.path]
			out = append(appendQuoted(out, []byte(steps[len(steps)-1].name)), ':')
		}
		out = append(out, quoted[e.path]...)
		done = e.end
	}
	return append(out, w.text[done:]...)
}
