package allowlisttest

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Clock is a clock that tests can advance and stop.
type Clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time] // nil while the clock runs
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	now := time.Now()
	if stopped := c.stopped.Load(); stopped != nil {
		now = *stopped
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

// Stop stops the clock, for a test that expects an exact duration. Advance still advances it.
func (c *Clock) Stop() {
	now := time.Now()
	c.stopped.Store(&now)
}

// Advance advances the clock.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Steps lets a test run code between the steps of a save.
type Steps struct {
	mu   sync.Mutex
	hook func(string) error
}

func (s *Steps) step(name string) error {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(name)
}

// Set replaces the hook; nil removes it.
func (s *Steps) Set(hook func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}
