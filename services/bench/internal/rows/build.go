package rows

import (
	"crypto/rand"
	"encoding/binary"
)

// OfSecret reports whether the key names a secret.
func (r Row) OfSecret() bool {
	for _, p := range r.Key {
		if p.Kind == ID || p.Kind == UID || p.Kind == RawUID {
			return true
		}
	}
	return false
}

// Build returns the key of such a row for a secret and the n-th change.
func (r Row) Build(s Secret, n uint64) []byte {
	var key []byte
	for _, p := range r.Key {
		switch p.Kind {
		case Literal:
			key = append(key, p.Bytes...)
		case ID:
			key = append(key, s.ID...)
		case UID:
			key = append(key, s.UID...)
		case RawUID:
			key = append(key, RawOf(s.UID)...)
		case Counter:
			key = append(key, count(p.Bytes, n)...)
		case Random:
			random := make([]byte, len(p.Bytes))
			rand.Read(random)
			key = append(key, random...)
		}
	}
	return key
}

// count returns a counter that is n greater than another one of the same size.
func count(from []byte, n uint64) []byte {
	var padded [counterSize]byte
	copy(padded[counterSize-len(from):], from)
	sum := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(padded[:])+n)
	return sum[counterSize-len(from):]
}
