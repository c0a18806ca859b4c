package changelog

import (
	"errors"
	"math"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// maxSize is the maximum number of entries: indexes of stored hashes, which are up to twice as
// large, are int64.
const maxSize = math.MaxInt64 / 4

// A tree is the part of an RFC 6962 tree that is needed to extend it: its size, and the hashes of
// the complete subtrees at its right edge, largest first. There is one hash for each bit that is
// set in the size.
type tree struct {
	size uint64
	edge []tlog.Hash
}

// add extends the tree by a leaf and returns the completed hashes: that of the leaf, and that of
// each subtree that ends with it, from the bottom up.
func (t *tree) add(leaf []byte) ([]tlog.Hash, error) { return t.addHash(tlog.RecordHash(leaf)) }

// addHash is add for the hash of a leaf.
func (t *tree) addHash(hash tlog.Hash) ([]tlog.Hash, error) {
	if t.size >= maxSize {
		return nil, errors.New("change log: full")
	}
	hashes := []tlog.Hash{hash}
	// Join subtrees of equal size at the edge. The sizes of the subtrees at the edge are the bits of
	// the size, the smallest at the end.
	for size := t.size; size&1 == 1; size >>= 1 {
		last := len(t.edge) - 1
		hash = tlog.NodeHash(t.edge[last], hash)
		hashes, t.edge = append(hashes, hash), t.edge[:last]
	}
	t.edge = append(t.edge, hash)
	t.size++
	return hashes, nil
}

// root returns the hash of the whole tree. That of an empty tree is the hash of nothing (RFC 6962).
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return emptyRoot
	}
	last := len(t.edge) - 1
	root := t.edge[last]
	for _, left := range slices.Backward(t.edge[:last]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}
