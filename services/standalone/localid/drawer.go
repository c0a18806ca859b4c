package localid

import (
	"crypto/rand"
	"crypto/sha256"
	"time"
)

// A drawer stores items under secrets that it generates, each for a limited time. It stores only
// the hashes of the secrets. It is not safe for concurrent use.
type drawer[T any] struct {
	kept map[[sha256.Size]byte]kept[T]
}

type kept[T any] struct {
	thing T
	until time.Time
}

// put stores an item and returns its secret. It deletes expired items first.
func (d *drawer[T]) put(thing T, now time.Time, lifetime time.Duration) (secret string) {
	if d.kept == nil {
		d.kept = make(map[[sha256.Size]byte]kept[T])
	}
	for hash, k := range d.kept {
		if !now.Before(k.until) {
			delete(d.kept, hash)
		}
	}
	secret = rand.Text()
	d.kept[sha256.Sum256([]byte(secret))] = kept[T]{thing, now.Add(lifetime)}
	return secret
}

// get returns the item of a secret.
func (d *drawer[T]) get(secret string, now time.Time) (thing T, ok bool) {
	k, ok := d.kept[sha256.Sum256([]byte(secret))]
	if !ok || !now.Before(k.until) {
		return thing, false
	}
	return k.thing, true
}

// take returns the item of a secret and deletes it.
func (d *drawer[T]) take(secret string, now time.Time) (T, bool) {
	thing, ok := d.get(secret, now)
	delete(d.kept, sha256.Sum256([]byte(secret)))
	return thing, ok
}
