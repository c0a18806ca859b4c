package changelog

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/kv"
)

// ErrTampered reports a log that does not match itself or its signature: something other than this
// log changed it.
var ErrTampered = errors.New("change log: stored log does not match its signed head")

// A Head is the state of a log at one moment, signed.
type Head struct {
	// Size is the number of entries.
	Size uint64
	// Root is the root of the tree over them.
	Root tlog.Hash
	// Note is the signed note that states origin, size and root.
	Note []byte
}

// Head returns the signed head of the log. The head of an empty log has no note. Head fails with
// [ErrTampered] if no key of this log signed the head.
func (l *Log) Head(r kv.Reader) (Head, error) {
	tree, note, _, err := readTree(r, l.keys.Load())
	if err != nil || note == nil {
		return Head{}, err
	}
	return Head{Size: tree.size, Root: tree.root(), Note: note}, nil
}

// readTree returns the tree that the stored head describes, its note, and which of the keys signed
// it. An empty log has no note.
func readTree(r kv.Reader, k *keys) (tree, []byte, noteSigner, error) {
	stored, err := readHead(r)
	if err != nil || stored == nil {
		return tree{}, nil, noteSigner{}, err
	}
	described, note, err := decodeHead(stored)
	if err != nil {
		return tree{}, nil, noteSigner{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	signer, err := k.check(described, note)
	return described, note, signer, err
}
