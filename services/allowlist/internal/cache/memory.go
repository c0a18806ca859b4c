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

// The limits of the cache. If one is reached, the oldest entry is dropped.
const (
	maxKept  = 10_000
	maxBytes = 64 << 20
)

// errOutOfTurn is the error for a watch that contradicts itself.
var errOutOfTurn = errors.New("the positions of the vault's watch went backwards")

// An answer is the vault's answer about a secret.
type answer struct {
	Value
	// at is the position in the vault's change log at which it was read.
	at position
	// life is how long the answer may be served.
	life life
}

// A position is a place in the change log of one epoch of the vault: the number of changes before
// it. The run is that of the vault that stated it.
type position struct {
	epoch, run string
	sequence   uint64
}

// copied returns the answer with its own copy of the value.
func (a answer) copied() answer {
	a.Plain = sensitive.New(bytes.Clone(a.Plain.Reveal()))
	return a
}

// A memory caches answers, as the package comment describes.
type memory struct {
	maxStale time.Duration
	now      func() time.Time
	metrics  *metrics

	mu    sync.Mutex
	kept  *simplelru.LRU[Ref, *entry] // ordered by last use
	bytes int
	// about indexes the refs in kept by the name of the secret.
	about   map[string]map[Ref]struct{}
	flights map[Ref]*flight
	// heard is the position of the watch. It has no epoch before the watch starts.
	heard position
	// beat is the time of the last heartbeat.
	beat time.Time
}

// An entry is a cached answer.
type entry struct {
	answer
	// used is the time of the last use.
	used time.Time
}

// A flight is a pending question to the vault, shared by all callers with the same question.
type flight struct {
	done   chan struct{}
	answer answer
	err    error
	// waiting is the number of callers that still need a copy of the answer.
	waiting int
	// least is the position that the answer must have reached to be cached.
	least uint64
}

// never is a position that no answer reaches.
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

// look looks up a ref and counts the lookup. The memory is locked.
func (m *memory) look(ref Ref, now time.Time) (answer, bool) {
	if !m.stale(now) {
		e, ok := m.kept.Get(ref)
		if ok && e.life.ended(now) {
			m.kept.Remove(ref)
			ok = false
		}
		if ok {
			m.metrics.hits.Inc()
			e.used = now
			return e.copied(), true
		}
	}
	m.metrics.misses.Inc()
	return answer{}, false
}

// find writes copies of the cached answers to results, and returns the flights of the other refs, in
// the order of the refs. It returns nil if all answers are cached. Each ref is looked up once, and
// ask is called once for all concurrent callers with the same ref. The caller must wait for each
// flight.
func (m *memory) find(ctx context.Context, refs []Ref, results []Result, ask func(context.Context, Ref) (answer, error)) (flights []*flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for i, ref := range refs {
		if a, ok := m.look(ref, now); ok {
			results[i].Value = a.Value
			continue
		}
		if flights == nil {
			flights = make([]*flight, len(refs))
		}
		flights[i] = m.board(ctx, ref, ask)
	}
	return flights
}

// board returns the flight that fetches a ref. The memory is locked.
func (m *memory) board(ctx context.Context, ref Ref, ask func(context.Context, Ref) (answer, error)) *flight {
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
	return f
}

// wait returns the answer of a flight. The flight continues for other callers when ctx ends.
func (m *memory) wait(ctx context.Context, f *flight) (answer, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f.leave(ctx)
}

// leave returns a copy of the flight's answer, if it has arrived. The last caller to leave zeroes
// it. The memory is locked.
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
	if a.at.epoch == m.heard.epoch && a.at.run == m.heard.run && a.at.sequence >= f.least {
		m.keep(ref, a)
	}
	if f.answer = a; f.waiting == 0 {
		a.Plain.Zero()
	}
}

// keep caches a copy of an answer. An answer about the current version is also cached for the
// number of that version.
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
	m.kept.Remove(ref) // Add would not zero the previous entry
	m.kept.Add(ref, &entry{answer: a.copied(), used: m.now()})
	m.bytes += a.Plain.Len()
	if m.about[ref.Secret] == nil {
		m.about[ref.Secret] = make(map[Ref]struct{})
	}
	m.about[ref.Secret][ref] = struct{}{}
}

// evicted is called when an answer leaves kept, for any reason.
func (m *memory) evicted(ref Ref, e *entry) {
	m.bytes -= e.Plain.Len()
	e.Plain.Zero()
	delete(m.about[ref.Secret], ref)
	if len(m.about[ref.Secret]) == 0 {
		delete(m.about, ref.Secret)
	}
}

// stale reports whether the last heartbeat is too long ago.
func (m *memory) stale(now time.Time) bool { return m.silence(now) >= m.maxStale }

// silence returns the time since the last heartbeat.
func (m *memory) silence(now time.Time) time.Duration {
	if m.heard.epoch == "" || m.beat.IsZero() {
		return math.MaxInt64
	}
	return since(m.beat, now)
}

// since returns the time that has passed. After a sleep of the machine, the monotonic clock may lag;
// after a change of the clock, the wall clock may be wrong. The larger value is safe.
func since(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// forget drops the cached and pending answers about a secret.
func (m *memory) forget(secret string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref := range m.about[secret] {
		m.kept.Remove(ref)
	}
	m.ground(secret)
}

// ground keeps pending answers about a secret from being cached. Later callers need a newer
// answer, and ask again. Later events do not reach those flights. The memory is locked.
func (m *memory) ground(secret string) {
	for ref, f := range m.flights {
		if ref.Secret == secret {
			f.least = never
			delete(m.flights, ref)
		}
	}
}
