package payload

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

const (
	// maxRemembered is how many derived keys a derivation remembers: its keys times
	// their versions, as far as they are in use.
	maxRemembered = 8
	// leastUnused is the shortest time that what is made of a key is kept without use.
	leastUnused = time.Second
	// workLimit is how much work one message may make, in iterations of a hash, about
	// two seconds. Without it a partner's message of 65,536 values, each with a salt or a
	// wrapped key of its own, would keep a processor busy for hours.
	workLimit = 10_000_000
	// lightWork is how much a message does without waiting for a turn, about 4 ms: two
	// private keys. What takes more could otherwise, a few at a time, take all processors
	// from all others.
	lightWork = 20_000
	// What the private key of a pair costs once, and what the public one does, in the same
	// unit; and an OpenPGP message, whose key block is read, checked and perhaps unlocked.
	privateKeyWork = 10_000
	publicKeyWork  = 1_000
	pgpWork        = 100_000
)

// errTooMuchWork means that a message has more values that cost than it may.
var errTooMuchWork = errors.New("the values of the message take too much work in all")

// A deriver derives keys with one derivation.
//
// # Remembered keys
//
// PBKDF2 and scrypt are slow on purpose: 600,000 iterations take 0.1 s. Where the salt
// is always the same, so is the key, and it is remembered; a salt that is sent makes
// another key each time, and nothing is remembered. What remembering costs in safety
// is little: the key lives in memory beside the compiled configuration, longer than the
// secret it is made of lives in the vault's client, but it is found only by who has the
// secret again, and it is zeroed when another takes its place or it has been unused for as long
// as the client keeps secrets. It is found by a keyed
// hash of the secret, so that the secret is not kept, and not by an unkeyed one, which
// would let who reads the memory try passphrases without the slow derivation.
type deriver struct {
	keys.Derivation
	work int // for as many bytes as the hash has
	// sent is the length of a salt that is drawn and sent, salt the secret that has one.
	sent int
	salt *source

	mutex      sync.Mutex
	by         [sha256.Size]byte // the key of the keyed hash, zero until it is drawn
	remembered [maxRemembered]remembered
	next       int
	forgetting bool // a call of forget is to come
}

// remembered is a derived key and what finds it.
type remembered struct {
	of   [sha256.Size]byte
	key  []byte
	used time.Time
}

// newDeriver returns the deriver of a derivation that has been checked.
func newDeriver(d keys.Derivation) *deriver {
	made := &deriver{Derivation: d}
	switch d.Function {
	case keys.PBKDF2, keys.EVPBytesToKey:
		made.work = d.Iterations
	case keys.Scrypt:
		made.work = d.N * d.R * d.P
	}
	return made
}

// derive returns n bytes for a secret, to be zeroed after use.
func (d *deriver) derive(m *message, secret, salt []byte, n int) ([]byte, error) {
	if d.salt != nil {
		stored, err := d.salt.decode(m.ring.first(d.salt))
		if err != nil {
			return nil, err
		}
		salt = stored
	}
	slow, work := d.sent == 0 && d.work > 1, d.work*d.rounds(n)
	if !slow {
		if m.left > 0 {
			m.left--
		}
		// What hashes once costs nothing that counts.
		if err := m.spendInPieces(max(0, work-1), d.piece(), m.left*work); err != nil {
			return nil, err
		}
		return d.make(m, secret, salt, n)
	}
	found, err := d.find(secret, salt)
	if err != nil {
		return nil, err
	}
	if key := d.recall(found, n); key != nil {
		return key, nil
	}
	if err := m.spendInPieces(work, d.piece(), 0); err != nil {
		return nil, err
	}
	if key := d.recall(found, n); key != nil {
		m.end()
		return key, nil // another message made it while this one waited
	}
	key, err := d.make(m, secret, salt, n)
	if err == nil {
		d.remember(found, key, m.keepUnused())
	}
	return key, err
}

// rounds returns how often n bytes take the work. The longer hashes take about twice as
// long.
func (d *deriver) rounds(n int) int {
	if d.Function != keys.PBKDF2 && d.Function != keys.EVPBytesToKey {
		return 1
	}
	size := d.Hash.Size()
	return (n + size - 1) / size * d.round()
}

// round returns how much work one iteration is.
func (d *deriver) round() int {
	if d.Hash.Size() > sha256.Size {
		return 2
	}
	return 1
}

// piece returns how much work is done without a pause.
func (d *deriver) piece() int {
	if d.Function == keys.Scrypt {
		return d.work // it cannot be interrupted
	}
	return keys.Piece * d.round()
}

// make derives a key in its turn, which ends then: what follows is light.
func (d *deriver) make(m *message, secret, salt []byte, n int) ([]byte, error) {
	defer m.end()
	var key []byte
	var err error
	memory.Do(func() {
		key, err = d.DeriveInPieces(secret, salt, n, func() error { return m.pause(d.piece()) })
	})
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return key, nil
}

// find returns the keyed hash of a secret and its salt.
func (d *deriver) find(secret, salt []byte) (found [sha256.Size]byte, err error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.by == ([sha256.Size]byte{}) {
		if _, err := rand.Read(d.by[:]); err != nil {
			return found, fmt.Errorf("draw the key of a hash: %w", err)
		}
	}
	h := hmac.New(sha256.New, d.by[:])
	var inner [sha256.Size]byte
	memory.Do(func() { inner = sha256.Sum256(secret) })
	h.Write(inner[:])
	h.Write(salt)
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// recall returns a copy of a remembered key, or nil.
func (d *deriver) recall(of [sha256.Size]byte, n int) []byte {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for i := range d.remembered {
		if r := &d.remembered[i]; len(r.key) == n && hmac.Equal(r.of[:], of[:]) {
			r.used = time.Now()
			return append(make([]byte, 0, n), r.key...)
		}
	}
	return nil
}

// remember keeps a copy of a key in the place of the oldest, until it has been unused for a while.
func (d *deriver) remember(of [sha256.Size]byte, key []byte, unused time.Duration) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r := &d.remembered[d.next]
	d.next = (d.next + 1) % maxRemembered
	clear(r.key)
	*r = remembered{of: of, key: append(make([]byte, 0, len(key)), key...), used: time.Now()}
	if !d.forgetting {
		d.forgetting = true
		time.AfterFunc(unused, func() { d.forget(unused) })
	}
}

// forget zeroes unused keys, and schedules itself again while others are left.
func (d *deriver) forget(unused time.Duration) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var next time.Duration
	for i := range d.remembered {
		r := &d.remembered[i]
		switch left := unused - time.Since(r.used); {
		case r.key == nil:
		case left <= 0:
			clear(r.key)
			*r = remembered{}
		case next == 0 || left < next:
			next = left
		}
	}
	if d.forgetting = next > 0; d.forgetting {
		time.AfterFunc(next, func() { d.forget(unused) })
	}
}
