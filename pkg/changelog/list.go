package changelog

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// A Query selects the entries to list. Set exactly one of Resource and Scope.
type Query struct {
	// Resource selects the entries of one resource name, including all its incarnations.
	Resource string
	// Scope selects the entries of one workspace.
	Scope string
	// Before selects only entries with smaller sequence numbers; nil starts at the newest entry. For
	// the next page, set it to the sequence number of the last entry of this page.
	Before *uint64
	// Limit is the maximum number of entries to return. Required.
	Limit int
}

// List returns the selected entries, newest first.
func List(r kv.Reader, q Query) ([]Entry, error) {
	prefix, before := resourceKey(q.Resource), uint64(maxSize)
	switch {
	case (q.Resource == "") == (q.Scope == ""):
		return nil, errors.New("list change log: set either a resource or a scope")
	case q.Scope != "":
		prefix = scopeKey(q.Scope)
	}
	if q.Before != nil {
		before = *q.Before
	}
	sequences, err := newest(r, prefix, before, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("list change log: %w", err)
	}
	entries := make([]Entry, 0, len(sequences))
	for _, sequence := range sequences {
		e, err := readEntry(r, sequence)
		if err != nil {
			return nil, fmt.Errorf("list change log: %w", err)
		}
		// An index key that an attacker wrote must not show one tenant the data of another.
		if (q.Scope != "" && e.Scope != q.Scope) || (q.Resource != "" && e.Resource != q.Resource) {
			return nil, fmt.Errorf("list change log: %w: index names another entry", ErrTampered)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// readEntry returns one entry.
func readEntry(r kv.Reader, sequence uint64) (Entry, error) {
	_, leaf, err := readStored(r, sequence)
	if err != nil {
		return Entry{}, err
	}
	e, err := decodeLeaf(leaf)
	e.Sequence = sequence
	return e, err
}

// decodeEntry returns the entry of a sequence as it is stored.
func decodeEntry(sequence uint64, value []byte) (Entry, error) {
	_, leaf, err := decodeStored(value)
	if err != nil {
		return Entry{}, err
	}
	e, err := decodeLeaf(leaf)
	e.Sequence = sequence
	return e, err
}
