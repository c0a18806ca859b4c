package nonce_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/nonce"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

var key = nonce.Key{Secret: "workspaces/acme/secrets/key", UID: "uid", Version: 1}

// A bank is the vault: it grants the remaining nonces as long as it is reachable. A held bank
// responds when it is released.
type bank struct {
	mu    sync.Mutex
	used  uint64
	bits  int
	sizes []uint64
	away  bool

	held  chan struct{} // nil: it responds at once
	calls atomic.Int64
	near  bool // the ledger need not outlast an outage
}

var errAway = fault.New(fault.Unavailable, vaultclient.ReasonVaultUnavailable, "away")

func (b *bank) reserve(_ context.Context, n vaultclient.Nonces) (vaultclient.Granted, error) {
	b.calls.Add(1)
	if b.held != nil {
		<-b.held
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return vaultclient.Granted{}, errAway
	}
	if b.bits == 0 || n.Bits < b.bits {
		b.bits = n.Bits
	}
	limit := budget.Of(b.bits)
	reserved := min(n.Count, limit-min(b.used, limit))
	if reserved == 0 {
		return vaultclient.Granted{}, fault.New(fault.FailedPrecondition, vaultclient.ReasonNoncesExhausted, "used up")
	}
	b.used += reserved
	b.sizes = append(b.sizes, reserved)
	return vaultclient.Granted{Reserved: reserved, Used: b.used, Budget: limit}, nil
}

func (b *bank) set(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

func (b *bank) knows() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bits
}

func (b *bank) granted() (sizes []uint64, used uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]uint64(nil), b.sizes...), b.used
}

// A clock is set manually.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(1_900_000_000, c.ahead.Load()) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// open returns a new ledger, as after a start.
func (b *bank) open(t testing.TB, c *clock, metrics prometheus.Registerer) *nonce.Ledger {
	t.Helper()
	alone := time.Minute
	if b.near {
		alone = 0
	}
	l, err := nonce.New(nonce.Options{Reserve: b.reserve, Now: c.now, Alone: alone, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func newLedger(t testing.TB) (*nonce.Ledger, *bank, *clock) {
	t.Helper()
	b, c := new(bank), new(clock)
	return b.open(t, c, prometheus.NewRegistry()), b, c
}

func take(t testing.TB, l *nonce.Ledger, bits, values int) {
	t.Helper()
	if err := l.Take(t.Context(), key, bits, values); err != nil {
		t.Fatalf("Take(%d bits, %d values) = %v", bits, values, err)
	}
}

func TestValuesAreTakenFromMemory(t *testing.T) {
	t.Parallel()
	l, b, c := newLedger(t)
	for range 30 {
		take(t, l, 96, 1)
		c.advance(time.Minute)
	}
	if n := b.calls.Load(); n != 1 {
		t.Errorf("30 values ask the vault %d times, want once", n)
	}
	take(t, l, 96, 1000) // more than a block
	if sizes, _ := b.granted(); len(sizes) < 2 || sizes[1] < 966 {
		t.Errorf("the vault granted %v, want 64 and then enough for 1,000", sizes)
	}
}

func TestNothingIsTakenTwice(t *testing.T) {
	t.Parallel()
	b, c := new(bank), new(clock)
	var taken uint64
	for range 5 { // each start loses the nonces in memory
		l := b.open(t, c, prometheus.NewRegistry())
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 200 {
					take(t, l, 96, 3)
				}
			})
		}
		group.Wait()
		l.Close()
		taken += 8 * 200 * 3
		if _, used := b.granted(); used < taken {
			t.Fatalf("%d values were taken of %d that were reserved", taken, used)
		}
	}
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{31, 32, 47, 64} {
		l, b, _ := newLedger(t)
		var taken atomic.Uint64
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for l.Take(t.Context(), key, bits, 1) == nil {
					taken.Add(1)
				}
			})
		}
		group.Wait()
		if limit := budget.Of(bits); taken.Load() != limit {
			t.Errorf("%d bits: %d values were taken, want all %d", bits, taken.Load(), limit)
		}
		if err := l.Take(t.Context(), key, bits, 1); !fault.Is(err, vaultclient.ReasonNoncesExhausted) {
			t.Errorf("%d bits: Take at the end = %v", bits, err)
		}
		sizes, _ := b.granted()
		for _, size := range sizes {
			if size > max(1, budget.Of(bits)/128) {
				t.Errorf("%d bits: a block of %d is more than 1/128 of %d", bits, size, budget.Of(bits))
			}
		}
	}
}

func TestMessagesThatWaitAskOnce(t *testing.T) {
	t.Parallel()
	b, c := &bank{held: make(chan struct{}), near: true}, new(clock)
	l := b.open(t, c, prometheus.NewRegistry())
	answers := make(chan error)
	for range 16 {
		go func() { answers <- l.Take(t.Context(), key, 96, 1) }()
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Take(canceled, key, 96, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Take of a caller who went away = %v", err)
	}
	close(b.held)
	for range 16 {
		if err := <-answers; err != nil {
			t.Errorf("Take = %v", err)
		}
	}
	if n := b.calls.Load(); n != 1 {
		t.Errorf("16 messages ask the vault %d times, want once", n)
	}
}

func TestTheNextBlockIsFetchedBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	l, b, c := newLedger(t)
	take(t, l, 96, 1)
	for range 32 {
		c.advance(10 * time.Second) // 64 would last for ten minutes
		take(t, l, 96, 1)
	}
	l.Close() // waits for the call in progress
	if sizes, _ := b.granted(); len(sizes) != 2 || sizes[1] != 64 {
		t.Errorf("after half of a block the vault granted %v, want 64 twice", sizes)
	}
}

