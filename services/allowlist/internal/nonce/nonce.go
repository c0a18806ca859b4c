// Package nonce counts the encrypted values of messages against the nonce budgets of the vault.
//
// The vault reserves nonces of a key version durably, in blocks ([Reserve]). A [Ledger] hands them
// out from memory, one for each value to encrypt, to all endpoints that use the version. A message
// costs it a lookup and a subtraction: it fetches the next block in the background as soon as half
// of the last one is used, or the rest would not outlast an outage of the vault. Only messages for
// which too few nonces are left wait for the vault, and they share one call.
//
// # Promises
//
//   - A nonce is handed out once. The nonces in a process that ends, or of a
//     version that is evicted from memory, are lost; the vault never reserves
//     them again.
//   - Nonces are handed out only if the vault reserved them for as few random
//     bits. The first value with fewer random bits waits until the vault knows.
//   - Without the vault, the nonces in memory are used up, and then messages
//     are refused.
//
// Blocks grow with the rate of consumption, so that one lasts twice as long as the allowlist must
// run without the vault, but they never exceed a small part of the budget.
package nonce

import (
	"context"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// versions is the maximum number of key versions in a ledger.
const versions = 1 << 16

// A Key is a version of a secret that encrypts.
type Key struct {
	// Secret is the secret's resource name, and UID its uid.
	Secret, UID string
	Version     uint32
}

// Reserve asks the vault for nonces, as [vaultclient.Vault.ReserveNonces] does.
type Reserve func(context.Context, vaultclient.Nonces) (vaultclient.Granted, error)

// Options are the dependencies and settings of a [Ledger]. All are required.
type Options struct {
	Reserve Reserve
	Now     func() time.Time
	// Alone is the time for which the allowlist must keep working while the vault is unreachable.
	Alone   time.Duration
	Metrics prometheus.Registerer
}

// versionKey identifies the block of a version. It has the uid because names may be reused.
type versionKey struct {
	uid     string
	version uint32
}

// A Ledger hands out nonces. It is safe for concurrent use.
type Ledger struct {
	reserve Reserve
	now     func() time.Time
	alone   time.Duration
	ahead   time.Duration
	blocks  *lru.Cache[versionKey, *block]
	asked   *prometheus.CounterVec

	background context.Context // for calls to the vault; not the context of a message
	stop       context.CancelFunc
	calls      sync.WaitGroup
}

// New returns an empty ledger.
func New(o Options) (*Ledger, error) {
	blocks, err := lru.New[versionKey, *block](versions)
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

// Close ends the calls to the vault. Later calls of Take may fail.
func (l *Ledger) Close() {
	l.stop()
	l.calls.Wait()
}

// Take takes nonces for the values of one message, whose nonces have the given number of random
// bits. When it returns nil, the values may be encrypted. It fails with NONCE_BUDGET_EXHAUSTED;
// with VAULT_UNAVAILABLE if the vault is unreachable and too few nonces are left; with other
// errors of Reserve; and when ctx ends while it waits.
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

// For returns a function that takes nonces for one message from the budgets of its references,
// whose secrets have the uids that uid returns.
func (l *Ledger) For(ctx context.Context, references []payload.Reference, uid func(secret string) string) payload.Nonces {
	return func(use payload.UsedKey, bits, values int) error {
		secret := references[use.Reference].Secret
		return l.Take(ctx, Key{Secret: secret, UID: uid(secret), Version: use.Version}, bits, values)
	}
}

// Drop drops all nonces in memory. After a restore of the vault, its budgets do not count them.
func (l *Ledger) Drop() { l.blocks.Purge() }

// block returns the block of a version.
func (l *Ledger) block(key Key) *block {
	of := versionKey{key.UID, key.Version}
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

// ask begins a call to the vault for at least the given number of values. The block is locked.
func (l *Ledger) ask(b *block, key Key, bits int, values uint64, now time.Time) *call {
	if b.bits != 0 {
		bits = min(bits, b.bits)
	}
	c := &call{done: make(chan struct{}), bits: bits}
	count := max(values, b.next(bits, l.ahead, now))
	b.call = c
	l.calls.Go(func() {
		granted, err := l.reserve(l.background, vaultclient.Nonces{
			Secret: key.Secret, UID: key.UID, Version: key.Version, Bits: bits, Count: count,
		})
		l.settle(b, c, granted, err)
	})
	return c
}

// settle ends a call to the vault.
func (l *Ledger) settle(b *block, c *call, granted vaultclient.Granted, err error) {
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
