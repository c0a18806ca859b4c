package cache

import "sync"

// An epochs tracks the epochs and the runs of the vault. Its zero value is ready to use.
type epochs struct {
	changed func() // may be nil

	mu   sync.Mutex
	seen position // without a sequence
}

// note records the epoch and the run of a message of the vault. A late answer can make the same
// change seem to happen twice.
func (e *epochs) note(at position) {
	if at.epoch == "" {
		return
	}
	at.sequence = 0
	e.mu.Lock()
	another := e.seen.epoch != "" && at != e.seen
	e.seen = at
	e.mu.Unlock()
	if another && e.changed != nil {
		e.changed()
	}
}
