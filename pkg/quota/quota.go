// Package quota limits how much of a server one caller can use, so that capacity remains for
// others: requests per second, concurrent requests, and their bytes.
//
// A [Limiter] counts for each key, such as the subject of a principal. It tracks a bounded number
// of keys and removes the key that was idle for the longest time. A removed key starts again with
// its full allowance. A [Budget] divides bytes of memory.
//
// Callers over a limit are refused with RATE_LIMITED and the time to wait. Requests never wait
// here, because a waiting request would hold its resources.
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
	// maxKeys is the maximum number of keys of a limiter. Each takes about 300 bytes.
	maxKeys = 10_000
	// crowded is the waiting time for callers with too many concurrent requests. Some of these will
	// have ended by then.
	crowded = time.Second
	// minWait keeps a caller from retrying immediately.
	minWait = 10 * time.Millisecond
)

// Limits are the limits of one key. Zero means no limit.
type Limits struct {
	// Rate is the number of requests per second in the long run.
	Rate float64
	// Burst is the number of requests at once after a pause. Default: the requests of one second.
	Burst int
	// Concurrent is the number of concurrent requests.
	Concurrent int
}

// Check returns an error for invalid limits.
func (l Limits) Check() error {
	if l.Rate < 0 || math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0) || l.Burst < 0 || l.Concurrent < 0 {
		return errors.New("must not be negative")
	}
	if l.Burst > 0 && l.Rate == 0 {
		return errors.New("a burst needs a rate")
	}
	return nil
}

// A Limiter applies the same limits to all keys. It is safe for concurrent use. A nil Limiter has
// no limits.
type Limiter struct {
	limits Limits
	keys   *lru.Cache[string, *account]
	now    func() time.Time
}

// account is the consumption of one key.
type account struct {
	rate     *rate.Limiter
	underway atomic.Int64
}

// New returns a limiter. The clock is time.Now, except in tests.
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

// A Visit is a concurrent request of a key. The zero Visit is one without limits.
type Visit struct {
	limiter *Limiter
	account *account
}

// Enter adds a concurrent request of a key, which ends with [Visit.Leave]. A key at its limit is
// refused.
func (l *Limiter) Enter(key string) (Visit, error) {
	if l == nil || l.limits.Concurrent == 0 && l.limits.Rate == 0 {
		return Visit{}, nil
	}
	v := Visit{l, l.account(key)}
	if now := v.account.underway.Add(1); l.limits.Concurrent > 0 && now > int64(l.limits.Concurrent) {
		v.Leave()
		return Visit{}, fault.Exhausted(fault.QuotaCaller, "the caller has too many requests under way", crowded)
	}
	return v, nil
}

// Leave ends the request. Call it once.
func (v Visit) Leave() {
	if v.account != nil {
		v.account.underway.Add(-1)
	}
}

// Spend takes the request from the allowance of its key, or refuses it.
func (v Visit) Spend() error {
	if v.account == nil {
		return nil
	}
	return v.limiter.spend(v.account)
}

// Spend takes one request from the allowance of a key, or refuses the request.
func (l *Limiter) Spend(key string) error {
	if l == nil || l.limits.Rate == 0 {
		return nil
	}
	return l.spend(l.account(key))
}

func (l *Limiter) spend(a *account) error {
	now := l.now()
	if l.limits.Rate == 0 || a.rate.AllowN(now, 1) {
		return nil
	}
	return l.exhausted(a, now)
}

// Probe refuses a key without allowance, and takes nothing.
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
