// Package activity counts the uses of secret versions by endpoints, and remembers messages of
// partners that failed to decrypt or verify.
//
// Counting costs a message two atomic additions and no write to the store: a [Meter] keeps the
// counts since the last flush in memory. [Meter.Flush], each minute and at the end, adds them to
// the totals in the store and reports them to the vault, which shows them to owners who want to
// destroy a version. A crash loses a minute of counts. A report whose response was lost is sent
// again under its ID, so that it counts once.
//
// [Failures] are in memory only. They hold the stage where a message failed, its length, and its
// hash, and nothing about keys or plaintext.
package activity

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// A Key is a version of a secret that an endpoint uses.
type Key struct {
	// Endpoint is the uid of the endpoint.
	Endpoint string
	// Secret is the secret's resource name, and UID its uid.
	Secret, UID string
	Version     uint32
}

// A Total is the number of uses of a key.
type Total struct {
	Key

	// Used counts the messages that the key protected, decrypted, or verified. Failed counts the
	// messages that failed to decrypt or verify with it as the only or the last key tried.
	Used, Failed uint64
	// Opened counts the part of Used that decrypted or verified an incoming message. It is reported,
	// and not stored.
	Opened uint64
	// Last is the time of the last successful use.
	Last time.Time
}

// A tally holds the counts since the last flush.
type tally struct {
	used, failed, opened atomic.Uint64
	last                 atomic.Int64 // nanoseconds since 1970
}

// A Meter counts uses. It is safe for concurrent use.
type Meter struct {
	kv     kv.Store
	report Report
	now    func() time.Time

	mu      sync.RWMutex
	tallies map[Key]*tally

	flushing sync.Mutex // held during a flush
	unsent   []batch
}

// New returns a meter that stores its totals in a store. [Meter.Flush] calls report.
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

// Opened counts a message that a key decrypted or verified.
func (m *Meter) Opened(k Key) {
	m.count(k, func(t *tally) {
		t.last.Store(m.now().UnixNano())
		t.used.Add(1)
		t.opened.Add(1)
	})
}

// Failed counts a message that failed to decrypt or verify.
func (m *Meter) Failed(k Key) { m.count(k, func(t *tally) { t.failed.Add(1) }) }

// count adds to the tally of a key. The lock excludes take in the meantime: counts that are added
// to a taken tally would be lost.
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

// take returns the counts since its last call. It omits and forgets keys without uses.
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
