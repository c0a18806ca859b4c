package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client"
)

var errAway = status.Error(codes.Unavailable, "away")

func TestSecretIsAskedForOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	together := make(chan struct{})
	k.vault.answering = func() { <-together }
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() { k.wants(t, "together", ref("key"), 1) })
	}
	await(t, "all callers to wait for one answer", func() bool {
		k.memory.mu.Lock()
		defer k.memory.mu.Unlock()
		f := k.memory.flights[ref("key")]
		return f != nil && f.waiting == 64
	})
	close(together)
	callers.Wait() // each caller zeroes its own copy
	k.wants(t, "later", ref("key"), 1)
	k.wants(t, "the version by its number", Ref{Secret: "key", UID: "uid", Version: 1}, 1)
	k.wantAsks(t, "in total", 1)
	k.Forget("key")
	k.wants(t, "forgotten", ref("key"), 1)
	k.wantAsks(t, "forgotten", 2)
}

func TestSeveralSecretsAreAskedForTogether(t *testing.T) {
	t.Parallel()
	for name, maxStale := range map[string]time.Duration{"kept": time.Minute, "not kept": 0} {
		k := newKit(t, Config{MaxStale: maxStale})
		k.vault.rotate("key")
		k.vault.rotate("other")
		k.vault.rotate("other")
		if maxStale > 0 {
			k.run(t)
		}
		var asked sync.WaitGroup
		asked.Add(2)
		k.vault.answering = func() { // no answer before both requests
			asked.Done()
			asked.Wait()
		}
		got := k.Resolve(t.Context(), []Ref{ref("key"), ref("other")})
		for i, want := range []uint32{1, 2} {
			if got[i].Err != nil || got[i].Value.Version != want {
				t.Errorf("%s: result %d is version %d, %v, want version %d", name, i, got[i].Value.Version, got[i].Err, want)
			}
			got[i].Value.Plain.Zero()
		}
		k.wantAsks(t, name, 2)
	}
}

func TestRotationIsSeen(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.vault.rotate("other")
	k.run(t)
	k.wants(t, "before", ref("key"), 1)
	k.wants(t, "before", ref("other"), 1)
	k.vault.rotate("key")
	k.caughtUp(t)
	k.wants(t, "after", ref("key"), 2)
	k.wants(t, "the old version", Ref{Secret: "key", UID: "uid", Version: 1}, 1)
	asked := k.vault.asks()
	k.wants(t, "the other", ref("other"), 1)
	k.wantAsks(t, "an unchanged secret", asked)
}

func TestPreviousVersionsComeWithTheCurrentOneOnly(t *testing.T) {
	t.Parallel()
	for name, maxStale := range map[string]time.Duration{"kept": time.Minute, "not cached": 0} {
		k := newKit(t, Config{MaxStale: maxStale})
		if maxStale > 0 {
			k.run(t)
		}
		var want []Previous
		for version := uint32(1); version <= 3; version++ {
			k.vault.rotate("key")
			if maxStale > 0 {
				k.caughtUp(t)
			}
			if version > 1 {
				want = []Previous{{Version: version - 1, ReplaceTime: replacedAt(version - 1)}}
			}
			for _, what := range []string{"the first time", "again"} {
				for _, ref := range []Ref{ref("key"), {Secret: "key", UID: "uid", Version: version}} {
					got, err := k.resolve(t.Context(), ref)
					if err != nil {
						t.Fatal(err)
					}
					if ref.Version != 0 && len(got.Previous) > 0 || ref.Version == 0 && !slices.Equal(got.Previous, want) {
						t.Errorf("%s, %s: version %d, requested as %d, has previous versions %v", name, what, version, ref.Version, got.Previous)
					}
					got.Plain.Zero()
				}
			}
		}
	}
}

// TestAnswerFromBeforeAnEventIsNotCached delays an answer that was read before a rotation until the
// cache has received the rotation.
func TestAnswerFromBeforeAnEventIsNotCached(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	read, release := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	k.vault.answering = func() {
		if held.CompareAndSwap(false, true) { // only the first
			close(read)
			<-release
		}
	}
	var early sync.WaitGroup
	early.Go(func() { k.wants(t, "asked before the rotation", ref("key"), 1) })
	<-read
	k.vault.rotate("key")
	k.caughtUp(t)
	k.wants(t, "asked after the rotation, while the old answer is pending", ref("key"), 2)
	close(release)
	early.Wait()
	k.wants(t, "asked after the old answer arrived", ref("key"), 2)
	k.wantAsks(t, "in total", 2)
}

