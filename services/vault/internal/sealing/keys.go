// Package sealing stores the key pairs to which clients seal values for the vault, and opens
// sealed values.
//
// A sealed value is HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and
// AES-256-GCM, by Tink. Callers seal with an implementation of their choice, such as package seal;
// docs/sealed-values.md describes the format, with a known answer.
//
// # Keys
//
// There is one pair for each key of the vault's keyring. [Open] and [Keys.Rotate] create the next pair
// when the keyring seals with another key than before. The replaced pair continues to open values for
// [Retention], and is then deleted. Private keys are stored sealed by the keyring. [Keys.Rewrap] seals
// them again, so that the pairs do not depend on earlier keys:
//
//	sealing-key/{key id} → pair
//
// Everything else in a row is associated data of the seal. A row that was changed or copied to
// another place therefore does not open, and the vault does not start.
//
// # Binding of values
//
// The info of HPKE contains the secret, the request, the time, and whether the value is text
// ([Sealed]). Package secret, which has the transaction, ensures that a value is used only once.
package sealing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
)

const (
	// Retention is how long a replaced key continues to open values.
	Retention = 30 * 24 * time.Hour

	space  = "sealing-key"
	format = 1 // first byte of a row; the rest is JSON
	// maxPairs is far above the number of keys that a keyring gets within the retention.
	maxPairs = 1000
	// maxForgotten is the maximum number of pairs that one transaction deletes.
	maxForgotten = 16
)

// A Key is a public key of the vault.
type Key struct {
	// ID identifies the key; see [ID].
	ID string
	// Public is the X25519 public key, 32 bytes.
	Public  []byte
	Created time.Time
	// Expires is when the vault deletes the private key; zero for the newest key.
	Expires time.Time
}

// expired reports whether the key no longer opens values.
func (k Key) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// A pair is a key with its private part.
type pair struct {
	Key

	ring    string // the ID of the keyring's key to which it belongs
	private tink.HybridDecrypt
	row     []byte // the stored form
}

// Keys holds the key pairs of the vault. It is safe for concurrent use.
type Keys struct {
	kv  kv.Store
	now func() time.Time

	changing sync.Mutex // held by changes of the rows
	mu       sync.RWMutex
	pairs    []pair // newest first
}

// Open opens the keys in the store, and creates a new key if the key with which the keyring now
// seals has none. It fails if a stored key was tampered with.
func Open(ctx context.Context, store kv.Store, ring *keyring.Keyring, now func() time.Time) (*Keys, error) {
	k := &Keys{kv: store, now: now}
	err := store.View(ctx, func(r kv.Reader) (err error) {
		k.pairs, err = load(r, ring)
		return err
	})
	if err == nil && !current(k.pairs, ring) {
		err = k.Rotate(ctx, ring)
	}
	if err != nil {
		return nil, fmt.Errorf("open sealing keys: %w", err)
	}
	return k, nil
}

// Rotate adds a pair for the key with which the keyring now seals, unless there is one, and seals all
// pairs under it. Then [Open] does not need the earlier keys.
func (k *Keys) Rotate(ctx context.Context, ring *keyring.Keyring) error {
	made, err := generate(ring, k.now())
	if err != nil {
		return fmt.Errorf("make sealing key: %w", err)
	}
	err = k.change(ctx, ring, func(tx kv.Tx, pairs []pair) ([]pair, error) {
		if current(pairs, ring) {
			return pairs, nil
		}
		if made.ring != ring.KeyID() || made.sealedBy() != ring.KeyID() { // it was replaced in the meantime
			if made, err = generate(ring, k.now()); err != nil {
				return nil, err
			}
		}
		return replace(tx, pairs, made, ring)
	})
	if err != nil {
		return fmt.Errorf("rotate sealing keys: %w", err)
	}
	return k.Rewrap(ctx, ring)
}

// maxResealed is the maximum number of pairs that one transaction seals again.
const maxResealed = 16

// Rewrap seals the pairs that another key than that with which the keyring now seals has sealed again.
// The pairs remain the same.
func (k *Keys) Rewrap(ctx context.Context, ring *keyring.Keyring) error {
	for more := true; more; {
		err := k.change(ctx, ring, func(tx kv.Tx, pairs []pair) (_ []pair, err error) {
			pairs, more, err = reseal(tx, pairs, ring)
			return pairs, err
		})
		if err != nil {
			return fmt.Errorf("rewrap sealing keys: %w", err)
		}
	}
	return nil
}

// reseal seals some pairs again, and reports whether there may be more.
func reseal(tx kv.Tx, pairs []pair, ring *keyring.Keyring) (all []pair, more bool, err error) {
	resealed := 0
	for i, p := range pairs {
		if p.sealedBy() == ring.KeyID() {
			continue
		}
		if resealed++; resealed > maxResealed {
			return pairs, true, nil
		}
		if pairs[i], err = p.expiring(ring, p.Expires); err != nil {
			return nil, false, fmt.Errorf("seal key: %w", err)
		}
		if err := tx.Put(rowKey(p.ID), pairs[i].row); err != nil {
			return nil, false, fmt.Errorf("write key: %w", err)
		}
	}
	return pairs, false, nil
}

