package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/sensitive"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// dice are sufficiently random for a test, and the same in every run (SplitMix64).
type dice uint64

func (d *dice) roll(sides int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(sides))
}

// A model is a vault and its connection, in steps: it does what a real vault does at any moment,
// when the test requests it.
type model struct {
	t     *testing.T
	dice  dice
	now   time.Time
	cache *memory

	epoch   int
	run     int
	log     []change          // all changes of this epoch
	current map[string]uint32 // the current versions
	stream  *position         // position of the watch; nil: there is no watch
	asked   []*question       // pending questions
	// floor contains the versions at the last heartbeat: no older version may be served.
	floor map[string]uint32
	// beaten is the time of the last heartbeat.
	beaten time.Time
}

// secrets is the number of secrets of a model.
const secrets = 4

type change struct {
	secret   string
	sequence uint64
}

// A question is a question to the vault. The vault reads and answers it in separate steps.
type question struct {
	ref      Ref
	read     *answer
	answered chan answer
	got      chan answer
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		t: t, dice: dice(seed), now: time.Now(),
		current: make(map[string]uint32), floor: make(map[string]uint32),
	}
	watched, err := newMetrics(nil, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	if m.cache, err = newMemory(time.Minute, m.clock, watched); err != nil {
		t.Fatal(err)
	}
	for i := range secrets {
		m.current[fmt.Sprint("secret ", i)] = 1
	}
	return m
}

func (m *model) clock() time.Time { return m.now }

func (m *model) head() position {
	return position{epoch: fmt.Sprint("epoch ", m.epoch), run: fmt.Sprint("run ", m.run), sequence: uint64(len(m.log))}
}

func (m *model) secret() string { return fmt.Sprint("secret ", m.dice.roll(secrets)) }

// step performs a random event.
func (m *model) step() {
	switch draw := m.dice.roll(100); {
	case draw < 20:
		m.rotate(m.secret())
	case draw < 45:
		m.ask(m.secret())
	case draw < 60:
		m.read()
	case draw < 75:
		m.answer()
	case draw < 92:
		m.tell()
	case draw < 96:
		m.stream = nil // the connection breaks
	case draw < 98:
		m.now = m.now.Add(time.Duration(m.dice.roll(40)) * time.Second)
	case draw < 99:
		m.run++
		if m.stream = nil; m.dice.roll(2) == 0 {
			m.restore()
		}
	default:
		m.cache.expire()
	}
}

func (m *model) rotate(secret string) {
	m.log = append(m.log, change{secret, uint64(len(m.log))})
	m.current[secret]++
}

// restore restores the vault from a backup: versions may be lower.
func (m *model) restore() {
	m.epoch++
	m.log = nil
	m.floor = make(map[string]uint32)
	for secret := range m.current {
		m.current[secret] = uint32(1 + m.dice.roll(3))
	}
	for m.dice.roll(3) > 0 {
		m.rotate(m.secret())
	}
}

// ask requests the current version, and checks an answer from the cache.
func (m *model) ask(secret string) {
	ref := Ref{Secret: secret, UID: "uid"}
	if a, ok := m.cache.get(ref); ok {
		m.check(secret, a)
		return
	}
	q := &question{ref: ref, answered: make(chan answer), got: make(chan answer, 1)}
	joined := make(chan struct{})
	m.cache.mu.Lock()
	_, under := m.cache.flights[ref]
	m.cache.mu.Unlock()
	if under {
		return // it would wait for a question in asked
	}
	go func() {
		a, err := m.cache.fetch(context.Background(), ref, func(context.Context, Ref) (answer, error) {
			close(joined)
			return <-q.answered, nil
		})
		if err != nil {
			m.t.Errorf("fetch = %v", err)
		}
		q.got <- a
	}()
	<-joined
	m.asked = append(m.asked, q)
}

// check checks an answer from the cache: a heartbeat must have confirmed it, unless the last
// heartbeat belongs to an earlier epoch.
func (m *model) check(secret string, a answer) {
	if a.at.epoch == m.head().epoch && a.Version < m.floor[secret] {
		m.t.Errorf("version %d of %s is served although version %d was reported", a.Version, secret, m.floor[secret])
	}
	if got := binary.BigEndian.Uint32(a.Plain.Reveal()); got != a.Version {
		m.t.Errorf("version %d of %s has the value of %d", a.Version, secret, got)
	}
	if silence := m.now.Sub(m.beaten); silence >= time.Minute {
		m.t.Errorf("a secret is served %v after the last heartbeat", silence)
	}
	a.Plain.Zero()
}

