package quota

import (
	"sync"

	"github.com/keyward/keyward/pkg/fault"
)

// A Budget shares out a number of bytes among keys. A key gets more only while it then
// has no more than what stays free, so that one key alone can have half, a second one half
// of the rest, and so on: whatever others hold, a new key finds room.
//
// It may be used from many goroutines. A nil Budget is without a bound.
type Budget struct {
	total int64
	whose string

	mutex sync.Mutex
	taken int64
	by    map[string]int64
}

// NewBudget returns a budget of so many bytes, or nil if there is no bound, which is 0. Keys
// are callers, workspaces or addresses, as [fault.QuotaCaller] and its relatives name them.
func NewBudget(total int64, whose string) *Budget {
	if total <= 0 {
		return nil
	}
	return &Budget{total: total, whose: whose, by: make(map[string]int64)}
}

// Take takes n bytes for a key, and returns how to give them back, which has an effect
// once. A key that has its share is refused with RATE_LIMITED.
func (b *Budget) Take(key string, n int) (give func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	if !b.take(key, int64(n)) {
		return nil, fault.Exhausted(b.whose, "the requests under way of the "+b.whose+" hold too many bytes", crowded)
	}
	return b.giver(key, int64(n)), nil
}

// Charge takes n bytes that are there already, such as those of a response. The key may
// then have more than its share, and gets nothing until it has given some back.
func (b *Budget) Charge(key string, n int) (give func()) {
	if b == nil {
		return func() {}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.add(key, int64(n))
	return b.giver(key, int64(n))
}

// Taken returns how many bytes are taken in all.
func (b *Budget) Taken() int64 {
	if b == nil {
		return 0
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.taken
}

func (b *Budget) take(key string, n int64) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.by[key]+n > b.total-b.taken-n {
		return false
	}
	b.add(key, n)
	return true
}

func (b *Budget) giver(key string, n int64) func() {
	return sync.OnceFunc(func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.add(key, -n)
	})
}

// add changes what a key has. Keys that have nothing are forgotten.
func (b *Budget) add(key string, n int64) {
	b.taken += n
	if b.by[key] += n; b.by[key] == 0 {
		delete(b.by, key)
	}
}
