package changelog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
)

// A Row is a stored row that a change wrote or deleted.
type Row struct {
	// Ref is the service's name for the row, within the changed resource. The row of the resource
	// itself has an empty one.
	Ref string
	// Value is the new value, or nil if the change deleted the row.
	Value []byte
}

// The digest of a row is cut to 16 bytes. An attacker who chooses the value does not know the salt,
// which is generated when the change is stored, and cannot prepare two values with one digest.
const rowDigestSize = 16

// A State is what an entry states about a row.
type State int

// The states.
const (
	// Unchanged means that the change did not touch the row.
	Unchanged State = iota
	// Matches means that the change wrote the value, or deleted the row and the value is nil.
	Matches
	// Differs means that the change wrote another value, or deleted or wrote the row when the value
	// says otherwise.
	Differs
)

// State returns what the entry states about a row with the given value, or without a value if the
// row does not exist.
func (e Entry) State(ref string, value []byte) State { return e.states.of(ref, value) }

// Rows returns the refs of the rows that the change wrote or deleted.
func (e Entry) Rows() []string {
	refs := make([]string, len(e.states.rows))
	for i, row := range e.states.rows {
		refs[i] = row.GetRef()
	}
	return refs
}

// states is the part of a leaf that states the new values of rows.
type states struct {
	salt []byte
	rows []*stored.Row
	// single is the digest of the one state in a leaf of an earlier release, or nil.
	single []byte
}

func (s states) of(ref string, value []byte) State {
	if s.single != nil && ref == "" {
		return compare(s.single, stateDigest(s.salt, value))
	}
	for _, row := range s.rows {
		if row.GetRef() != ref {
			continue
		}
		var want []byte
		if value != nil {
			want = rowDigest(s.salt, ref, value)
		}
		return compare(row.GetDigest(), want)
	}
	return Unchanged
}

func compare(stated, computed []byte) State {
	if bytes.Equal(stated, computed) {
		return Matches
	}
	return Differs
}

// rowDigest returns the digest of a row, which covers the salt first, so that values cannot be
// guessed from it without the salt.
func rowDigest(salt []byte, ref string, value []byte) []byte {
	digest := sha256.New()
	digest.Write(salt)
	digest.Write(binary.AppendUvarint(nil, uint64(len(ref))))
	digest.Write([]byte(ref))
	digest.Write(value)
	return digest.Sum(nil)[:rowDigestSize]
}

// stateDigest returns the digest of the state in a leaf of an earlier release.
func stateDigest(salt, state []byte) []byte {
	digest := sha256.New()
	digest.Write(salt)
	digest.Write(state)
	return digest.Sum(nil)
}
