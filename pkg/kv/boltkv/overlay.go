package boltkv

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/keyward/keyward/pkg/kv"
)

// An overlay holds writes that are not committed yet, ordered by key.
type overlay struct {
	entries *btree.BTreeG[entry]
}

// An entry is a written or deleted key.
type entry struct {
	key, stored []byte
	deleted     bool
}

func newOverlay() *overlay {
	byKey := func(a, b entry) bool { return bytes.Compare(a.key, b.key) < 0 }
	return &overlay{entries: btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true})}
}

func (o *overlay) find(key []byte) (entry, bool) { return o.entries.Get(entry{key: key}) }

func (o *overlay) set(e entry) { o.entries.Set(e) }

func (o *overlay) empty() bool { return o.entries.Len() == 0 }

// all calls fn for each entry, in the order of the keys, until fn returns false.
func (o *overlay) all(fn func(entry) bool) { o.entries.Scan(fn) }

// next returns the first entry of r, in its direction, after the key last; nil means from the
// start.
func (o *overlay) next(last []byte, r kv.Range) (found entry, ok bool) {
	visit := func(e entry) bool {
		// The bounds at which the search starts are not part of the range, except for its Start.
		if bytes.Equal(e.key, last) || (r.Reverse && last == nil && r.End != nil && bytes.Equal(e.key, r.End)) {
			return true
		}
		found, ok = e, within(e.key, r)
		return false
	}
	switch {
	case r.Reverse && last != nil:
		o.entries.Descend(entry{key: last}, visit)
	case r.Reverse && r.End != nil:
		o.entries.Descend(entry{key: r.End}, visit)
	case r.Reverse:
		o.entries.Reverse(visit)
	case last != nil:
		o.entries.Ascend(entry{key: last}, visit)
	default:
		o.entries.Ascend(entry{key: r.Start}, visit)
	}
	return found, ok
}

// within reports whether key is in the range.
func within(key []byte, r kv.Range) bool {
	return bytes.Compare(key, r.Start) >= 0 && (r.End == nil || bytes.Compare(key, r.End) < 0)
}
