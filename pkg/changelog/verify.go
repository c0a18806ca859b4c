package changelog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
)

// chunk is the number of pairs that Verify reads at a time.
const chunk = 1000

// Verify recomputes the whole tree from the stored entries and compares it with the
// stored hashes, with the indexes and with the signed head. It also verifies the
// successions of keys. It fails with [ErrTampered] if anything differs. It reads everything that is stored, in
// bounded scans.
func (l *Log) Verify(r kv.Reader) error {
	if err := l.verify(r); err != nil {
		return fmt.Errorf("verify change log: %w", err)
	}
	return nil
}

func (l *Log) verify(r kv.Reader) error {
	var recomputed tree
	keys := l.keys.Load()
	err := scanAll(r, kv.NewKey(entrySpace), func(rest, value []byte) error {
		return verifyEntry(r, &recomputed, rest, value)
	})
	if err != nil {
		return err
	}
	if err := verifyScopes(r, recomputed.size); err != nil {
		return err
	}
	if err := verifyHead(r, keys, recomputed); err != nil {
		return err
	}
	return l.checkSuccessions(r, keys, recomputed.size)
}

// verifyEntry checks that the entry at a key is the next one, that its hashes are those of the
// tree, and that both indexes list it.
func verifyEntry(r kv.Reader, recomputed *tree, key, value []byte) error {
	sequence, rest, err := kv.CutUint(key)
	if err != nil || len(rest) != 0 || sequence != recomputed.size {
		return tampered("sequences have a gap at", recomputed.size)
	}
	stored, leaf, err := decodeStored(value)
	if err != nil {
		return tampered("malformed entry", sequence)
	}
	e, err := decodeLeaf(leaf)
	if err != nil {
		return tampered("malformed leaf of entry", sequence)
	}
	hashes, err := recomputed.add(leaf)
	if err != nil {
		return err
	}
	if !slices.Equal(hashes, stored) {
		return tampered("other hashes than computed at entry", sequence)
	}
	e.Sequence = sequence
	if err := checkListed(r, e); err != nil {
		return err
	}
	return verifyNeighbors(r, e)
}

// verifyNeighbors checks that the entries around an entry in the listings of its resource are also
// about the resource. The listings of all resources therefore list nothing else, although they are
// not in one place.
func verifyNeighbors(r kv.Reader, e Entry) error {
	prefix := resourceKey(e.Resource)
	before, err := newest(r, prefix, e.Sequence+1, 2)
	after, err2 := oldest(r, prefix, e.Sequence+1, 1)
	err = errors.Join(err, err2)
	if errors.Is(err, errMalformed) {
		return tampered("malformed listing next to entry", e.Sequence)
	}
	if err != nil {
		return err
	}
	for _, sequence := range append(before[1:], after...) {
		_, leaf, err := readStored(r, sequence)
		if err != nil {
			return err
		}
		neighbor, err := decodeLeaf(leaf)
		if err != nil || sequence == e.Sequence || neighbor.Resource != e.Resource {
			return tampered("an index lists too much next to entry", e.Sequence)
		}
	}
	return nil
}

// verifyScopes checks that the index by scope, which lists all entries, lists nothing else.
func verifyScopes(r kv.Reader, size uint64) error {
	var listed uint64
	err := scanAll(r, kv.NewKey(scopeSpace), func(rest, value []byte) error {
		_, number, err := kv.CutText(rest)
		if err != nil {
			return tampered("malformed index key, after entries", listed)
		}
		sequences, err := decodeListing(kv.Pair{Key: number, Value: value}, 0)
		if err != nil {
			return tampered("malformed listing, after entries", listed)
		}
		listed += uint64(len(sequences))
		return nil
	})
	if err != nil {
		return err
	}
	if listed != size {
		return tampered("an index lists another number of entries than", size)
	}
	return nil
}

// verifyHead checks that the head is signed and describes the recomputed tree.
func verifyHead(r kv.Reader, k *keys, recomputed tree) error {
	stored, err := readHead(r)
	if err != nil {
		return err
	}
	if stored == nil {
		if recomputed.size != 0 {
			return tampered("there are entries but no head; entries", recomputed.size)
		}
		return nil
	}
	head, note, err := decodeHead(stored)
	if err != nil {
		return tampered("malformed head; entries", recomputed.size)
	}
	if head.size != recomputed.size || !slices.Equal(head.edge, recomputed.edge) {
		return tampered("the head describes another tree; entries", recomputed.size)
	}
	_, err = k.check(recomputed, note)
	return err
}

// scanAll calls visit with the rest of each key after the prefix, and with the value.
func scanAll(r kv.Reader, prefix kv.Key, visit func(rest, value []byte) error) error {
	within := kv.Prefix(prefix, chunk)
	for {
		read := 0
		for pair, err := range r.Scan(within) {
			if err != nil {
				return fmt.Errorf("scan change log: %w", err)
			}
			if err := visit(pair.Key[len(prefix):], pair.Value); err != nil {
				return err
			}
			read++
			within.Start = append(slices.Clone(pair.Key), 0)
		}
		if read < chunk {
			return nil
		}
	}
}

func tampered(what string, number uint64) error {
	return fmt.Errorf("%w: %s %d", ErrTampered, what, number)
}
