package slowwork

import "time"

const (
	// assumed is how much work is done in a second until it is measured.
	assumed = 5_000_000
	// telling is the least work whose time tells something.
	telling = 40_000
	// minWait is the least time to wait that a refusal tells.
	minWait = time.Second
)

// A speed is how much work a place does in a second, as the last pieces show.
type speed float64

func newSpeed() speed { return assumed }

// measure takes a piece of work into account, by an eighth.
func (s *speed) measure(work int, took time.Duration) {
	if work < telling || took <= 0 {
		return
	}
	seen := speed(float64(work) / took.Seconds())
	*s += (seen - *s) / 8
}

// inTime refuses a message that has so much work before it if that will not be done at
// the deadline. The messages of its endpoint come first if it has just come; later it is
// the first itself.
func (q *Queue) inTime(m *message, work int, first bool) error {
	deadline, ok := m.ctx.Deadline()
	if !ok {
		return nil
	}
	takes, left := q.takes(m, work, first), time.Until(deadline)
	if takes <= left {
		return nil
	}
	return &LateError{Wait: max(takes-left, minWait)}
}

// A LateError says that work would not be done at its deadline, and when to try again.
type LateError struct{ Wait time.Duration }

func (*LateError) Error() string { return "the work would not be done at its deadline" }

// takes estimates how long it takes until work of a message is done. Of each other flow,
// no more is done meanwhile than for the message's own.
func (q *Queue) takes(m *message, work int, first bool) time.Duration {
	workspace := q.all.flow(m.who.Workspace)
	own := work
	if first {
		own += workspace.flow(m.who.Endpoint).owes - m.owes
	}
	all := q.all.until(m.who.Workspace, workspace.until(m.who.Endpoint, own))
	return time.Duration(float64(all) / float64(q.speed) / float64(max(1, q.places)) * float64(time.Second))
}

// until returns how much work is done until that of one flow is.
func (g *group) until(name string, own int) int {
	all := own
	for other, f := range g.flows {
		if other != name {
			all += min(f.owes, own)
		}
	}
	return all
}
