package cache

import "sync"

// An epochs tracks the epochs of the vault. Its zero value is ready to use.
type epochs struct {
	changed func() // may be nil

	mu   sync.Mutex
	seen string
}

// note records the epoch of a message of the vault. A late answer can make the same change seem to
// happen twice.
func (e *epochs) note(epoch string) {
	e.mu.Lock()
	another := epoch != "" && e.seen != "" && epoch != e.seen
	if epoch != "" {
		e.seen = epoch
	}
	e.mu.Unlock()
	if another && e.changed != nil {
		e.changed()
	}
}