// change changes the pairs in a transaction that reads their rows.
func (k *Keys) change(ctx context.Context, ring *keyring.Keyring, fn func(tx kv.Tx, pairs []pair) ([]pair, error)) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	var changed []pair
	err := k.kv.Update(ctx, func(tx kv.Tx) error {
		pairs, err := load(tx, ring)
		if err == nil {
			changed, err = fn(tx, pairs)
		}
		return err
	})
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pairs = changed
	return nil
}

// DependsOn returns the number of pairs by the ID of the key of the keyring that seals them.
func (k *Keys) DependsOn(ctx context.Context) (counts map[string]uint64, err error) {
	err = k.kv.View(ctx, func(r kv.Reader) error {
		counts = make(map[string]uint64)
		for row, err := range r.Scan(kv.Prefix(kv.NewKey(space), maxPairs)) {
			if err != nil {
				return err
			}
			s, err := decode(row.Value)
			if err != nil {
				return err
			}
			counts[keyring.WrappedBy(s.Private)]++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count sealing keys: %w", err)
	}
	return counts, nil
}

// List returns the keys that have not expired, newest first.
func (k *Keys) List() []Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	now := k.now()
	var keys []Key
	for _, p := range k.pairs {
		if !p.expired(now) {
			keys = append(keys, p.Key)
		}
	}
	return keys
}

// find returns the decrypter of a key that has not expired.
func (k *Keys) find(id string) (tink.HybridDecrypt, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	i := slices.IndexFunc(k.pairs, func(p pair) bool { return p.ID == id })
	if i < 0 || k.pairs[i].expired(k.now()) {
		return nil, false
	}
	return k.pairs[i].private, true
}

// Forget deletes expired keys, some at a time, and reports whether other keys will expire.
func (k *Keys) Forget(ctx context.Context) (more bool, err error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	over, more := k.over()
	if len(over) == 0 {
		return more, nil
	}
	err = k.kv.Update(ctx, func(tx kv.Tx) error {
		for _, id := range over {
			if err := tx.Delete(rowKey(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return true, fmt.Errorf("forget sealing keys: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := k.pairs[:0:0]
	for _, p := range k.pairs {
		if !slices.Contains(over, p.ID) {
			kept = append(kept, p)
		}
	}
	k.pairs = kept
	return more, nil
}

// over returns some expired keys, and whether other keys will expire.
func (k *Keys) over() (ids []string, more bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, p := range k.pairs {
		switch {
		case p.Expires.IsZero():
		case len(ids) < maxForgotten && p.expired(k.now()):
			ids = append(ids, p.ID)
		default:
			more = true
		}
	}
	return ids, more
}

// current reports whether the newest pair belongs to the keyring's current key.
func current(pairs []pair, ring *keyring.Keyring) bool {
	return len(pairs) > 0 && pairs[0].ring == ring.KeyID()
}

// replace writes a new pair, and the expiry of the previous one.
func replace(tx kv.Tx, pairs []pair, made pair, ring *keyring.Keyring) ([]pair, error) {
	all := append([]pair{made}, pairs...)
	if len(pairs) > 0 {
		replaced, err := pairs[0].expiring(ring, made.Created.Add(Retention))
		if err != nil {
			return nil, err
		}
		all[1] = replaced
	}
	for _, p := range all[:min(len(all), 2)] {
		if err := tx.Put(rowKey(p.ID), p.row); err != nil {
			return nil, fmt.Errorf("write key: %w", err)
		}
	}
	return all, nil
}

// load reads all pairs, newest first. If there are any, exactly one of them has not been replaced.
func load(r kv.Reader, ring *keyring.Keyring) ([]pair, error) {
	var pairs []pair
	prefix := kv.NewKey(space)
	for row, err := range r.Scan(kv.Prefix(prefix, maxPairs)) {
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		id, _, err := kv.CutText(row.Key[len(prefix):])
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		p, err := openPair(ring, id, row.Value)
		if err != nil {
			return nil, fmt.Errorf("open key %s: %w", id, err)
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.Expires.IsZero() != b.Expires.IsZero() {
			if a.Expires.IsZero() {
				return -1
			}
			return 1
		}
		return b.Expires.Compare(a.Expires)
	})
	for i, p := range pairs {
		if p.Expires.IsZero() != (i == 0) {
			return nil, errors.New("exactly one key must not have been replaced: rows were removed or restored")
		}
	}
	return pairs, nil
}

// A stored is a row: the sealed private key and its associated data.
type stored struct {
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Ring    string    `json:"keyring_key"`
	Private []byte    `json:"private"`
}

// bound returns the associated data of a row's private key.
func (s stored) bound(id string) []byte {
	expires := int64(0)
	if !s.Expires.IsZero() {
		expires = s.Expires.Unix()
	}
	return fmt.Appendf(nil, "sealing key\n%s\n%d\n%d\n%s", id, s.Created.Unix(), expires, s.Ring)
}

func (s stored) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return append([]byte{format}, text...), nil
}

func decode(row []byte) (s stored, err error) {
	if len(row) == 0 || row[0] != format {
		return stored{}, errors.New("unknown record format")
	}
	if err := json.Unmarshal(row[1:], &s); err != nil {
		return stored{}, fmt.Errorf("decode key: %w", err)
	}
	return s, nil
}

func rowKey(id string) kv.Key { return kv.NewKey(space).Text(id) }
