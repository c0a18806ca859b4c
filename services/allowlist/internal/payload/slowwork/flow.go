package slowwork

import (
	"cmp"
	"slices"
)

// A group shares work out among its flows, by start-time fair queuing: each flow has a
// clock of the work that was done for it, and the one that is furthest behind is next.
// Who comes after a pause begins at the group's time: nothing is saved up, and what a
// flow is ahead of the others is remembered until they have caught up.
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
	owes  int // work that was announced and not done
}

// flow returns a flow, which begins now if there is none.
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

// join returns a flow to which a message is added.
func (g *group) join(name string) *flow {
	f := g.flow(name)
	if !f.waits() {
		f.clock = max(f.clock, g.time)
	}
	return f
}

// next returns the flow that is next of those that wait.
func (g *group) next() *flow {
	var next *flow
	for _, f := range g.flows {
		if f.waits() && (next == nil || f.before(next)) {
			next = f
		}
	}
	return next
}

// serve notes that work is about to be done for a flow, and forgets the flows that have
// nothing before them and nothing behind.
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

// before reports whether a flow comes before another, by its first message if they are
// equal.
func (f *flow) before(other *flow) bool {
	if f.clock != other.clock {
		return f.clock < other.clock
	}
	return f.oldest() < other.oldest()
}

// oldest returns the serial of the message that waits for the longest.
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

// A line is the messages that wait, in the order in which they came.
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
