package jsonbytes

import (
	"math/bits"
	"unicode/utf8"
)

// A step holds what the segments of all paths select at one depth. Each path is a bit. At most
// 64 paths are alive at a time, so one number represents them.
type step struct {
	names   map[string]uint64
	indexes map[int]uint64
	any     uint64
	// ends are the paths that have no segment at this depth: they select the value reached.
	ends uint64
}

// A Set is a set of paths that are located together, in one pass. It is immutable and safe for
// concurrent use.
type Set struct {
	count int
	steps []step // by depth
}

// NewSet returns the set of at most [MaxPaths] paths, no two of which overlap.
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

// A Span is the place of a selected value in a body.
type Span struct {
	Start, End int
	// Path is the position of its path in the set.
	Path int
}

// Locate finds the values that the paths select, at most limit, in one pass that also checks
// that the body is JSON. The spans are in the order of the body and do not overlap. Missing is
// the first path that selects nothing, or -1.
//
// The error is [ErrNotJSON], [ErrDuplicate], or [ErrTooMany].
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
	err   error  // the cause of a failure
}

// walk reads a value that the paths in alive lead to.
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

// walkObject reads an object. It refuses a duplicate name if a path goes through it, because
// receivers disagree on which one counts.
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

// record reads a selected value. The paths do not overlap, so exactly one path selects it.
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

// A Lookup finds the value of one path without wildcards. It is immutable and safe for
// concurrent use.
type Lookup struct{ set *Set }

// NewLookup returns the lookup of a path that satisfies [Path.Exact].
func NewLookup(p Path) *Lookup { return &Lookup{NewSet(p)} }

// Value returns the JSON text of the value, which aliases body. It reports false if the value is
// missing, the body is not JSON, or a name on the way occurs twice.
func (l *Lookup) Value(body []byte) (value []byte, ok bool) {
	spans, _, err := l.set.Locate(body, 1)
	if err != nil || len(spans) == 0 {
		return nil, false
	}
	return body[spans[0].Start:spans[0].End], true
}