// read is the moment at which the vault reads its store for a question.
func (m *model) read() {
	if len(m.asked) == 0 {
		return
	}
	q := m.asked[m.dice.roll(len(m.asked))]
	if q.read == nil {
		version := m.current[q.ref.Secret]
		q.read = &answer{
			Value: Value{
				Plain: sensitive.New(binary.BigEndian.AppendUint32(nil, version)), Version: version,
				Usage: vaultv1.Usage_USAGE_KEY,
			},
			at: m.head(),
		}
	}
}

// answer is the moment at which the answer arrives.
func (m *model) answer() {
	for i, q := range m.asked {
		if q.read != nil {
			m.asked = append(m.asked[:i], m.asked[i+1:]...)
			q.answered <- *q.read
			a := <-q.got
			a.Plain.Zero()
			return
		}
	}
}

// tell sends the next message of the vault, and opens the watch if it is closed.
func (m *model) tell() {
	if m.stream == nil {
		m.open()
		return
	}
	until := m.stream.sequence + uint64(m.dice.roll(3))
	until = min(until, uint64(len(m.log)))
	var events []event
	for _, c := range m.log[m.stream.sequence:until] {
		events = append(events, event(c))
	}
	if len(events) == 0 && until < uint64(len(m.log)) {
		return // a heartbeat follows only after all events
	}
	m.stream.sequence = until
	if err := m.cache.hear(events, *m.stream); err != nil {
		m.t.Errorf("hear = %v", err)
	}
	if len(events) == 0 {
		m.beat()
	}
}

func (m *model) open() {
	at, resumed := m.cache.resume()
	if resumed && at.epoch != m.head().epoch {
		m.cache.reset()
		return
	}
	if at.run = m.head().run; !resumed {
		at = m.head()
	}
	if err := m.cache.begin(resumed, at); err != nil {
		m.t.Errorf("begin = %v", err)
	}
	m.stream = &at
	if !resumed {
		m.beat()
	}
}

func (m *model) beat() {
	m.beaten = m.now
	for secret, version := range m.current {
		m.floor[secret] = version
	}
}

// TestServedVersionIsNeverOlderThanTheLastHeartbeat runs changes, questions, answers, events,
// broken connections, and restarts in random order.
func TestServedVersionIsNeverOlderThanTheLastHeartbeat(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			served := 0
			for range 2000 {
				m.step()
				if a, ok := m.cache.get(Ref{Secret: "secret 0", UID: "uid"}); ok {
					m.check("secret 0", a)
					served++
				}
			}
			if served == 0 {
				t.Error("nothing was served from the cache")
			}
			for len(m.asked) > 0 {
				m.read()
				m.answer()
			}
		})
	}
}

// still returns a cache whose watch has begun and whose clock stands still.
func still(t *testing.T) (*memory, *time.Time) {
	t.Helper()
	now := time.Now()
	clock := func() time.Time { return now }
	watched, err := newMetrics(nil, clock)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newMemory(time.Minute, clock, watched)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.begin(false, position{epoch: "epoch", sequence: 10}); err != nil {
		t.Fatal(err)
	}
	return c, &now
}

// get returns a copy of a cached answer, if it is known to be current.
func (m *memory) get(ref Ref) (answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look(ref, m.now())
}

// fetch returns the cached answer, or the answer of ask.
func (m *memory) fetch(ctx context.Context, ref Ref, ask func(context.Context, Ref) (answer, error)) (answer, error) {
	results := make([]Result, 1)
	flights := m.find(ctx, []Ref{ref}, results, ask)
	if flights == nil {
		return answer{Value: results[0].Value}, nil
	}
	return m.wait(ctx, flights[0])
}

