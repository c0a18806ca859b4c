package changelog

import (
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// # Upgrades
//
// A store of the first form has the log under these keys:
//
//	change/{seq}                         → entry
//	change-by-resource/{resource}/{seq}  → listing
//	change-by-scope/{scope}/{seq}        → listing
//	change-head                          → head
//
// An upgrade copies the entries and the head as they are, so that the tree goes on: proofs between
// the heads before and after an upgrade hold. It lists the entries again.

// Upgraded is the action of an entry that records that an upgrade stored a resource in another form.
const Upgraded = "upgraded"

const (
	firstEntrySpace    = "change"
	firstResourceSpace = "change-by-resource"
	firstScopeSpace    = "change-by-scope"
	firstHeadSpace     = "change-head"
)

// FirstSpaces returns the spaces of the log in a store of the first form.
func FirstSpaces() []string {
	return []string{firstEntrySpace, firstResourceSpace, firstScopeSpace, firstHeadSpace}
}

// FirstSize returns the number of entries that the head in a store of the first form states.
func FirstSize(first kv.Reader) (uint64, error) {
	head, err := readHeadAt(first, kv.NewKey(firstHeadSpace))
	if err != nil || head == nil {
		return 0, err
	}
	size, ok := sizeOf(head)
	if !ok {
		return 0, fmt.Errorf("%w: %w", ErrTampered, errMalformed)
	}
	return size, nil
}

// CopyFirst writes the log in a store of the first form to another store, and calls copied after each
// entry. The copy is complete, and [Log.Verify] of the copy verifies the original, too.
func CopyFirst(first kv.Reader, put func(key, value []byte) error, copied func()) error {
	index := make(indexed)
	read := uint64(0)
	err := scanAll(first, kv.NewKey(firstEntrySpace), func(rest, value []byte) error {
		sequence, _, err := kv.CutUint(rest)
		if err != nil {
			return tampered("malformed key after entries", read)
		}
		e, err := decodeEntry(sequence, value)
		if err != nil {
			return tampered("malformed entry", sequence)
		}
		if read++; read%maxListed == 0 {
			if err := index.write(put); err != nil {
				return err
			}
			clear(index)
		}
		index.add(scopeKey(e.Scope), sequence)
		index.add(resourceKey(e.Resource), sequence)
		copied()
		return put(entryKey(sequence), value)
	})
	if err != nil {
		return err
	}
	if err := index.write(put); err != nil {
		return err
	}
	head, err := readHeadAt(first, kv.NewKey(firstHeadSpace))
	if err != nil || head == nil {
		return err
	}
	return put(headKey(), head)
}

// Includes fails unless the log extends a checkpoint: a key of this log signed the checkpoint, even one
// that was replaced since, and its first entries are those that the checkpoint describes.
func (l *Log) Includes(r kv.Reader, checkpoint string) error {
	then, extended, err := l.Extends(r, checkpoint, nil)
	if err == nil && !extended {
		err = fmt.Errorf("the log has no head with the %d entries of the checkpoint", then.Size)
	}
	return err
}
