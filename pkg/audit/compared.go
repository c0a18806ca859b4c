package audit

import "sync"

// maxCompared is the number of comparisons that are remembered, at least half of them the last.
const maxCompared = 1 << 17

// A Compared remembers the last comparisons, so that a row is compared at its first use. The zero
// value is ready to use. It is safe for concurrent use.
type Compared[Row comparable] struct {
	mu          sync.RWMutex
	last, early map[Row]struct{}
}

// Has reports whether a row was compared.
func (c *Compared[Row]) Has(row Row) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, last := c.last[row]
	_, early := c.early[row]
	return last || early
}

// Add remembers a row.
func (c *Compared[Row]) Add(row Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || len(c.last) == maxCompared/2 {
		c.last, c.early = make(map[Row]struct{}), c.last
	}
	c.last[row] = struct{}{}
}
