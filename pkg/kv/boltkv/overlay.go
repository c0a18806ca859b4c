package boltkv

import (
	"bytes"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
)

// An overlay holds the writes of one update, ordered by key. It has at most kv.MaxOps entries, so
// a sorted slice is the fastest map.
type overlay struct {
	entries []entry
}

// An entry is a written or deleted key.
type entry struct {
	key, stored []byte
	deleted     bool
}

// search returns the position of key, or where it belongs.
func (o *overlay) search(key []byte) (int, bool) {
	return slices.BinarySearchFunc(o.entries, key, func(e entry, key []byte) int {
		return bytes.Compare(e.key, key)
	})
}

func (o *overlay) find(key []byte) (entry, bool) {
	if o == nil {
		return entry{}, false
	}
	i, ok := o.search(key)
	if !ok {
		return entry{}, false
	}
	return o.entries[i], true
}

func (o *overlay) set(e entry) {
	i, ok := o.search(e.key)
	if ok {
		o.entries[i] = e
		return
	}
	o.entries = slices.Insert(o.entries, i, e)
}

// next returns the first entry of r, in its direction, after the key last; nil means from the
// start.
func (o *overlay) next(last []byte, r kv.Range) (entry, bool) {
	if o == nil {
		return entry{}, false
	}
	i := o.position(last, r)
	if i < 0 || i >= len(o.entries) || !within(o.entries[i].key, r) {
		return entry{}, false
	}
	return o.entries[i], true
}

func (o *overlay) position(last []byte, r kv.Range) int {
	if !r.Reverse {
		if last == nil {
			i, _ := o.search(r.Start)
			return i
		}
		i, found := o.search(last)
		if found {
			i++
		}
		return i
	}
	bound := r.End
	if last != nil {
		bound = last
	}
	if bound == nil {
		return len(o.entries) - 1
	}
	i, _ := o.search(bound)
	return i - 1
}

// within reports whether key is in the range.
func within(key []byte, r kv.Range) bool {
	return bytes.Compare(key, r.Start) >= 0 && (r.End == nil || bytes.Compare(key, r.End) < 0)
}
