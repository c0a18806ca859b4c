package cache

import "sync"

// An epochs follows the epochs of the vault. Its zero value is ready.
type epochs struct {
	changed func() // may be nil

	mu   sync.Mutex
	seen string
}

// note takes the epoch of something that the vault said. An answer that comes late can make
// the same change seem to happen twice.
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
