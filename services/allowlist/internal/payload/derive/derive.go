// Package derive derives keys from secrets as a configuration specifies, within the work limit of
// a message, and caches the keys of slow derivations.
package derive

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A Deriver derives keys with one derivation.
//
// # Cached keys
//
// PBKDF2 and scrypt are slow on purpose: 600,000 iterations take 0.1 s. If the salt is constant,
// so is the key, and it is cached. A salt that is sent results in a different key each time, and
// nothing is cached.
//
// The cache costs little security. The key is in memory next to the compiled configuration, longer
// than the secret that it is derived from is in the vault's client. But only a caller that has the
// secret again finds it, and it is zeroed when another key replaces it, or when it has been unused
// for as long as the client keeps secrets.
//
// The cache key is a keyed hash of the secret, so that the secret itself is not kept. With an
// unkeyed hash, an attacker who reads the memory could try passphrases without the slow
// derivation.
type Deriver struct {
	keys.Derivation
	work int // for as many bytes as the hash has
	// Sent is the length of a salt that is generated and sent. Salt is the secret that contains a
	// salt.
	Sent int
	// SentIV is the number of bytes at the end of that salt that are an IV, and not part of the salt.
	SentIV int
	Salt   *message.Source

	// hashKey returns the key of the keyed hash that identifies derived keys.
	hashKey func() ([sha256.Size]byte, error)
	derived keys.Cache[[]byte]
}

// New returns a deriver for a derivation that has been checked.
func New(d keys.Derivation) *Deriver {
	made := &Deriver{Derivation: d, hashKey: sync.OnceValues(newHashKey)}
	// The capacity of a copy is exact, so that all of it is erased.
	made.derived.Copy = func(key []byte) []byte { return append(make([]byte, 0, len(key)), key...) }
	made.derived.Erase = func(key []byte) { clear(key) }
	switch d.Function {
	case keys.PBKDF2, keys.EVPBytesToKey:
		made.work = d.Iterations
	case keys.Scrypt:
		made.work = d.N * d.R * d.P
	}
	return made
}

// newHashKey returns the key of a keyed hash.
func newHashKey() (key [sha256.Size]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("generate the key of a hash: %w", err)
	}
	return key, nil
}

// Key returns n bytes for a secret. The message owns them.
func (d *Deriver) Key(m *message.Message, secret, salt []byte, n int) ([]byte, error) {
	if d.Salt != nil {
		stored, err := m.Optional(d.Salt)
		if err != nil {
			return nil, err
		}
		salt = stored
	}
	slow, work := d.Sent == 0 && d.work > 1, d.work*d.rounds(n)
	if !slow {
		if m.Left > 0 {
			m.Left--
		}
		// The cost of a single hash is negligible.
		if err := m.SpendInPieces(max(0, work-1), d.piece(), m.Left*work); err != nil {
			return nil, err
		}
		return d.make(m, secret, salt, n)
	}
	of, err := d.hash(secret, salt, n)
	if err != nil {
		return nil, err
	}
	if key, ok := d.derived.Find(&of); ok {
		return m.Own(key), nil
	}
	if err := m.SpendInPieces(work, d.piece(), 0); err != nil {
		return nil, err
	}
	if key, ok := d.derived.Find(&of); ok {
		m.End()
		return m.Own(key), nil // another message derived it while this one waited
	}
	key, err := d.make(m, secret, salt, n)
	if err == nil {
		d.derived.Keep(&of, key, m.CacheFor())
	}
	return key, err
}

// rounds returns how often the work is done for n bytes. The longer hashes take about twice as
// long.
func (d *Deriver) rounds(n int) int {
	if d.Function != keys.PBKDF2 && d.Function != keys.EVPBytesToKey {
		return 1
	}
	size := d.Hash.Size()
	return (n + size - 1) / size * d.round()
}

// round returns the work of one iteration.
func (d *Deriver) round() int {
	if d.Hash.Size() > sha256.Size {
		return 2
	}
	return 1
}

// piece returns the amount of work that is done without a pause.
func (d *Deriver) piece() int {
	if d.Function == keys.Scrypt {
		return d.work // it cannot be interrupted
	}
	return keys.Piece * d.round()
}

// make derives a key in the turn of the message, and then ends the turn, because the remaining
// work is light.
func (d *Deriver) make(m *message.Message, secret, salt []byte, n int) ([]byte, error) {
	defer m.End()
	var key []byte
	var err error
	memory.Do(func() {
		key, err = d.DeriveInPieces(secret, salt, n, func() error { return m.Pause(d.piece()) })
	})
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return m.Own(key), nil
}

// hash returns the keyed hash of a secret, its salt, and the number of derived bytes.
func (d *Deriver) hash(secret, salt []byte, n int) (of [sha256.Size]byte, err error) {
	key, err := d.hashKey()
	if err != nil {
		return of, err
	}
	h := hmac.New(sha256.New, key[:])
	var inner [sha256.Size]byte
	memory.Do(func() { inner = sha256.Sum256(secret) })
	h.Write(inner[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	h.Write(salt)
	return [sha256.Size]byte(h.Sum(nil)), nil
}
