package changelog

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

// # Checks of parts
//
// [Log.Verify] reads the whole log at once. CheckEntry and CheckHead check one part each, in any
// order: if each entry and the head pass, the log passes, because each hash of the tree is checked
// with the entry that completes it.

// CheckEntry reads an entry, and checks that it is complete: its hashes are those of the leaf and
// of the subtrees that it completes, and both indexes list it. It fails with [ErrTampered].
func CheckEntry(r kv.Reader, sequence uint64) (Entry, error) {
	e, err := checkEntry(r, sequence)
	if err != nil {
		return Entry{}, fmt.Errorf("check change log: %w", err)
	}
	return e, nil
}

func checkEntry(r kv.Reader, sequence uint64) (Entry, error) {
	hashes, leaf, err := readStored(r, sequence)
	if err != nil {
		return Entry{}, err
	}
	e, err := decodeLeaf(leaf)
	if err != nil {
		return Entry{}, tampered("malformed leaf of entry", sequence)
	}
	e.Sequence = sequence
	if len(hashes) != bits.TrailingZeros64(^sequence)+1 || hashes[0] != tlog.RecordHash(leaf) {
		return Entry{}, tampered("other hashes than computed at entry", sequence)
	}
	for level, hash := range hashes[1:] {
		left, err := storedHash(r, level, sequence>>level-1)
		if err != nil {
			return Entry{}, err
		}
		if hash != tlog.NodeHash(left, hashes[level]) {
			return Entry{}, tampered("other hashes than computed at entry", sequence)
		}
	}
	return e, checkListed(r, e)
}

// CheckHead checks that the head is signed, that it describes the stored tree, that no entry
// follows it, and that the successions of keys end with the key of the log. It returns the size of the tree. It fails with [ErrTampered].
func (l *Log) CheckHead(r kv.Reader) (size uint64, err error) {
	if size, err = l.checkHead(r); err != nil {
		return 0, fmt.Errorf("check change log: %w", err)
	}
	return size, nil
}

func (l *Log) checkHead(r kv.Reader) (size uint64, err error) {
	keys := l.keys.Load()
	described, _, _, err := readTree(r, keys)
	if err != nil {
		return 0, err
	}
	if err := l.checkSuccessions(r, keys, described.size); err != nil {
		return 0, err
	}
	// The edge consists of the largest complete subtrees, from the left.
	next := uint64(0)
	for _, hash := range described.edge {
		level := bits.Len64(described.size-next) - 1
		stored, err := storedHash(r, level, next>>level)
		if err != nil {
			return 0, err
		}
		if stored != hash {
			return 0, tampered("the head describes another tree; size", described.size)
		}
		next += 1 << level
	}
	if _, err := r.Get(entryKey(described.size)); !errors.Is(err, kv.ErrNotFound) {
		return 0, errors.Join(tampered("an entry follows the head; size", described.size), err)
	}
	return described.size, nil
}

// checkSuccessions checks that the successions of keys are those of the log, and that nothing else is
// stored with them.
func (l *Log) checkSuccessions(r kv.Reader, k *keys, size uint64) error {
	if _, err := l.successions(r, k, size); err != nil {
		return err
	}
	return scanAll(r, successionKey(), func(rest, _ []byte) error {
		if len(rest) > 0 {
			return tampered("a row follows the successions of keys; size", size)
		}
		return nil
	})
}

// storedHash returns the hash of a complete subtree.
func storedHash(r kv.Reader, level int, number uint64) (tlog.Hash, error) {
	sequence := (number+1)<<level - 1
	hashes, _, err := readStored(r, sequence)
	if err != nil {
		return tlog.Hash{}, err
	}
	if level >= len(hashes) {
		return tlog.Hash{}, tampered("too few hashes at entry", sequence)
	}
	return hashes[level], nil
}

// readStored returns the hashes and the leaf of an entry.
func readStored(r kv.Reader, sequence uint64) ([]tlog.Hash, []byte, error) {
	value, err := r.Get(entryKey(sequence))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil, tampered("sequences have a gap at", sequence)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read entry: %w", err)
	}
	hashes, leaf, err := decodeStored(value)
	if err != nil {
		return nil, nil, tampered("malformed entry", sequence)
	}
	return hashes, leaf, nil
}

// checkListed checks that both indexes list an entry.
func checkListed(r kv.Reader, e Entry) error {
	for _, prefix := range []kv.Key{scopeKey(e.Scope), resourceKey(e.Resource)} {
		listed, err := newest(r, prefix, e.Sequence+1, 1)
		if errors.Is(err, errMalformed) || (err == nil && (len(listed) == 0 || listed[0] != e.Sequence)) {
			return tampered("an index does not list entry", e.Sequence)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
