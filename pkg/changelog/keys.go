package changelog

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// The key space of the log. {seq} is a number, {scope} and {resource} are strings.
//
//	la/{scope}/{seq}     → listing of the entries of a scope
//	lb/{resource}/{seq}  → listing of the entries of a resource whose name has no key
//	le/{seq}             → entry: hashes and leaf
//	lh                   → head: size, edge of the tree, signed note
//	lk                   → successions of keys; absent before the first one
//	{key}l{seq}          → listing of the entries of a resource, below its key ([resource.Key])
//
// Most entries are about a resource with a key. Their listings are among the resource's own rows, so
// that a change writes them on the same page. A service must not use the letter l there, nor the
// spaces above. The other keys grow ([kv.Growing]). The head is among the last of them, because it is written with the
// newest entry.
//
// A listing has the entries of one commit in order, of which {seq} is the first.
//
// The tree needs no keys of its own. Adding the record n of a tree completes 1
// subtree for each trailing one of n in binary, and the leaf itself. The hashes of
// those stand with the entry:
//
//	level 2                 h(0..3)                     le/0   h0
//	                       /       \                    le/1   h1 h(0..1)
//	level 1          h(0..1)       h(2..3)              le/2   h2
//	                 /    \        /    \               le/3   h3 h(2..3) h(0..3)
//	level 0         h0    h1      h2    h3      h4      le/4   h4
//
// So the hash of number k at a level is in the entry (k+1)·2^level - 1, at the place
// that is its level. Two hashes a record on average, no further writes, and the
// head keeps the edge (here h(0..3) and h4), so that no hash is read to go on.

const (
	scopeSpace = "la"
	otherSpace = "lb"
	entrySpace = "le"
	headSpace  = "lh"
	// successionSpace has one row, whose value is a message of package stored.
	successionSpace = "lk"
	// ofResource follows the key of a resource.
	ofResource = 'l'
)

func entryKey(sequence uint64) kv.Key { return kv.NewKey(entrySpace).Uint(sequence) }

func resourceKey(name string) kv.Key {
	if key, ok := resource.Key(name); ok {
		return append(key, ofResource)
	}
	return kv.NewKey(otherSpace).Text(name)
}

func scopeKey(scope string) kv.Key { return kv.NewKey(scopeSpace).Text(scope) }

func headKey() kv.Key { return kv.NewKey(headSpace) }

func successionKey() kv.Key { return kv.NewKey(successionSpace) }

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
