package changelog

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// A Query says which entries to list. Exactly one of Resource and Scope is set.
type Query struct {
	// Resource lists the entries of one resource name, all its lives.
	Resource string
	// Scope lists the entries of one workspace.
	Scope string
	// Before lists entries of smaller sequence only; nil starts at the newest. To
	// get the next page, it is the sequence of the last entry of this one.
	Before *uint64
	// Limit is the greatest number of entries to return. It is required.
	Limit int
}

// List returns the entries that a query asks for, the newest first.
func List(r kv.Reader, q Query) ([]Entry, error) {
	prefix := resourceKey(q.Resource)
	switch {
	case (q.Resource == "") == (q.Scope == ""):
		return nil, errors.New("list change log: give either a resource or a scope")
	case q.Scope != "":
		prefix = scopeKey(q.Scope)
	}
	within := kv.Prefix(prefix, q.Limit)
	within.Reverse = true
	if q.Before != nil {
		within.End = prefix.Uint(*q.Before)
	}
	sequences, err := scanIndex(r, within, len(prefix))
	if err != nil {
		return nil, fmt.Errorf("list change log: %w", err)
	}
	entries := make([]Entry, 0, len(sequences))
	for _, sequence := range sequences {
		leaf, err := readLeaf(r, sequence)
		if err != nil {
			return nil, fmt.Errorf("list change log: %w", err)
		}
		e, err := decodeLeaf(leaf)
		if err != nil {
			return nil, fmt.Errorf("list change log: %w", err)
		}
		// An index key that was written by somebody else must not show one tenant
		// what belongs to another.
		if (q.Scope != "" && e.Scope != q.Scope) || (q.Resource != "" && e.Resource != q.Resource) {
			return nil, fmt.Errorf("list change log: %w: index names another entry", ErrTampered)
		}
		e.Sequence = sequence
		entries = append(entries, e)
	}
	return entries, nil
}

// scanIndex returns the sequences that follow a prefix of the given length in the
// keys of a range.
func scanIndex(r kv.Reader, within kv.Range, prefix int) ([]uint64, error) {
	var sequences []uint64
	for pair, err := range r.Scan(within) {
		if err != nil {
			return nil, err
		}
		sequence, rest, err := kv.CutUint(pair.Key[prefix:])
		if err != nil || len(rest) != 0 {
			return nil, errMalformed
		}
		sequences = append(sequences, sequence)
	}
	return sequences, nil
}

// readLeaf returns the leaf of one entry.
func readLeaf(r kv.Reader, sequence uint64) ([]byte, error) {
	value, err := r.Get(entryKey(sequence))
	if err != nil {
		return nil, fmt.Errorf("read entry: %w", err)
	}
	_, leaf, err := decodeStored(value)
	return leaf, err
}
