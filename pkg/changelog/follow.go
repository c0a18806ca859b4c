package changelog

import (
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// Size returns the number of entries, which is the sequence of the next one. Unlike
// [Log.Head] it does not ask who signed the head, and so costs next to nothing.
func Size(r kv.Reader) (uint64, error) {
	head, err := readHead(r)
	if err != nil || head == nil {
		return 0, err
	}
	t, _, err := decodeHead(head)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return t.size, nil
}

// Follow returns entries of a scope, or of all for the empty one, from a sequence on
// and the oldest first, and the sequence from which to go on. It looks at no more
// than limit entries. When it has seen all there are, next is the size of the log.
func Follow(r kv.Reader, scope string, from uint64, limit int) (entries []Entry, next uint64, err error) {
	prefix, all := kv.NewKey(entrySpace), scope == ""
	if !all {
		prefix = scopeKey(scope)
	}
	within := kv.Prefix(prefix, limit)
	within.Start = prefix.Uint(from)
	found := 0
	for pair, err := range r.Scan(within) {
		if err != nil {
			return nil, 0, fmt.Errorf("follow change log: %w", err)
		}
		e, err := follow(r, pair, len(prefix), all)
		if err != nil {
			return nil, 0, fmt.Errorf("follow change log: %w", err)
		}
		// As in List: an index key must not show one tenant what belongs to another.
		if !all && e.Scope != scope {
			return nil, 0, fmt.Errorf("follow change log: %w: index names another entry", ErrTampered)
		}
		entries, next, found = append(entries, e), e.Sequence+1, found+1
	}
	if found < limit {
		next, err = Size(r)
	}
	return entries, max(next, from), err
}

// follow returns the entry that a pair is, or is an index key of.
func follow(r kv.Reader, pair kv.Pair, prefix int, stored bool) (Entry, error) {
	sequence, rest, err := kv.CutUint(pair.Key[prefix:])
	if err != nil || len(rest) != 0 {
		return Entry{}, errMalformed
	}
	var leaf []byte
	if stored {
		_, leaf, err = decodeStored(pair.Value)
	} else {
		leaf, err = readLeaf(r, sequence)
	}
	if err != nil {
		return Entry{}, err
	}
	e, err := decodeLeaf(leaf)
	e.Sequence = sequence
	return e, err
}
