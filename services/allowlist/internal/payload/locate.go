package payload

import "math/bits"

// A step holds what the segments of all paths select at one depth. Paths are
// bits: at most 64 are alive at a time, and which are is one number.
type step struct {
	names   map[string]uint64
	indexes map[int]uint64
	any     uint64
	// ends are the paths that have no segment here: they select what was reached.
	ends uint64
}

// newSteps arranges paths by depth. No two of them overlap.
func newSteps(paths []path) []step {
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
	return steps
}

// A span is where a selected value stands in a body.
type span struct {
	start, end int
	path       int
}

// A locator finds the selected values of a body in one pass that also checks
// that the body is JSON.
type locator struct {
	scanner
	fields *fields

	spans     []span
	hit       uint64 // the paths that have selected something
	tooMany   bool
	duplicate bool
}

// locate reports whether the body is JSON in which the selection is clear. The
// spans are in the order of the body and do not overlap.
func (l *locator) locate() bool {
	return l.walk(0, 1<<len(l.fields.paths)-1) && l.end()
}

// missing returns the paths that have selected nothing.
func (l *locator) missing() uint64 { return (1<<len(l.fields.paths) - 1) &^ l.hit }

// walk reads a value to which the paths in alive have led.
func (l *locator) walk(depth int, alive uint64) bool {
	if alive == 0 {
		return l.value()
	}
	c := l.peek()
	here := &l.fields.steps[depth]
	switch {
	case alive&here.ends != 0:
		return l.record(alive & here.ends)
	case c == '{':
		return l.walkObject(depth, alive)
	case c == '[':
		return l.array(func(i int) bool {
			return l.walk(depth+1, alive&(here.indexes[i]|here.any))
		})
	default:
		return l.value()
	}
}

// walkObject reads an object. A name that stands twice in it is refused if a
// path goes through it: receivers do not agree on which one counts.
func (l *locator) walkObject(depth int, alive uint64) bool {
	here := &l.fields.steps[depth]
	named := uint64(0)
	var all map[string]bool
	if here.any&alive != 0 {
		all = make(map[string]bool)
	}
	return l.object(func(raw []byte) bool {
		name, ok := unquote(raw)
		if !ok {
			return false
		}
		through := alive & here.names[string(name)]
		if through&named != 0 || all[string(name)] {
			l.duplicate = true
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
	if len(l.spans) == maxValues {
		l.tooMany = true
		return false
	}
	if !l.value() {
		return false
	}
	l.hit |= path
	l.spans = append(l.spans, span{start: start, end: l.i, path: bits.TrailingZeros64(path)})
	return true
}
