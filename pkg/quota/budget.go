package quota

import (
	"sync"

	"github.com/keyward/keyward/pkg/fault"
)

// A Budget divides a number of bytes among keys. A key may take more bytes only if its total is
// then at most the number of bytes that remain free. One key alone can take half of the budget, a
// second key half of the rest, and so on, so that there is always room for a new key.
//
// It is safe for concurrent use. A nil Budget is unlimited.
type Budget struct {
	total int64
	whose string

	mutex sync.Mutex
	taken int64
	by    map[string]int64
}

// NewBudget returns a budget of total bytes, or nil if total is 0, which means no limit. The
// argument whose is the kind of the keys: callers, workspaces, or addresses, as in [fault.QuotaCaller].
func NewBudget(total int64, whose string) *Budget {
	if total <= 0 {
		return nil
	}
	return &Budget{total: total, whose: whose, by: make(map[string]int64)}
}

// Take takes n bytes for a key and returns a function that gives them back. Calling the function
// again has no effect. A key that exceeds its share is refused with RATE_LIMITED.
func (b *Budget) Take(key string, n int) (give func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	if !b.take(key, int64(n)) {
		return nil, fault.Exhausted(b.whose, "the requests under way of the "+b.whose+" hold too many bytes", crowded)
	}
	return b.giver(key, int64(n)), nil
}

// Charge takes n bytes that are already in memory, such as those of a response. The key may then
// exceed its share, and is refused until it has given some back.
func (b *Budget) Charge(key string, n int) (give func()) {
	if b == nil {
		return func() {}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.add(key, int64(n))
	return b.giver(key, int64(n))
}

// Taken returns the total number of bytes taken.
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

// add changes the bytes of a key. Keys without bytes are removed.
func (b *Budget) add(key string, n int64) {
	b.taken += n
	if b.by[key] += n; b.by[key] == 0 {
		delete(b.by, key)
	}
}
