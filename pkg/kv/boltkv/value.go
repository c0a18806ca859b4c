package boltkv

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime/debug"

	"github.com/keyward/keyward/pkg/kv"
)

// rows encodes rows for the file, and checks the rows that it reads. A row either has a MAC (see
// [kv.Authenticator]) or, under generation 0, a checksum:
//
//	┌───────┬──────────────────────────────┬───────┐
//	│ 0 (1) │ CRC-32C of key, value (4, BE)│ value │
//	└───────┴──────────────────────────────┴───────┘
//
// The key is in the sum so that a value does not pass for another key's.
type rows struct {
	// authenticator is nil until [DB.Authenticate]. Until then, rows have checksums.
	authenticator *kv.Authenticator
	// except is the prefix of the rows that have checksums anyway.
	except []byte
	// earlier means the form of the earlier format: a checksum without the generation.
	earlier bool
}

const (
	sumSize      = 4
	checksumSize = 1 + sumSize
)

func checksum(key, value []byte) uint32 {
	// MakeTable returns the one shared table for this polynomial.
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, key), table, value)
}

// authenticates reports whether the row with a key has a MAC.
func (r *rows) authenticates(key []byte) bool {
	return r.authenticator != nil && !bytes.HasPrefix(key, r.except)
}

func (r *rows) encode(key, value []byte) []byte {
	if r.authenticates(key) {
		return r.authenticator.Seal(key, value)
	}
	stored := make([]byte, checksumSize, checksumSize+len(value))
	binary.BigEndian.PutUint32(stored[1:], checksum(key, value))
	return append(stored, value...)
}

// decode returns a copy of the value, or an error that wraps kv.ErrCorrupt. It checks the copy, so
// that a change of the file in the meantime is noticed.
func (r *rows) decode(key, stored []byte) ([]byte, error) {
	return r.verify(key, bytes.Clone(stored))
}

// verify returns the value in stored bytes.
func (r *rows) verify(key, stored []byte) (value []byte, err error) {
	var ok bool
	switch {
	case r.earlier:
		value, ok = checked(key, stored)
	case r.authenticates(key):
		value, ok = r.authenticator.Open(key, stored)
	case len(stored) > 0 && stored[0] == 0:
		value, ok = checked(key, stored[1:])
	}
	if !ok {
		// Keys contain names of resources, which must not appear in errors and logs.
		return nil, fmt.Errorf("read the key of SHA-256 %x: %w", sha256.Sum256(key), kv.ErrCorrupt)
	}
	return value, nil
}

// checked returns the value that follows its checksum.
func checked(key, stored []byte) (value []byte, ok bool) {
	if len(stored) < sumSize {
		return nil, false
	}
	value = stored[sumSize:]
	return value, binary.BigEndian.Uint32(stored) == checksum(key, value)
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
