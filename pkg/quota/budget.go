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

// A Share is a number of bytes that a key has taken. The zero Share is empty.
type Share struct {
	of  *Budget
	key string
	n   int64
}

// Take takes n bytes for a key. A key that exceeds its share is refused with RATE_LIMITED.
func (b *Budget) Take(key string, n int) (Share, error) {
	if b == nil {
		return Share{}, nil
	}
	if !b.take(key, int64(n)) {
		return Share{}, fault.Exhausted(b.whose, "the requests under way of the "+b.whose+" hold too many bytes", crowded)
	}
	return Share{b, key, int64(n)}, nil
}

// Charge takes n more bytes that are already in memory, such as those of a response, for the key of
// the share. The key may then exceed its share, and is refused until it has given some back. An
// empty share stays empty.
func (s *Share) Charge(n int) {
	if s.of == nil {
		return
	}
	s.of.mutex.Lock()
	defer s.of.mutex.Unlock()
	s.of.add(s.key, int64(n))
	s.n += int64(n)
}

// Give gives the bytes back. Calling it again has no effect.
func (s *Share) Give() {
	if s.of == nil {
		return
	}
	s.of.mutex.Lock()
	defer s.of.mutex.Unlock()
	s.of.add(s.key, -s.n)
	s.n = 0
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

// add changes the bytes of a key. Keys without bytes are removed.
func (b *Budget) add(key string, n int64) {
	b.taken += n
	if b.by[key] += n; b.by[key] == 0 {
		delete(b.by, key)
	}
}
