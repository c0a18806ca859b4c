package changelog

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// Inspect checks everything that [Log.Verify] checks, and continues after a difference. It passes each
// difference to report, as an error that wraps [ErrTampered] or [kv.ErrCorrupt], and each entry that is
// complete to visit. It returns the size that the signed head states, or if the head is damaged, the
// number of stored entries if that is larger. It fails only if it could not read, or if visit fails.
func (l *Log) Inspect(r kv.Reader, report func(error), visit func(Entry) error) (size uint64, err error) {
	judge := func(err error) error {
		if errors.Is(err, ErrTampered) || errors.Is(err, kv.ErrCorrupt) {
			report(err)
			return nil
		}
		return err
	}
	stored, err := lastEntry(r)
	if err != nil {
		return 0, err
	}
	size, err = l.CheckHead(r)
	if err != nil {
		size = stored
		if stated, err := Size(r); err == nil {
			size = max(stored, stated)
		}
	}
	if err := judge(err); err != nil {
		return 0, err
	}
	for sequence := uint64(0); sequence < max(size, stored); sequence++ {
		behind, err := missingFrom(r, sequence, max(size, stored))
		if err != nil {
			return 0, err
		}
		if behind > sequence {
			report(fmt.Errorf("%w: entries are missing: %d to %d", ErrTampered, sequence, behind-1))
			sequence = behind - 1
			continue
		}
		e, err := checkEntry(r, sequence)
		if err == nil {
			err = verifyNeighbors(r, e)
		}
		if err == nil {
			err = visit(e)
		}
		if err := judge(err); err != nil {
			return 0, err
		}
	}
	return size, judge(verifyScopes(r, size))
}

// lastEntry returns the number after that of the last stored entry.
func lastEntry(r kv.Reader) (uint64, error) {
	prefix := kv.NewKey(entrySpace)
	within := kv.Prefix(prefix, 1)
	within.Reverse = true
	for pair, err := range r.Scan(within) {
		if err != nil && !errors.Is(err, kv.ErrCorrupt) {
			return 0, fmt.Errorf("read entries: %w", err)
		}
		if sequence, _, err := kv.CutUint(pair.Key[min(len(prefix), len(pair.Key)):]); err == nil && sequence < maxSize {
			return sequence + 1, nil
		}
	}
	return 0, nil
}

// missingFrom returns the number of the first stored entry that is at least from, or end.
func missingFrom(r kv.Reader, from, end uint64) (uint64, error) {
	for pair, err := range r.Scan(kv.Range{Start: entryKey(from), End: entryKey(end), Limit: 1}) {
		if err != nil && !errors.Is(err, kv.ErrCorrupt) {
			return 0, fmt.Errorf("read entries: %w", err)
		}
		sequence, _, err := kv.CutUint(pair.Key[min(len(kv.NewKey(entrySpace)), len(pair.Key)):])
		if err != nil {
			return from, nil
		}
		return sequence, nil
	}
	return end, nil
}
