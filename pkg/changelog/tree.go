package changelog

import (
	"errors"
	"math"
	"slices"

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
	hash := tlog.RecordHash(leaf)
	hashes := []tlog.Hash{hash}
	// A subtree at the edge that is as large as the one at hand is joined with it. The
	// sizes of those at the edge are the bits of the size, the smallest at the end.
	for size := t.size; size&1 == 1; size >>= 1 {
		last := len(t.edge) - 1
		hash = tlog.NodeHash(t.edge[last], hash)
		hashes, t.edge = append(hashes, hash), t.edge[:last]
	}
	t.edge = append(t.edge, hash)
	t.size++
	return hashes, nil
}

// root returns the hash of the whole tree, which has at least one leaf.
func (t *tree) root() tlog.Hash {
	last := len(t.edge) - 1
	root := t.edge[last]
	for _, left := range slices.Backward(t.edge[:last]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}
