package slowwork

import (
	"cmp"
	"slices"
)

// A group shares work among its flows by start-time fair queuing. Each flow has a clock that
// counts the work done for it, and the flow that is furthest behind is next. A flow that returns
// after a pause begins at the group's time, so idle time earns no credit. A flow that is ahead
// of the others stays on record until they have caught up.
type group struct {
	time  uint64
	flows map[string]*flow
}

// A flow is a workspace, which is a group of endpoints, or an endpoint, which has a line
// of messages.
type flow struct {
	group
	line  line
	clock uint64
	owes  int // announced work that is not done yet
}

// flow returns the named flow, and creates one that begins now if it does not exist.
func (g *group) flow(name string) *flow {
	f := g.flows[name]
	if f == nil {
		f = &flow{clock: g.time}
		if g.flows == nil {
			g.flows = make(map[string]*flow)
		}
		g.flows[name] = f
	}
	return f
}

// join adds a message to a flow and returns the flow.
func (g *group) join(name string) *flow {
	f := g.flow(name)
	if !f.waits() {
		f.clock = max(f.clock, g.time)
	}
	return f
}

// next returns the waiting flow that is next.
func (g *group) next() *flow {
	var next *flow
	for _, f := range g.flows {
		if f.waits() && (next == nil || f.before(next)) {
			next = f
		}
	}
	return next
}

// serve records that work is about to be done for a flow, and forgets the flows that are neither
// waiting nor ahead of the others.
func (g *group) serve(name string, work int) {
	served := g.flow(name)
	g.time = max(g.time, served.clock)
	served.clock += uint64(max(0, work))
	for name, f := range g.flows {
		if f != served && f.owes == 0 && f.clock <= g.time && !f.waits() {
			delete(g.flows, name)
		}
	}
}

// waits reports whether a message waits.
func (f *flow) waits() bool {
	if len(f.line) > 0 {
		return true
	}
	for _, inner := range f.flows {
		if inner.waits() {
			return true
		}
	}
	return false
}

// before reports whether a flow comes before another. Ties are broken by their first messages.
func (f *flow) before(other *flow) bool {
	if f.clock != other.clock {
		return f.clock < other.clock
	}
	return f.oldest() < other.oldest()
}

// oldest returns the serial number of the message that has waited longest.
func (f *flow) oldest() uint64 {
	oldest := uint64(1<<64 - 1)
	if len(f.line) > 0 {
		oldest = f.line.first().serial
	}
	for _, inner := range f.flows {
		oldest = min(oldest, inner.oldest())
	}
	return oldest
}

// A line is a queue of waiting messages in the order of their arrival.
type line []*message

func (l line) first() *message { return l[0] }

func (l line) find(m *message) (at int, found bool) {
	return slices.BinarySearchFunc(l, m, func(a, b *message) int { return cmp.Compare(a.serial, b.serial) })
}

func (l *line) add(m *message) {
	at, _ := l.find(m)
	*l = slices.Insert(*l, at, m)
}

func (l *line) remove(m *message) {
	if at, found := l.find(m); found {
		*l = slices.Delete(*l, at, at+1)
	}
}
