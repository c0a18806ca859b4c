package kv

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
)

// An Authenticator authenticates rows, so that a row cannot be forged, changed, or moved to another
// key without the secret of the service. It does not notice a row that is missing, or an earlier
// row that was put back.
//
// A row is stored as
//
//	┌────────────────┬──────────┬───────┐
//	│ generation (1) │ MAC (16) │ value │
//	└────────────────┴──────────┴───────┘
//
// The MAC is HMAC-SHA-256 of the length of the key (4 bytes, big-endian), the key, and the value,
// cut to 16 bytes. The generation names the secret, so that a service can replace it while rows of
// the previous one remain. Generation 0 is not used: it marks rows that have no MAC.
//
// An Authenticator is safe for concurrent use.
type Authenticator struct {
	current byte
	macs    map[byte]*sync.Pool
}

// MACSize is the length of the MAC of a row in bytes, and Overhead that of what precedes the value.
const (
	MACSize  = 16
	Overhead = 1 + MACSize
)

// NewAuthenticator returns an authenticator that writes rows of one generation, and reads rows of
// all generations that have a secret.
func NewAuthenticator(current byte, secrets map[byte][32]byte) (*Authenticator, error) {
	a := &Authenticator{current: current, macs: make(map[byte]*sync.Pool, len(secrets))}
	for generation, secret := range secrets {
		if generation == 0 {
			return nil, errors.New("kv: generation 0 has no secret")
		}
		a.macs[generation] = &sync.Pool{New: func() any { return &rowMAC{hash: hmac.New(sha256.New, secret[:])} }}
	}
	if a.macs[current] == nil {
		return nil, errors.New("kv: the current generation has no secret")
	}
	return a, nil
}

// Current returns the generation under which rows are written.
func (a *Authenticator) Current() byte { return a.current }

// Seal returns the stored form of a row.
func (a *Authenticator) Seal(key, value []byte) []byte {
	stored := make([]byte, 1, Overhead+len(value))
	stored[0] = a.current
	stored = a.append(stored, a.macs[a.current], key, value)
	return append(stored, value...)
}

// Open returns the value of a stored row, which shares the memory of stored. It reports false if
// the row was not written with a secret of the service.
func (a *Authenticator) Open(key, stored []byte) (value []byte, ok bool) {
	if len(stored) < Overhead {
		return nil, false
	}
	macs := a.macs[stored[0]]
	if macs == nil {
		return nil, false
	}
	value = stored[Overhead:]
	var computed [MACSize]byte
	return value, hmac.Equal(a.append(computed[:0], macs, key, value), stored[1:Overhead])
}

// A rowMAC is reused, because creating one costs as much as several MACs.
type rowMAC struct {
	hash hash.Hash
	head []byte
	sum  [sha256.Size]byte
}

func (a *Authenticator) append(to []byte, macs *sync.Pool, key, value []byte) []byte {
	m := macs.Get().(*rowMAC)
	defer macs.Put(m)
	m.hash.Reset()
	m.head = append(binary.BigEndian.AppendUint32(m.head[:0], uint32(len(key))), key...)
	m.hash.Write(m.head)
	m.hash.Write(value)
	return append(to, m.hash.Sum(m.sum[:0])[:MACSize]...)
}