func TestABlockOutlastsAnOutageOfTheVault(t *testing.T) {
	t.Parallel()
	const rate, absence = 50, 60
	l, b, c := newLedger(t)
	taken := uint64(0)
	one := func() {
		take(t, l, 96, 1)
		taken++
		c.advance(time.Second / rate)
	}
	// A call in progress ends eventually; each value is another chance to begin one.
	for deadline := time.Now().Add(10 * time.Second); ; one() {
		if _, used := b.granted(); taken > 3*rate && used >= taken+rate*absence {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the nonces in memory do not grow enough for an outage")
		}
	}
	b.set(true)
	for range rate * absence {
		one()
	}
	b.set(false)
	for range 2 { // a call from the outage may still be in progress
		if l.Take(t.Context(), key, 96, 64*rate) == nil {
			break
		}
	}
	asked := b.calls.Load()
	for range rate * 60 {
		one()
	}
	if n := b.calls.Load() - asked; n > 3 {
		t.Errorf("a minute at a steady rate asks the vault %d times, want 3 at most", n)
	}
}

func TestWithoutTheVaultWhatIsInMemoryIsUsedUp(t *testing.T) {
	t.Parallel()
	l, b, c := newLedger(t)
	take(t, l, 96, 1)
	b.set(true)
	for range 63 {
		take(t, l, 96, 1)
	}
	for range 3 {
		if err := l.Take(t.Context(), key, 96, 1); !fault.Is(err, vaultclient.ReasonVaultUnavailable) {
			t.Errorf("Take with nothing left = %v, want %s", err, vaultclient.ReasonVaultUnavailable)
		}
	}
	other := key
	other.Version = 2
	if err := l.Take(t.Context(), other, 96, 1); !fault.Is(err, vaultclient.ReasonVaultUnavailable) {
		t.Errorf("Take of a version that is new = %v, want %s", err, vaultclient.ReasonVaultUnavailable)
	}
	b.set(false)
	c.advance(time.Second)
	take(t, l, 96, 1)
}

func TestFewerRandomBitsAreTakenAfterTheVaultKnows(t *testing.T) {
	t.Parallel()
	l, b, _ := newLedger(t)
	take(t, l, 128, 70_000)
	take(t, l, 96, 1)
	if bits := b.knows(); bits != 96 {
		t.Errorf("the vault knows of %d bits, want 96", bits)
	}
	take(t, l, 128, 1)
	// More is used than Triple DES may use: that ends the budget for all.
	for _, bits := range []int{64, 96, 128} {
		if err := l.Take(t.Context(), key, bits, 1); !fault.Is(err, vaultclient.ReasonNoncesExhausted) {
			t.Errorf("Take(%d bits) after the end for 64 = %v", bits, err)
		}
	}
}

func TestVaultIsNotAskedByEachMessageThatIsRefused(t *testing.T) {
	t.Parallel()
	l, b, c := newLedger(t)
	b.used = 1 << 40
	for range 10 {
		if err := l.Take(t.Context(), key, 96, 1); !fault.Is(err, vaultclient.ReasonNoncesExhausted) {
			t.Fatalf("Take = %v", err)
		}
	}
	if n := b.calls.Load(); n != 1 {
		t.Errorf("10 refusals ask the vault %d times, want once", n)
	}
	b.mu.Lock()
	b.used = 0 // no vault does so; but a refusal must not last as long as the process
	b.mu.Unlock()
	c.advance(10 * time.Second)
	take(t, l, 96, 1)
}

func TestMetricsCountVersionsNearTheirEnd(t *testing.T) {
	t.Parallel()
	b, c, metrics := new(bank), new(clock), prometheus.NewRegistry()
	l := b.open(t, c, metrics)
	want := func(what, state string, count float64) {
		t.Helper()
		families, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == "keyward_nonce_budget_versions" && m.GetLabel()[0].GetValue() == state && m.GetGauge().GetValue() != count {
					t.Errorf("%s: %v versions are in state %s, want %v", what, m.GetGauge().GetValue(), state, count)
				}
			}
		}
	}
	take(t, l, 64, 1)
	want("at the beginning", "warning", 0)
	take(t, l, 64, 4096)
	want("at 1/16", "warning", 1)
	want("at 1/16", "exhausted", 0)
	b.mu.Lock()
	b.used = 1 << 16
	b.mu.Unlock()
	if err := l.Take(t.Context(), key, 64, 60_000); err == nil {
		t.Error("Take of more than is left = nil")
	}
	want("at the end", "warning", 0)
	want("at the end", "exhausted", 1)
}

func BenchmarkTake(b *testing.B) {
	bank, c := new(bank), new(clock)
	l := bank.open(b, c, prometheus.NewRegistry())
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Take(b.Context(), key, 128, 1); err != nil {
				b.Error(err)
			}
		}
	})
}

func TestDroppedNoncesAreReservedAgain(t *testing.T) {
	t.Parallel()
	l, b, _ := newLedger(t)
	take(t, l, 96, 1)
	l.Drop()
	take(t, l, 96, 1)
	if got := b.calls.Load(); got != 2 {
		t.Errorf("the vault was asked %d times, want 2", got)
	}
}
