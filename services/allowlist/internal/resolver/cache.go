package resolver

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/sensitive"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// The bounds of what is kept in memory. The oldest goes when one is reached.
const (
	maxKept  = 10_000
	maxBytes = 64 << 20
)

// errOutOfTurn is what a watch ends with that contradicts itself.
var errOutOfTurn = errors.New("the watch of the vault goes backwards")

// A subject is what can be asked of the vault.
type subject struct {
	secret, uid string
	// version is the version, or 0 for the current one.
	version uint32
}

// An answer is what the vault says of a subject.
type answer struct {
	value   sensitive.Bytes
	version uint32
	usage   vaultv1.Usage
	hosts   []string
	// at is where in the vault's change log it was read.
	at position
}

// A position is a place in the change log of a run of the vault: so many changes
// come before it.
type position struct {
	epoch    string
	sequence uint64
}

// copied returns the answer with a value of its own.
func (a answer) copied() answer {
	a.value = sensitive.New(bytes.Clone(a.value.Reveal()))
	return a
}

// A cache keeps answers, for as long as the watch of the vault (watch.go) says that
// they are right.
//
// # Why nothing outdated is served
//
// An answer says at which position of the change log it was read, and the log is
// what the watch tells of. So of an answer and an event it is known which was first:
//
//   - An event drops the answers about its secret that were read before it.
//   - An answer that is on its way while an event about its secret comes in reaches
//     who asked for it, but is not kept. Nor is one that was read before an event that
//     came in before the question.
//   - A watch that begins again does so where it was, and is told what came
//     meanwhile before the first heartbeat. Where it cannot (another epoch, or too
//     far behind), all is dropped, and so is what is on its way.
//
// Only a heartbeat says that nothing is missing. When the last one is older than
// maxStale nothing is served, and what is kept is overwritten with zeros soon after.
// Refusals are not kept.
//
// Values that are kept never leave: each caller gets a copy, which it zeroes.
type cache struct {
	maxStale time.Duration
	now      func() time.Time
	metrics  *metrics

	mu    sync.Mutex
	kept  *simplelru.LRU[subject, answer]
	bytes int
	// about are the subjects in kept by the name of the secret.
	about   map[string]map[subject]struct{}
	flights map[subject]*flight
	// heard is how far the watch has come. Without an epoch there is none.
	heard position
	// beat is when the last heartbeat came.
	beat time.Time
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

func newCache(maxStale time.Duration, now func() time.Time, m *metrics) (*cache, error) {
	c := &cache{
		maxStale: maxStale, now: now, metrics: m,
		about: make(map[string]map[subject]struct{}), flights: make(map[subject]*flight),
	}
	var err error
	c.kept, err = simplelru.NewLRU(maxKept, c.evicted)
	return c, err
}

// get returns a copy of what is kept, if it may still be relied on.
func (c *cache) get(about subject) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.look(about)
	c.metrics.asked(ok)
	return a, ok
}

func (c *cache) look(about subject) (answer, bool) {
	if c.stale() {
		return answer{}, false
	}
	a, ok := c.kept.Get(about)
	if !ok {
		return answer{}, false
	}
	return a.copied(), true
}

// fetch returns what ask answers, which is called once for all who want the same at
// the same time. It goes on for the others when the context of one ends.
func (c *cache) fetch(ctx context.Context, about subject, ask func(context.Context, subject) (answer, error)) (answer, error) {
	c.mu.Lock()
	if a, ok := c.look(about); ok { // since get
		c.mu.Unlock()
		return a, nil
	}
	f, ok := c.flights[about]
	if !ok {
		f = &flight{done: make(chan struct{}), least: c.heard.sequence}
		if c.heard.epoch == "" {
			f.least = never
		}
		c.flights[about] = f
		go c.fly(context.WithoutCancel(ctx), about, f, ask)
	}
	f.waiting++
	c.mu.Unlock()

	select {
	case <-f.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leave(ctx, f)
}

// leave returns a copy of the flight's answer, if there is one by now. The last who
// leaves zeroes it.
func (c *cache) leave(ctx context.Context, f *flight) (a answer, err error) {
	f.waiting--
	select {
	case <-f.done:
	default:
		return answer{}, translate(ctx, "resolve", status.FromContextError(ctx.Err()).Err())
	}
	if f.err != nil {
		return answer{}, f.err
	}
	a = f.answer.copied()
	if f.waiting == 0 {
		f.answer.value.Zero()
	}
	return a, nil
}

func (c *cache) fly(ctx context.Context, about subject, f *flight, ask func(context.Context, subject) (answer, error)) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	a, err := ask(ctx, about)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	if c.flights[about] == f {
		delete(c.flights, about)
	}
	if f.err = err; err != nil {
		return
	}
	if a.at.epoch == c.heard.epoch && a.at.sequence >= f.least {
		c.keep(about, a)
	}
	if f.answer = a; f.waiting == 0 {
		a.value.Zero()
	}
}

