package upgrade

import "time"

// pace is the time between two reports of a step.
const pace = time.Second

// A step reports its progress.
type step struct {
	Progress

	report func(Progress)
	last   time.Time
}

// step begins a step.
func (u *upgrade) step(name string, total uint64) *step {
	s := &step{Progress: Progress{Step: name, Total: total}, report: u.Progress, last: time.Now()}
	if s.report != nil {
		s.report(s.Progress)
	}
	return s
}

// done counts a row. A nil step ignores it.
func (s *step) done() {
	if s == nil {
		return
	}
	s.Done++
	if s.report != nil && time.Since(s.last) >= pace {
		s.last = time.Now()
		s.report(s.Progress)
	}
}
