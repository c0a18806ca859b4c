// Package nonce takes the values of messages from the nonce budgets that the vault keeps.
//
// The vault reserves nonces of a key's version durably, in blocks ([Reserve]). A [Ledger]
// hands them out from memory, one for each value that is about to be encrypted, to all
// endpoints that use the version. A message costs it a lookup and a subtraction: the next
// block is fetched in the background as soon as half of the last one is used, or what is left
// would not outlast an absence of the vault, and only a
// message for which too few are left waits for the vault, together with all others that do.
//
// # Promises
//
//   - A nonce is handed out once. What a process holds when it ends, or when its memory of
//     a version makes room for others, is lost; the vault never reserves it again.
//   - Nothing is handed out that the vault has not reserved under as few random bits. The
//     first value that fewer random bits tell apart waits until the vault knows.
//   - Without the vault, what is in memory is used up, and then all is refused.
//
// Blocks grow with the rate at which they are used, so that one lasts twice as long as the
// allowlist goes on without the vault, but are never more than a small part of the budget.
package nonce

import (
	"context"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/resolver"
)

// versions is how many versions of keys a ledger remembers.
const versions = 1 << 16

// A Key is a version of a secret that encrypts.
type Key struct {
	// Secret is the secret's resource name, and UID its uid.
	Secret, UID string
	Version     uint32
}

// Reserve asks the vault for nonces, as [resolver.Vault.ReserveNonces] does.
type Reserve func(context.Context, resolver.Nonces) (resolver.Granted, error)

// Options are what a [Ledger] works with. All are required.
type Options struct {
	Reserve Reserve
	Now     func() time.Time
	// Alone is for how long the allowlist is to go on while the vault is out of reach.
	Alone   time.Duration
	Metrics prometheus.Registerer
}

// life identifies the block of a version: names may be used again.
type life struct {
	uid     string
	version uint32
}

// A Ledger hands out nonces. It may be used from many goroutines.
type Ledger struct {
	reserve Reserve
	now     func() time.Time
	alone   time.Duration
	ahead   time.Duration
	blocks  *lru.Cache[life, *block]
	asked   *prometheus.CounterVec

	background context.Context // of the calls to the vault; no message's
	stop       context.CancelFunc
	calls      sync.WaitGroup
}

// New returns a ledger that holds nothing yet.
func New(o Options) (*Ledger, error) {
	blocks, err := lru.New[life, *block](versions)
	if err != nil {
		return nil, fmt.Errorf("prepare blocks of nonces: %w", err)
	}
	l := &Ledger{reserve: o.Reserve, now: o.Now, alone: o.Alone, ahead: max(2*o.Alone, leastAhead), blocks: blocks, asked: newAsked()}
	if err := l.register(o.Metrics); err != nil {
		return nil, err
	}
	l.background, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// Close ends the calls to the vault. Whatever is taken after it may be refused.
func (l *Ledger) Close() {
	l.stop()
	l.calls.Wait()
}

// Take takes nonces for values of one message that so many random bits tell apart. When it
// returns nil the values may be encrypted. It fails with NONCE_BUDGET_EXHAUSTED, with
// VAULT_UNAVAILABLE where the vault is out of reach and too few are left, as Reserve does
// else, and when ctx ends while it waits.
func (l *Ledger) Take(ctx context.Context, key Key, bits, values int) error {
	b := l.block(key)
	for {
		under, err := l.takeFrom(b, key, bits, uint64(max(0, values)))
		if under == nil {
			return err
		}
		select {
		case <-under.done:
			if under.err != nil {
				return under.err
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for nonces: %w", ctx.Err())
		}
	}
}

// For returns what takes nonces for one message from the budgets of its references, whose
// secrets have the uids that uid returns.
func (l *Ledger) For(ctx context.Context, references []payload.Reference, uid func(secret string) string) payload.Nonces {
	return func(use payload.UsedKey, bits, values int) error {
		secret := references[use.Reference].Secret
		return l.Take(ctx, Key{Secret: secret, UID: uid(secret), Version: use.Version}, bits, values)
	}
}

// block returns the block of a version.
func (l *Ledger) block(key Key) *block {
	of := life{key.UID, key.Version}
	if b, ok := l.blocks.Get(of); ok {
		return b
	}
	b := new(block)
	if before, ok, _ := l.blocks.PeekOrAdd(of, b); ok {
		return before
	}
	return b
}

// takeFrom takes values from a block, or returns the call to wait for or the refusal.
func (l *Ledger) takeFrom(b *block, key Key, bits int, values uint64) (*call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := l.now()
	switch {
	case b.covers(bits, values):
		b.left -= values
		b.taken += values
		if b.call == nil && !now.Before(b.again) && b.low(l.alone, now) {
			l.ask(b, key, bits, 0, now)
		}
		return nil, nil
	case b.call != nil:
		return b.call, nil
	case b.exhausted != nil && now.Before(b.again):
		return nil, b.exhausted
	}
	return l.ask(b, key, bits, values, now), nil
}

// ask begins a call to the vault for at least so many values. The block is locked.
func (l *Ledger) ask(b *block, key Key, bits int, values uint64, now time.Time) *call {
	if b.bits != 0 {
		bits = min(bits, b.bits)
	}
	c := &call{done: make(chan struct{}), bits: bits}
	count := max(values, b.next(bits, l.ahead, now))
	b.call = c
	l.calls.Go(func() {
		granted, err := l.reserve(l.background, resolver.Nonces{
			Secret: key.Secret, UID: key.UID, Version: key.Version, Bits: bits, Count: count,
		})
		l.settle(b, c, granted, err)
	})
	return c
}

// settle ends a call to the vault.
func (l *Ledger) settle(b *block, c *call, granted resolver.Granted, err error) {
	l.asked.WithLabelValues(outcome(err)).Inc()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.add(c.bits, granted, l.now())
	} else {
		b.refuse(c.bits, err, l.now())
	}
	b.call, c.err = nil, err
	close(c.done)
}
