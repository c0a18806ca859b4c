package jsonbytes

import (
	"math/bits"
	"unicode/utf8"
)

// A step holds what the segments of all paths select at one depth. Paths are
// bits: at most 64 are alive at a time, and which are is one number.
type step struct {
	names   map[string]uint64
	indexes map[int]uint64
	any     uint64
	// ends are the paths that have no segment here: they select what was reached.
	ends uint64
}

// A Set is paths that are looked for together, in one pass. It is immutable and may be
// used from many goroutines.
type Set struct {
	count int
	steps []step // by depth
}

// NewSet arranges at most [MaxPaths] paths, no two of which overlap.
func NewSet(paths ...Path) *Set {
	depth := 0
	for _, p := range paths {
		depth = max(depth, len(p))
	}
	steps := make([]step, depth+1)
	for i := range steps {
		steps[i] = step{names: map[string]uint64{}, indexes: map[int]uint64{}}
	}
	for i, p := range paths {
		bit := uint64(1) << i
		for d, s := range p {
			switch s.kind {
			case byName:
				steps[d].names[s.name] |= bit
			case byIndex:
				steps[d].indexes[s.index] |= bit
			case byAny:
				steps[d].any |= bit
			}
		}
		steps[len(p)].ends |= bit
	}
	return &Set{count: len(paths), steps: steps}
}

// all returns the bits of all paths.
func (s *Set) all() uint64 { return 1<<s.count - 1 }

// A Span is where a selected value stands in a body.
type Span struct {
	Start, End int
	// Path is the position of its path in the set.
	Path int
}

// Locate finds what the paths select, at most limit values, in one pass that also
// checks that the body is JSON. The spans are in the order of the body and do not
// overlap. Missing is the first path that selects nothing, or -1.
//
// The error is [ErrNotJSON], [ErrDuplicate] or [ErrTooMany].
func (s *Set) Locate(body []byte, limit int) (spans []Span, missing int, err error) {
	l := locator{Scanner: Scanner{text: body}, set: s, limit: limit, err: ErrNotJSON}
	if !utf8.Valid(body) || !l.walk(0, s.all()) || !l.End() {
		return nil, -1, l.err
	}
	if rest := s.all() &^ l.hit; rest != 0 {
		return l.spans, bits.TrailingZeros64(rest), nil
	}
	return l.spans, -1, nil
}

// A locator finds the values of one body.
type locator struct {
	Scanner
	set   *Set
	limit int

	spans []Span
	hit   uint64 // the paths that have selected something
	err   error  // why it failed, if it fails
}

// walk reads a value to which the paths in alive have led.
func (l *locator) walk(depth int, alive uint64) bool {
	if alive == 0 {
		return l.Value()
	}
	c := l.Peek()
	here := &l.set.steps[depth]
	switch {
	case alive&here.ends != 0:
		return l.record(alive & here.ends)
	case c == '{':
		return l.walkObject(depth, alive)
	case c == '[':
		return l.Array(func(i int) bool {
			return l.walk(depth+1, alive&(here.indexes[i]|here.any))
		})
	default:
		return l.Value()
	}
}

// walkObject reads an object. A name that stands twice in it is refused if a
// path goes through it: receivers do not agree on which one counts.
func (l *locator) walkObject(depth int, alive uint64) bool {
	here := &l.set.steps[depth]
	named := uint64(0)
	var all map[string]bool
	if here.any&alive != 0 {
		all = make(map[string]bool)
	}
	return l.Object(func(raw []byte) bool {
		name, ok := Unquote(raw)
		if !ok {
			return false
		}
		through := alive & here.names[string(name)]
		if through&named != 0 || all[string(name)] {
			l.err = ErrDuplicate
			return false
		}
		named |= through
		if all != nil {
			all[string(name)] = true
		}
		return l.walk(depth+1, through|alive&here.any)
	})
}

// record reads a selected value. The paths do not overlap, so that it is one
// path's alone.
func (l *locator) record(path uint64) bool {
	start := l.i
	if len(l.spans) == l.limit {
		l.err = ErrTooMany
		return false
	}
	if !l.Value() {
		return false
	}
	l.hit |= path
	l.spans = append(l.spans, Span{Start: start, End: l.i, Path: bits.TrailingZeros64(path)})
	return true
}

// A Lookup finds the value of one path without wildcard. It is immutable and may be
// used from many goroutines.
type Lookup struct{ set *Set }

// NewLookup returns the lookup of a path that is [Path.Exact].
func NewLookup(p Path) *Lookup { return &Lookup{NewSet(p)} }

// Value returns the JSON text of the value, a part of body. There is none in what is
// not JSON, nor where a name stands twice on the way.
func (l *Lookup) Value(body []byte) (value []byte, ok bool) {
	spans, _, err := l.set.Locate(body, 1)
	if err != nil || len(spans) == 0 {
		return nil, false
	}
	return body[spans[0].Start:spans[0].End], true
}
