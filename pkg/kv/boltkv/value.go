package boltkv

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime/debug"

	"github.com/keyward/keyward/pkg/kv"
)

// A value is stored as
//
//	┌──────────────────────────────┬───────┐
//	│ CRC-32C of key, value (4, BE)│ value │
//	└──────────────────────────────┴───────┘
//
// The key is in the sum so that a value does not pass for another key's.
const checksumSize = 4

func checksum(key, value []byte) uint32 {
	// MakeTable returns the one shared table for this polynomial.
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, key), table, value)
}

func encode(key, value []byte) []byte {
	stored := make([]byte, checksumSize, checksumSize+len(value))
	binary.BigEndian.PutUint32(stored, checksum(key, value))
	return append(stored, value...)
}

// decode returns a copy of the value, or an error that wraps kv.ErrCorrupt.
func decode(key, stored []byte) ([]byte, error) {
	value, err := verify(key, stored)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(value)), value...), nil
}

// decodePair is decode for a pair. Key and value share their memory.
func decodePair(key, stored []byte) (kv.Pair, error) {
	value, err := verify(key, stored)
	if err != nil {
		return kv.Pair{}, err
	}
	both := make([]byte, 0, len(key)+len(value))
	both = append(append(both, key...), value...)
	return kv.Pair{Key: both[:len(key):len(key)], Value: both[len(key):]}, nil
}

// verify returns the value in stored bytes.
func verify(key, stored []byte) ([]byte, error) {
	if len(stored) < checksumSize || binary.BigEndian.Uint32(stored) != checksum(key, stored[checksumSize:]) {
		// Keys contain names of resources, which must not appear in errors and logs.
		return nil, fmt.Errorf("read the key of SHA-256 %x: %w", sha256.Sum256(key), kv.ErrCorrupt)
	}
	return stored[checksumSize:], nil
}

// guard runs an operation of bbolt on its memory-mapped file. bbolt panics on malformed pages, and
// the operating system raises a fault for pages that the disk cannot read. Both mean that the file
// is damaged, and neither must end the process.
func guard(operation func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer damage(&err)
	operation()
	return nil
}

// damage is deferred by operations on the mapped file. It converts a panic to an error. It is part
// of [guard], and suffices where a fault is known to panic.
func damage(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", kv.ErrCorrupt, p)
	}
}
