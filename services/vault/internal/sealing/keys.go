// Package sealing stores the key pairs to which clients seal values for the vault, and opens
// sealed values.
//
// A sealed value is HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and
// AES-256-GCM, by Tink. Callers seal with an implementation of their choice, such as package seal;
// docs/sealed-values.md describes the format, with a known answer.
//
// # Keys
//
// There is one pair for each key of the vault's keyring. [Open] creates the next pair when the
// keyring seals with another key than before. The replaced pair continues to open values for
// [Retention], and is then deleted. Private keys are stored sealed by the keyring:
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

	mu    sync.RWMutex
	pairs []pair // newest first
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
		err = k.rotate(ctx, ring)
	}
	if err != nil {
		return nil, fmt.Errorf("open sealing keys: %w", err)
	}
	return k, nil
}

// rotate adds a pair for the keyring's current key, unless a concurrent start already did.
func (k *Keys) rotate(ctx context.Context, ring *keyring.Keyring) error {
	made, err := generate(ring, k.now())
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	return k.kv.Update(ctx, func(tx kv.Tx) error {
		pairs, err := load(tx, ring)
		if err == nil && !current(pairs, ring) {
			pairs, err = replace(tx, pairs, made, ring)
		}
		k.pairs = pairs
		return err
	})
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