// TestAnswerBeforeTwoEventsIsNotCached delays an answer that was read between two rotations.
func TestAnswerBeforeTwoEventsIsNotCached(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	began, read, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	k.vault.reading = func() {
		if asked.Add(1) == 1 { // the first is slow before and after it reads
			close(began)
			<-read
		}
	}
	k.vault.answering = func() {
		if asked.Load() == 1 {
			<-release
		}
	}
	var early sync.WaitGroup
	early.Go(func() { k.wants(t, "asked before both rotations", ref("key"), 2) })
	<-began
	k.vault.rotate("key")
	k.caughtUp(t)
	close(read)
	await(t, "the vault to have read", func() bool { return k.vault.asks() == 1 })
	k.vault.rotate("key")
	k.caughtUp(t)
	close(release)
	early.Wait()
	k.wants(t, "asked after both", ref("key"), 3)
}

func TestPendingAnswerOfAForgottenSecretIsNotCached(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	read, release := make(chan struct{}), make(chan struct{})
	k.vault.answering = func() {
		close(read)
		<-release
	}
	var asked sync.WaitGroup
	asked.Go(func() { k.wants(t, "asked before", ref("key"), 1) })
	<-read
	k.Forget("key")
	k.vault.set(func() { k.vault.answering = nil })
	close(release)
	asked.Wait()
	if _, ok := k.Kept(ref("key")); ok {
		t.Error("the answer is cached")
	}
	k.wants(t, "asked after", ref("key"), 1)
	k.wantAsks(t, "in total", 2)
}

func TestWatchThatBreaksMissesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.vault.rotate("other")
	k.run(t)
	k.wants(t, "before", ref("key"), 1)
	k.wants(t, "before", ref("other"), 1)
	k.vault.set(func() { k.vault.refuse = errAway })
	k.vault.hangUp()
	k.vault.rotate("key")
	k.wants(t, "served while the vault is down", ref("key"), 1)
	k.vault.set(func() { k.vault.refuse = nil })
	k.caughtUp(t)
	k.wants(t, "after the vault is back", ref("key"), 2)
	k.wants(t, "after the vault is back", ref("other"), 1)
	k.wantAsks(t, "in total", 3)
}

func TestNewEpochDropsAll(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.vault.rotate("key")
	k.run(t)
	k.wants(t, "before", ref("key"), 2)
	k.vault.set(func() { // a backup that is older than the last change
		k.vault.versions["key"], k.vault.log = 1, k.vault.log[:1]
	})
	k.vault.restart("second")
	k.caughtUp(t)
	k.wants(t, "after", ref("key"), 1)
}

func TestNothingIsServedWhenTheVaultIsSilent(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	k.wants(t, "before", ref("key"), 1)
	k.vault.set(func() { k.vault.refuse = errAway })
	k.vault.hangUp()
	await(t, "the watch to be refused", func() bool { return k.vault.watches() > 1 })
	k.clock.advance(time.Minute - time.Second)
	k.wants(t, "silent for less than the limit", ref("key"), 1)
	k.clock.advance(time.Second)
	if _, err := k.resolve(t.Context(), ref("key")); status.Code(err) != codes.Unavailable {
		t.Errorf("Resolve of an outdated value = %v, want the vault's error", err)
	}
	await(t, "the cached values to be dropped", func() bool {
		k.memory.mu.Lock()
		defer k.memory.mu.Unlock()
		return k.memory.kept.Len() == 0 && k.memory.bytes == 0
	})
	k.vault.set(func() { k.vault.refuse = nil })
	k.caughtUp(t)
	k.wants(t, "after the vault is back", ref("key"), 1)
}

func TestSilentStreamIsClosed(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	k.vault.set(func() { k.vault.silent = true })
	await(t, "another stream", func() bool { return k.vault.watches() > 1 })
	k.vault.set(func() { k.vault.silent = false })
	k.vault.rotate("key")
	k.caughtUp(t)
	k.wants(t, "on the new stream", ref("key"), 2)
}

func TestRefusalsAreNotKept(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	k.vault.set(func() { k.vault.refuse = status.Error(codes.PermissionDenied, "not bound") })
	if _, err := k.resolve(t.Context(), ref("key")); !errors.Is(client.Describe(err), client.ErrDenied) {
		t.Errorf("Resolve = %v, want the refusal", err)
	}
	k.vault.set(func() { k.vault.refuse = nil })
	k.wants(t, "afterwards", ref("key"), 1)
}

