package changelog

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// maxSize is how many entries a log can hold: indexes of stored hashes, which are
// up to twice that, are int64.
const maxSize = math.MaxInt64 / 4

// A tree is an RFC 6962 tree as far as it takes to go on: its size, and the hashes
// of the complete subtrees at its right edge, the greatest first. There is one for
// each bit that is set in the size.
type tree struct {
	size uint64
	edge []tlog.Hash
}

// add extends the tree by a leaf and returns the hashes that this completes: of the
// leaf, and of each subtree that ends with it, from the bottom up.
func (t *tree) add(leaf []byte) ([]tlog.Hash, error) {
	if t.size >= maxSize {
		return nil, errors.New("change log: it is full")
	}
	hashes, err := tlog.StoredHashes(int64(t.size), leaf, t)
	if err != nil {
		return nil, fmt.Errorf("hash entry: %w", err)
	}
	// The last hash takes the place of the subtrees that it joins.
	joined := len(hashes) - 1
	t.edge = append(t.edge[:len(t.edge)-joined], hashes[joined])
	t.size++
	return hashes, nil
}

// root returns the hash of the whole tree.
func (t *tree) root() (tlog.Hash, error) {
	root, err := tlog.TreeHash(int64(t.size), t)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("hash tree: %w", err)
	}
	return root, nil
}

// ReadHashes makes the edge a [tlog.HashReader]. More than the edge is never asked
// for.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, number := tlog.SplitStoredHashIndex(index)
		subtrees := t.size >> level // complete ones of that level
		if subtrees&1 == 0 || uint64(number) != subtrees-1 {
			return nil, errors.New("change log: hash is not at the edge of the tree")
		}
		hashes[i] = t.edge[bits.OnesCount64(subtrees)-1]
	}
	return hashes, nil
}
