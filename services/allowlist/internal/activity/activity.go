// Package activity counts how the versions of secrets are used for endpoints, and
// remembers what of a partner's did not open.
//
// Counting costs a message two atomic additions and no write to the store: a [Meter]
// keeps what happened since the last flush in memory. [Meter.Flush], each minute and
// at the end, adds it to the totals in the store and reports it to the vault, which
// shows it to who wants to destroy a version. A crash loses a minute of counts, and a
// report whose answer was lost is sent again under its id, so that it counts once.
//
// [Failures] are kept in memory only. They hold where a message stopped, its length and
// its hash: nothing of keys or plaintext.
package activity

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// A Key is a version of a secret in use for an endpoint.
type Key struct {
	// Endpoint is the uid of the endpoint.
	Endpoint string
	// Secret is the secret's resource name, and UID its uid.
	Secret, UID string
	Version     uint32
}

// A Total is how often a key was used.
type Total struct {
	Key

	// Used counts the messages that it protected or opened, Failed those that did not
	// open with it as the only or the last one tried.
	Used, Failed uint64
	// Opened counts those of the used that opened a message which came in. It is reported,
	// and not kept.
	Opened uint64
	// Last is when it was last used with success.
	Last time.Time
}

// A tally is what happened since the last flush.
type tally struct {
	used, failed, opened atomic.Uint64
	last                 atomic.Int64 // nanoseconds since 1970
}

// A Meter counts. It may be used from many goroutines.
type Meter struct {
	kv     kv.Store
	report Report
	now    func() time.Time

	mu      sync.RWMutex
	tallies map[Key]*tally

	flushing sync.Mutex // held by a flush
	unsent   []batch
}

// New returns a meter that keeps its totals in a store. Report is called by
// [Meter.Flush].
func New(store kv.Store, report Report, now func() time.Time) *Meter {
	return &Meter{kv: store, report: report, now: now, tallies: make(map[Key]*tally)}
}

// Used counts a message that a key protected.
func (m *Meter) Used(k Key) {
	m.count(k, func(t *tally) {
		t.last.Store(m.now().UnixNano())
		t.used.Add(1)
	})
}

// Opened counts a message that a key opened or verified.
func (m *Meter) Opened(k Key) {
	m.count(k, func(t *tally) {
		t.last.Store(m.now().UnixNano())
		t.used.Add(1)
		t.opened.Add(1)
	})
}

// Failed counts a message that did not open or verify.
func (m *Meter) Failed(k Key) { m.count(k, func(t *tally) { t.failed.Add(1) }) }

// count adds to the tally of a key. The lock keeps take away meanwhile: what is added
// to a tally that was taken would be lost.
func (m *Meter) count(k Key, add func(*tally)) {
	m.mu.RLock()
	t := m.tallies[k]
	if t != nil {
		add(t)
	}
	m.mu.RUnlock()
	if t != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.tallies[k]; t == nil {
		t = new(tally)
		m.tallies[k] = t
	}
	add(t)
}

// take returns what happened since it was called last, without the keys that nothing
// happened to; those are forgotten.
func (m *Meter) take() []Total {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Total
	for k, t := range m.tallies {
		delta := Total{Key: k, Used: t.used.Swap(0), Failed: t.failed.Swap(0), Opened: t.opened.Swap(0)}
		if delta.Used == 0 && delta.Failed == 0 {
			delete(m.tallies, k)
			continue
		}
		if last := t.last.Load(); last != 0 {
			delta.Last = time.Unix(0, last)
		}
		all = append(all, delta)
	}
	return all
}
