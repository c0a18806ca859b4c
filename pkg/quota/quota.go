// Package quota bounds what one caller can take of a server, so that there is
// something left for the others: requests in a second, requests under way, and
// their bytes.
//
// A [Limiter] counts for each key, such as the subject of a principal. It knows a
// bounded number of keys and forgets the one that was idle for the longest; who
// is forgotten begins anew, with a full allowance. A [Budget] shares out bytes of memory.
//
// Whoever wants too much is refused with RATE_LIMITED and told how long to wait.
// Nobody is made to wait here: a request that waits would hold what it has.
package quota

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/keyward/keyward/pkg/fault"
)

const (
	// maxKeys is how many keys a limiter knows. Each takes some 300 bytes.
	maxKeys = 10_000
	// crowded is how long whoever has too much under way is told to wait: some of
	// it will have ended by then.
	crowded = time.Second
	// minWait keeps a caller from coming back at once.
	minWait = 10 * time.Millisecond
)

// Limits bounds what one key can take. Zero means that there is no bound.
type Limits struct {
	// Rate is how many requests a second are taken in the long run.
	Rate float64
	// Burst is how many requests are taken at once, after a pause. Zero: those of
	// one second.
	Burst int
	// Concurrent is how many requests may be under way.
	Concurrent int
}

// Check returns what is wrong with the limits, or nil.
func (l Limits) Check() error {
	if l.Rate < 0 || math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0) || l.Burst < 0 || l.Concurrent < 0 {
		return errors.New("must not be negative")
	}
	if l.Burst > 0 && l.Rate == 0 {
		return errors.New("a burst needs a rate")
	}
	return nil
}

// A Limiter holds all keys to the same limits. It may be used by many goroutines.
// A nil Limiter holds nobody to anything.
type Limiter struct {
	limits Limits
	keys   *lru.Cache[string, *account]
	now    func() time.Time
}

// account is what one key has taken.
type account struct {
	rate     *rate.Limiter
	underway atomic.Int64
}

// New returns a limiter. The clock is time.Now but in tests.
func New(l Limits, now func() time.Time) (*Limiter, error) {
	if err := l.Check(); err != nil {
		return nil, fmt.Errorf("check limits: %w", err)
	}
	if l.Burst == 0 {
		l.Burst = max(1, int(math.Ceil(l.Rate)))
	}
	keys, err := lru.New[string, *account](maxKeys)
	if err != nil {
		return nil, fmt.Errorf("make table of callers: %w", err)
	}
	return &Limiter{limits: l, keys: keys, now: now}, nil
}

// Enter takes a place among the requests under way, and returns how to give it
// back, which is to be called once. A key that has none left is refused.
func (l *Limiter) Enter(key string) (leave func(), err error) {
	if l == nil || l.limits.Concurrent == 0 {
		return func() {}, nil
	}
	a := l.account(key)
	if a.underway.Add(1) > int64(l.limits.Concurrent) {
		a.underway.Add(-1)
		return nil, fault.Exhausted(fault.QuotaCaller, "the caller has too many requests under way", crowded)
	}
	return func() { a.underway.Add(-1) }, nil
}

// Spend takes one request from the allowance of a key, or refuses it.
func (l *Limiter) Spend(key string) error {
	if l == nil || l.limits.Rate == 0 {
		return nil
	}
	a, now := l.account(key), l.now()
	if a.rate.AllowN(now, 1) {
		return nil
	}
	return l.exhausted(a, now)
}

// Probe refuses a key that has nothing left to spend, and takes nothing.
func (l *Limiter) Probe(key string) error {
	if l == nil || l.limits.Rate == 0 {
		return nil
	}
	a, known := l.keys.Get(key)
	if !known {
		return nil
	}
	if now := l.now(); a.rate.TokensAt(now) < 1 {
		return l.exhausted(a, now)
	}
	return nil
}

func (l *Limiter) exhausted(a *account, now time.Time) error {
	wait := time.Duration((1 - a.rate.TokensAt(now)) / l.limits.Rate * float64(time.Second))
	return fault.Exhausted(fault.QuotaCaller, "the caller makes too many requests", max(wait, minWait))
}

func (l *Limiter) account(key string) *account {
	if a, known := l.keys.Get(key); known {
		return a
	}
	fresh := &account{rate: rate.NewLimiter(rate.Limit(l.limits.Rate), l.limits.Burst)}
	if a, raced, _ := l.keys.PeekOrAdd(key, fresh); raced {
		return a
	}
	return fresh
}
