// Package mac measures what a MAC in each row adds to two reads of a store.
package mac

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/load"
	"github.com/keyward/keyward/services/bench/internal/scatter"
)

const (
	// macSize is the number of bytes that are kept of an HMAC-SHA-256.
	macSize = 16
	// valueSize is the size of a value with its MAC, as for a secret with a value of 256 bytes.
	valueSize = 400
	// count is the number of rows in the store.
	count = 10_000
	// batch is the number of rows in one update.
	batch = 50
	// reads is the number of rows that one call reads.
	reads = 2
)

var errForged = errors.New("a row does not match its MAC")

// A Bench is a store of rows with MACs.
type Bench struct {
	store *boltkv.DB
	key   []byte
}

// New creates the store in an existing folder. Close it in the end.
func New(ctx context.Context, folder string) (*Bench, error) {
	store, err := boltkv.Open(filepath.Join(folder, "mac.db"), boltkv.Options{})
	if err != nil {
		return nil, err
	}
	b := &Bench{store: store, key: make([]byte, sha256.Size)}
	rand.Read(b.key)
	group, ctx := errgroup.WithContext(ctx)
	for first := 0; first < count; first += batch {
		group.Go(func() error { return b.fill(ctx, first) })
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("fill store: %w", err), store.Close())
	}
	return b, nil
}

// fill puts a batch of rows.
func (b *Bench) fill(ctx context.Context, first int) error {
	return b.store.Update(ctx, func(tx kv.Tx) error {
		for i := range batch {
			if err := b.put(tx, first+i); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close closes the store.
func (b *Bench) Close() error { return b.store.Close() }

func (b *Bench) put(tx kv.Tx, n int) error {
	key, value := keyOf(n), make([]byte, valueSize)
	rand.Read(value[macSize:])
	copy(value, sum(b.newMAC(), key, value[macSize:]))
	return tx.Put(key, value)
}

func keyOf(n int) kv.Key { return kv.NewKey("secret").Text("bench").Text(scatter.Text(uint64(n), 24)) }

func (b *Bench) newMAC() hash.Hash { return hmac.New(sha256.New, b.key) }

// sum returns the MAC of a row.
func sum(mac hash.Hash, key, value []byte) []byte {
	mac.Reset()
	mac.Write(key)
	mac.Write(value)
	return mac.Sum(nil)[:macSize]
}

// Targets returns two reads in one view: as they are, with MACs whose state is reused, and with a
// new MAC for each row.
func (b *Bench) Targets() []compare.Target {
	plain := func() func(key, value []byte) error { return func([]byte, []byte) error { return nil } }
	reused := func() func(key, value []byte) error {
		mac := b.newMAC()
		return func(key, value []byte) error { return check(mac, key, value) }
	}
	fresh := func() func(key, value []byte) error {
		return func(key, value []byte) error { return check(b.newMAC(), key, value) }
	}
	return []compare.Target{b.target("two reads", plain), b.target("with MACs", reused), b.target("with a new MAC each", fresh)}
}

func check(mac hash.Hash, key, value []byte) error {
	if !hmac.Equal(value[:macSize], sum(mac, key, value[macSize:])) {
		return errForged
	}
	return nil
}

func (b *Bench) target(name string, verify func() func(key, value []byte) error) compare.Target {
	return compare.Target{Name: name, Connect: func(callers int) ([]load.Call, func(), error) {
		calls := make([]load.Call, callers)
		for i := range calls {
			verify, n := verify(), uint64(i)<<32
			calls[i] = func(ctx context.Context) error {
				n++
				return b.read(ctx, n, verify)
			}
		}
		return calls, func() {}, nil
	}}
}

func (b *Bench) read(ctx context.Context, n uint64, verify func(key, value []byte) error) error {
	return b.store.View(ctx, func(r kv.Reader) error {
		for i := range uint64(reads) {
			key := keyOf(scatter.Index(reads*n+i, count))
			value, err := r.Get(key)
			if err != nil {
				return err
			}
			if err := verify(key, value); err != nil {
				return err
			}
		}
		return nil
	})
}
