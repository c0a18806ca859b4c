package changelog

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space of the log. {seq} is a number, the others are strings.
//
//	change/{seq}                         → entry: hashes, salt, state digest, JSON
//	change-by-resource/{resource}/{seq}  → listing
//	change-by-scope/{scope}/{seq}        → listing
//	change-head                          → head: size, edge of the tree, signed note
//
// A listing names entries of one commit in order, of which {seq} is the first. Commits
// of before there were listings have a key for each entry, with an empty value, which
// is the listing of one.
//
// The tree needs no keys of its own. Adding the record n of a tree completes 1
// subtree for each trailing one of n in binary, and the leaf itself. The hashes of
// those stand with the entry:
//
//	level 2                 h(0..3)                     change/0   h0
//	                       /       \                    change/1   h1 h(0..1)
//	level 1          h(0..1)       h(2..3)              change/2   h2
//	                 /    \        /    \               change/3   h3 h(2..3) h(0..3)
//	level 0         h0    h1      h2    h3      h4      change/4   h4
//
// So the hash of number k at a level is in the entry (k+1)·2^level - 1, at the place
// that is its level. Two hashes a record on average, no further writes, and the
// head keeps the edge (here h(0..3) and h4), so that no hash is read to go on.

const (
	entrySpace    = "change"
	resourceSpace = "change-by-resource"
	scopeSpace    = "change-by-scope"
)

func entryKey(sequence uint64) kv.Key { return kv.NewKey(entrySpace).Uint(sequence) }

func resourceKey(resource string) kv.Key { return kv.NewKey(resourceSpace).Text(resource) }

func scopeKey(scope string) kv.Key { return kv.NewKey(scopeSpace).Text(scope) }

func headKey() kv.Key { return kv.NewKey("change-head") }

// readHead returns the stored head, or nil if the log is empty.
func readHead(r kv.Reader) ([]byte, error) { return readHeadAt(r, headKey()) }

func readHeadAt(r kv.Reader, key kv.Key) ([]byte, error) {
	head, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read change log head: %w", err)
	}
	return head, nil
}
