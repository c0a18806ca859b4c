package cache

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/sensitive"
)

// The bounds of what is kept in memory. The oldest goes when one is reached.
const (
	maxKept  = 10_000
	maxBytes = 64 << 20
)

// errOutOfTurn is what a watch ends with that contradicts itself.
var errOutOfTurn = errors.New("the watch of the vault goes backwards")

// An answer is what the vault says of a secret.
type answer struct {
	Value
	// at is where in the vault's change log it was read.
	at position
}

// A position is a place in the change log of one epoch of the vault: so many changes
// come before it.
type position struct {
	epoch    string
	sequence uint64
}

// copied returns the answer with a value of its own.
func (a answer) copied() answer {
	a.Plain = sensitive.New(bytes.Clone(a.Plain.Reveal()))
	return a
}

// A memory keeps answers, as the package comment says.
type memory struct {
	maxStale time.Duration
	now      func() time.Time
	metrics  *metrics

	mu    sync.Mutex
	kept  *simplelru.LRU[Ref, *entry] // in the order of their last use
	bytes int
	// about are the refs in kept by the name of the secret.
	about   map[string]map[Ref]struct{}
	flights map[Ref]*flight
	// heard is how far the watch has come. Without an epoch there is none.
	heard position
	// beat is when the last heartbeat came.
	beat time.Time
}

// An entry is an answer that is kept.
type entry struct {
	answer
	// used is when it was used last.
	used time.Time
}

// A flight is a question to the vault under way, shared by all who ask the same.
type flight struct {
	done   chan struct{}
	answer answer
	err    error
	// waiting is how many still want a copy of the answer.
	waiting int
	// least is the position that the answer must have come to in order to be kept.
	least uint64
}

// never is a position that no answer comes to.
const never = math.MaxUint64

func newMemory(maxStale time.Duration, now func() time.Time, shown *metrics) (*memory, error) {
	m := &memory{
		maxStale: maxStale, now: now, metrics: shown,
		about: make(map[string]map[Ref]struct{}), flights: make(map[Ref]*flight),
	}
	var err error
	m.kept, err = simplelru.NewLRU(maxKept, m.evicted)
	return m, err
}

// get returns a copy of what is kept, if it may still be relied on.
func (m *memory) get(ref Ref) (answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look(ref)
}

// look looks a ref up, and counts that. The memory is locked.
func (m *memory) look(ref Ref) (answer, bool) {
	if !m.stale() {
		if e, ok := m.kept.Get(ref); ok {
			m.metrics.hits.Inc()
			e.used = m.now()
			return e.copied(), true
		}
	}
	m.metrics.misses.Inc()
	return answer{}, false
}

// fetch returns what is kept, or else what ask answers, which is called once for all who want
// the same at the same time. It goes on for the others when the context of one ends.
func (m *memory) fetch(ctx context.Context, ref Ref, ask func(context.Context, Ref) (answer, error)) (answer, error) {
	a, f := m.find(ctx, ref, ask)
	if f == nil {
		return a, nil
	}
	return m.wait(ctx, f)
}

// find is the first half of fetch: it looks the ref up, once, and returns a copy of what is kept
// or the flight that brings it. The caller waits for a flight that it gets.
func (m *memory) find(ctx context.Context, ref Ref, ask func(context.Context, Ref) (answer, error)) (answer, *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.look(ref); ok {
		return a, nil
	}
	f, ok := m.flights[ref]
	if !ok {
		f = &flight{done: make(chan struct{}), least: m.heard.sequence}
		if m.heard.epoch == "" {
			f.least = never
		}
		m.flights[ref] = f
		go m.fly(context.WithoutCancel(ctx), ref, f, ask)
	}
	f.waiting++
	return answer{}, f
}

// wait is the second half of fetch: it returns what a flight brings.
func (m *memory) wait(ctx context.Context, f *flight) (answer, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f.leave(ctx)
}

// leave returns a copy of the flight's answer, if there is one by now. The last who
// leaves zeroes it. The memory is locked.
func (f *flight) leave(ctx context.Context) (answer, error) {
	f.waiting--
	select {
	case <-f.done:
	default:
		return answer{}, client.Describe(status.FromContextError(ctx.Err()).Err())
	}
	if f.err != nil {
		return answer{}, f.err
	}
	a := f.answer.copied()
	if f.waiting == 0 {
		f.answer.Plain.Zero()
	}
	return a, nil
}

func (m *memory) fly(ctx context.Context, ref Ref, f *flight, ask func(context.Context, Ref) (answer, error)) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	a, err := ask(ctx, ref)
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(f.done)
	if m.flights[ref] == f {
		delete(m.flights, ref)
	}
	if f.err = err; err != nil {
		return
	}
	if a.at.epoch == m.heard.epoch && a.at.sequence >= f.least {
		m.keep(ref, a)
	}
	if f.answer = a; f.waiting == 0 {
		a.Plain.Zero()
	}
}

// keep keeps a copy of an answer; one about the current version is also one about
// that version.
func (m *memory) keep(ref Ref, a answer) {
	m.add(ref, a)
	if ref.Version == 0 {
		ref.Version, a.Previous = a.Version, nil
		m.add(ref, a)
	}
	for m.bytes > maxBytes {
		m.kept.RemoveOldest()
	}
}

func (m *memory) add(ref Ref, a answer) {
	m.kept.Remove(ref) // Add would not zero the one before
	m.kept.Add(ref, &entry{answer: a.copied(), used: m.now()})
	m.bytes += a.Plain.Len()
	if m.about[ref.Secret] == nil {
		m.about[ref.Secret] = make(map[Ref]struct{})
	}
	m.about[ref.Secret][ref] = struct{}{}
}

// evicted is called when an answer leaves kept, however it does.
func (m *memory) evicted(ref Ref, e *entry) {
	m.bytes -= e.Plain.Len()
	e.Plain.Zero()
	delete(m.about[ref.Secret], ref)
	if len(m.about[ref.Secret]) == 0 {
		delete(m.about, ref.Secret)
	}
}

// stale reports whether the last heartbeat is too long ago.
func (m *memory) stale() bool { return m.silence() >= m.maxStale }

// silence is how long the last heartbeat is ago.
func (m *memory) silence() time.Duration {
	if m.heard.epoch == "" || m.beat.IsZero() {
		return math.MaxInt64
	}
	// A machine that slept has a monotonic clock that did not go on, and one whose
	// clock was set back has a wall clock that went wrong. The larger one is safe.
	now := m.now()
	return max(now.Sub(m.beat), now.Round(0).Sub(m.beat.Round(0)))
}

// forget drops what is kept of a secret or on its way.
func (m *memory) forget(secret string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref := range m.about[secret] {
		m.kept.Remove(ref)
	}
	m.ground(secret)
}

// ground keeps the answers about a secret that are on their way from being kept. Who asks
// from now on wants to know of what happened, and asks anew; of those flights, later
// events are not told. The memory is locked.
func (m *memory) ground(secret string) {
	for ref, f := range m.flights {
		if ref.Secret == secret {
			f.least = never
			delete(m.flights, ref)
		}
	}
}