// keep keeps a copy of an answer; one about the current version is also one about
// that version.
func (c *cache) keep(about subject, a answer) {
	c.add(about, a)
	if about.version == 0 {
		about.version = a.version
		c.add(about, a)
	}
	for c.bytes > maxBytes {
		c.kept.RemoveOldest()
	}
}

func (c *cache) add(about subject, a answer) {
	c.kept.Remove(about) // Add would not zero the one before
	c.kept.Add(about, a.copied())
	c.bytes += a.value.Len()
	if c.about[about.secret] == nil {
		c.about[about.secret] = make(map[subject]struct{})
	}
	c.about[about.secret][about] = struct{}{}
}

// evicted is called when an answer leaves kept, however it does.
func (c *cache) evicted(about subject, a answer) {
	c.bytes -= a.value.Len()
	a.value.Zero()
	delete(c.about[about.secret], about)
	if len(c.about[about.secret]) == 0 {
		delete(c.about, about.secret)
	}
}

// stale reports whether the last heartbeat is too long ago.
func (c *cache) stale() bool { return c.silence() >= c.maxStale }

// silence is how long the last heartbeat is ago.
func (c *cache) silence() time.Duration {
	if c.heard.epoch == "" || c.beat.IsZero() {
		return math.MaxInt64
	}
	// A machine that slept has a monotonic clock that did not go on, and one whose
	// clock was set back has a wall clock that went wrong. The larger one is safe.
	now := c.now()
	return max(now.Sub(c.beat), now.Round(0).Sub(c.beat.Round(0)))
}

// resume returns the position behind which a watch is to begin, if there is one.
func (c *cache) resume() (position, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard, c.heard.epoch != ""
}

// begin takes the first message of a watch. That of one that resumes is only the
// position it has asked for; nothing is known yet of what came behind it.
func (c *cache) begin(resumed bool, at position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case at.epoch == "", resumed && at != c.heard:
		return errOutOfTurn
	case !resumed:
		c.drop()
		c.heard = at
		c.alive()
	}
	return nil
}

// An event says that what is kept of a secret is no longer right.
type event struct {
	secret   string
	sequence uint64
}

// hear takes what the watch tells: what changed, and the position behind it. Without
// events it is a heartbeat.
func (c *cache) hear(events []event, at position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.epoch != c.heard.epoch || at.sequence < c.heard.sequence {
		return errOutOfTurn
	}
	for _, e := range events {
		if e.sequence < c.heard.sequence || e.sequence >= at.sequence {
			return errOutOfTurn
		}
		c.outdate(e)
	}
	if c.heard = at; len(events) == 0 {
		c.alive()
	}
	return nil
}

func (c *cache) alive() {
	c.beat = c.now()
	c.metrics.beat.Store(c.beat.UnixNano())
}

// outdate drops what was read before an event about its secret.
func (c *cache) outdate(e event) {
	for about := range c.about[e.secret] {
		if a, ok := c.kept.Peek(about); ok && a.at.sequence <= e.sequence {
			c.kept.Remove(about)
		}
	}
	for about, f := range c.flights {
		if about.secret == e.secret {
			f.least = never
			delete(c.flights, about) // who asks from now on wants to know of the event
		}
	}
}

// forget drops what is kept of a secret.
func (c *cache) forget(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for about := range c.about[secret] {
		c.kept.Remove(about)
	}
}

// reset drops all, and the position: what was heard so far means nothing any more.
func (c *cache) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	c.heard, c.beat = position{}, time.Time{}
}

// drop drops all that is kept or on its way.
func (c *cache) drop() {
	c.kept.Purge()
	for about, f := range c.flights {
		f.least = never
		delete(c.flights, about)
	}
}

// expire drops all that is kept if it is too old to be served, and reports whether
// there was something.
func (c *cache) expire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stale() || c.kept.Len() == 0 {
		return false
	}
	c.kept.Purge()
	return true
}