func TestCanceledCallerDoesNotAffectOthers(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	asked, release := make(chan struct{}), make(chan struct{})
	k.vault.answering = func() { close(asked); <-release }
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := k.resolve(ctx, ref("key"))
		left <- err
	}()
	<-asked
	var other sync.WaitGroup
	other.Go(func() { k.wants(t, "who stays", ref("key"), 1) })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve of a canceled caller = %v, want %v", err, context.Canceled)
	}
	close(release)
	other.Wait()
	k.wantAsks(t, "in total", 1)
}

func TestNothingIsKeptUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*kit{
		"max stale of 0":             newKit(t, Config{}),
		"a watch that never started": newKit(t, Config{MaxStale: time.Minute}),
	} {
		k.vault.rotate("key")
		for range 3 {
			k.wants(t, name, ref("key"), 1)
		}
		k.wantAsks(t, name, 3)
	}
	k := newKit(t, Config{})
	k.Run(t.Context()) // returns, because there is nothing to do
	k.Forget("key")
	for _, stale := range []time.Duration{-1, MaxMaxStale + 1} {
		if _, err := New(k.Cache.vault, Config{MaxStale: stale}); err == nil {
			t.Errorf("New with a max stale of %v succeeded", stale)
		}
	}
}

func TestMetricsDescribeTheCache(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	k := newKit(t, Config{MaxStale: time.Minute, Metrics: registry})
	k.vault.rotate("key")
	k.run(t)
	for range 3 {
		k.wants(t, "resolved", ref("key"), 1)
	}
	k.clock.advance(7 * time.Second)
	got := make(map[string]float64)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	if got["keyward_key_cache_hits_total"] != 2 || got["keyward_key_cache_misses_total"] != 1 || got["keyward_vault_watch_connected"] != 1 {
		t.Errorf("metrics = %v, want 2 hits, 1 miss, connected", got)
	}
	if _, ok := got["keyward_key_cache_stale_seconds"]; !ok {
		t.Error("there is no metric for the silence")
	}
	if _, err := New(k.Cache.vault, Config{MaxStale: time.Minute, Metrics: registry}); err == nil {
		t.Error("metrics were registered twice")
	}
}

// TestNoChangeIsEverMissed rotates secrets, breaks the watch, and begins epochs at random during
// concurrent resolves. Whenever the cache has received all events, it serves the current values.
func TestNoChangeIsEverMissed(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Hour})
	secrets := []string{"a", "b", "c", "d"}
	for _, s := range secrets {
		k.vault.rotate(s)
	}
	k.vault.answering = func() { <-time.After(time.Duration(draw(t, 2000)) * time.Microsecond) }
	k.run(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := k.resolve(t.Context(), ref(secrets[draw(t, len(secrets))]))
				if err != nil {
					t.Errorf("Resolve = %v", err)
					return
				}
				got.Plain.Zero()
			}
		})
	}
	for round := range 40 {
		for range draw(t, 20) {
			switch draw(t, 8) {
			case 0:
				k.vault.hangUp()
			case 1:
				k.vault.restart(fmt.Sprint("epoch ", round, draw(t, 1000)))
			default:
				k.vault.rotate(secrets[draw(t, len(secrets))])
			}
		}
		k.caughtUp(t)
		for _, s := range secrets {
			k.wants(t, fmt.Sprint("round ", round), ref(s), k.vault.current(s))
		}
	}
	close(stop)
	readers.Wait()
}

func draw(t testing.TB, below int) int {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(below)))
	if err != nil {
		t.Error(err)
		return 0
	}
	return int(n.Int64())
}

func BenchmarkResolveFromMemory(b *testing.B) {
	k := newKit(b, Config{MaxStale: time.Hour})
	k.vault.rotate("key")
	k.run(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			got, err := k.resolve(b.Context(), ref("key"))
			if err != nil {
				b.Error(err)
				return
			}
			got.Plain.Zero()
		}
	})
}

// Kept returns a secret if it is cached and known to be current. It does not wait.
func (c *Cache) Kept(ref Ref) (Value, bool) {
	if c.memory == nil {
		return Value{}, false
	}
	a, ok := c.memory.get(ref)
	return a.Value, ok
}
