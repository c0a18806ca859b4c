package slowwork

import "time"

const (
	// assumed is the amount of work per second before the first measurement.
	assumed = 5_000_000
	// telling is the least work whose duration is a useful measurement.
	telling = 40_000
	// minWait is the shortest wait that a refusal reports.
	minWait = time.Second
)

// A speed is the amount of work per second of one place, measured on recent pieces.
type speed float64

func newSpeed() speed { return assumed }

// measure adds a measurement with a weight of one eighth.
func (s *speed) measure(work int, took time.Duration) {
	if work < telling || took <= 0 {
		return
	}
	seen := speed(float64(work) / took.Seconds())
	*s += (seen - *s) / 8
}

// inTime refuses a message if its remaining work cannot be done by the deadline. If the message
// has just arrived (first), the other messages of its endpoint run before it; later it is the
// first itself.
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

// A LateError means that work cannot be done by its deadline. It says when to try again.
type LateError struct{ Wait time.Duration }

func (*LateError) Error() string { return "the work cannot be done by its deadline" }

// takes estimates the time until the work of a message is done. Meanwhile, no other flow gets
// more work done than the flow of the message.
func (q *Queue) takes(m *message, work int, first bool) time.Duration {
	workspace := q.all.flow(m.who.Workspace)
	own := work
	if first {
		own += workspace.flow(m.who.Endpoint).owes - m.owes
	}
	all := q.all.until(m.who.Workspace, workspace.until(m.who.Endpoint, own))
	return time.Duration(float64(all) / float64(q.speed) / float64(max(1, q.places)) * float64(time.Second))
}

// until returns how much work is done in all until own work of the named flow is done.
func (g *group) until(name string, own int) int {
	all := own
	for other, f := range g.flows {
		if other != name {
			all += min(f.owes, own)
		}
	}
	return all
}