func (m *memory) put(t *testing.T, ref Ref, value []byte) {
	t.Helper()
	a, err := m.fetch(t.Context(), ref, func(context.Context, Ref) (answer, error) {
		return answer{Value: Value{Plain: sensitive.New(value), Version: max(ref.Version, 1)}, at: position{epoch: "epoch", sequence: 10}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Plain.Zero()
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c, _ := still(t)
	for i := range maxKept + 10 {
		c.put(t, Ref{Secret: fmt.Sprint(i), Version: 1}, []byte("value"))
	}
	if got := c.kept.Len(); got != maxKept {
		t.Errorf("%d answers are cached, want %d", got, maxKept)
	}
	for i := range maxBytes/(64<<10) + 10 {
		c.put(t, Ref{Secret: fmt.Sprint("large", i), Version: 1}, make([]byte, 64<<10))
	}
	if c.bytes > maxBytes || c.bytes < maxBytes-(64<<10) {
		t.Errorf("%d bytes are cached, want about %d", c.bytes, maxBytes)
	}
	if len(c.about) != c.kept.Len() {
		t.Errorf("%d secrets are listed for %d answers", len(c.about), c.kept.Len())
	}
	c.reset()
	if c.bytes != 0 || len(c.about) != 0 {
		t.Errorf("after a reset %d bytes of %d secrets are left", c.bytes, len(c.about))
	}
}

func TestDroppedValuesAreZeroed(t *testing.T) {
	t.Parallel()
	ref := Ref{Secret: "s", UID: "u", Version: 1}
	for name, drop := range map[string]func(c *memory, now *time.Time){
		"by an event": func(c *memory, _ *time.Time) {
			_ = c.hear([]event{{secret: "s", sequence: 10}}, position{epoch: "epoch", sequence: 11})
		},
		"by a new watch":        func(c *memory, _ *time.Time) { _ = c.begin(false, position{epoch: "epoch 2", sequence: 1}) },
		"by a reset":            func(c *memory, _ *time.Time) { c.reset() },
		"by a released binding": func(c *memory, _ *time.Time) { c.forget("s") },
		"by age": func(c *memory, now *time.Time) {
			*now = now.Add(time.Minute)
			c.expire()
		},
		"by another answer": func(c *memory, _ *time.Time) {
			c.keep(ref, answer{Value: Value{Plain: sensitive.New([]byte("other")), Version: 1}})
		},
	} {
		c, now := still(t)
		c.put(t, ref, []byte("value"))
		kept, ok := c.kept.Peek(ref)
		if !ok {
			t.Fatalf("%s: nothing is cached", name)
		}
		drop(c, now)
		if got := string(kept.Plain.Reveal()); got != "\x00\x00\x00\x00\x00" {
			t.Errorf("%s: the value is still in memory", name)
		}
	}
}

func TestSetOrSleepingClocksMakeStale(t *testing.T) {
	t.Parallel()
	ref := Ref{Secret: "s", UID: "u", Version: 1}
	for name, tt := range map[string]struct {
		later func(time.Time) time.Time
		want  bool
	}{
		"just in time":                        {func(t time.Time) time.Time { return t.Add(time.Minute - 1) }, true},
		"just too late":                       {func(t time.Time) time.Time { return t.Add(time.Minute) }, false},
		"only the wall clock advanced":        {func(t time.Time) time.Time { return t.Round(0).Add(time.Hour) }, false},
		"the wall clock was set back an hour": {func(t time.Time) time.Time { return t.Round(0).Add(-time.Hour) }, true},
	} {
		c, now := still(t)
		c.put(t, ref, []byte("value"))
		*now = tt.later(*now)
		if _, ok := c.get(ref); ok != tt.want {
			t.Errorf("%s: served %v, want %v", name, ok, tt.want)
		}
	}
}

func TestAnswerOfAnotherRunOfTheVaultIsNotKept(t *testing.T) {
	t.Parallel()
	c, _ := still(t)
	ref := Ref{Secret: "s", UID: "u", Version: 1}
	a, err := c.fetch(t.Context(), ref, func(context.Context, Ref) (answer, error) {
		return answer{Value: Value{Plain: sensitive.New([]byte("value")), Version: 1}, at: position{epoch: "epoch 2", sequence: 11}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Plain.Zero()
	if _, ok := c.get(ref); ok {
		t.Error("it is cached although no watch reports later events")
	}
}

func TestContradictoryWatchIsRejected(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(c *memory) error{
		"another epoch":          func(c *memory) error { return c.hear(nil, position{epoch: "epoch 2", sequence: 10}) },
		"an earlier position":    func(c *memory) error { return c.hear(nil, position{epoch: "epoch", sequence: 9}) },
		"an earlier event":       func(c *memory) error { return c.hear([]event{{"s", 9}}, position{epoch: "epoch", sequence: 12}) },
		"an event of the future": func(c *memory) error { return c.hear([]event{{"s", 12}}, position{epoch: "epoch", sequence: 12}) },
		"another start position": func(c *memory) error { return c.begin(true, position{epoch: "epoch", sequence: 11}) },
		"no epoch":               func(c *memory) error { return c.begin(false, position{}) },
	} {
		c, _ := still(t)
		if err := tell(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
