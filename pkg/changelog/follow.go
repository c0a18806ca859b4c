package changelog

import (
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// Size returns the number of entries, which is the sequence number of the next one. Unlike
// [Log.Head], it does not verify the signature of the head, so it is cheap.
func Size(r kv.Reader) (uint64, error) {
	head, err := readHead(r)
	if err != nil || head == nil {
		return 0, err
	}
	size, ok := sizeOf(head)
	if !ok {
		return 0, fmt.Errorf("%w: %w", ErrTampered, errMalformed)
	}
	return size, nil
}

// Follow returns the entries of a scope, or all entries if scope is empty, in order from a
// sequence number, and the sequence number at which to continue. It reads at most limit entries.
// At the end of the log, next is the size of the log.
func Follow(r kv.Reader, scope string, from uint64, limit int) (entries []Entry, next uint64, err error) {
	if scope == "" {
		entries, err = followAll(r, from, limit)
	} else {
		entries, err = followScope(r, scope, from, limit)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("follow change log: %w", err)
	}
	if len(entries) > 0 {
		next = entries[len(entries)-1].Sequence + 1
	}
	if len(entries) < limit {
		next, err = Size(r)
	}
	return entries, max(next, from), err
}

func followAll(r kv.Reader, from uint64, limit int) (entries []Entry, err error) {
	prefix := kv.NewKey(entrySpace)
	for pair, err := range r.Scan(kv.Range{Start: prefix.Uint(from), End: kv.After(prefix), Limit: limit}) {
		if err != nil {
			return nil, err
		}
		sequence, rest, err := kv.CutUint(pair.Key[len(prefix):])
		if err != nil || len(rest) != 0 {
			return nil, errMalformed
		}
		e, err := decodeEntry(sequence, pair.Value)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func followScope(r kv.Reader, scope string, from uint64, limit int) (entries []Entry, err error) {
	sequences, err := oldest(r, scopeKey(scope), from, limit)
	if err != nil {
		return nil, err
	}
	for _, sequence := range sequences {
		e, err := readEntry(r, sequence)
		if err != nil {
			return nil, err
		}
		// As in List: an index key must not show one tenant the data of another.
		if e.Scope != scope {
			return nil, fmt.Errorf("%w: index names another entry", ErrTampered)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
