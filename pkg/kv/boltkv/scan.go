package boltkv

import (
	"bytes"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// Scan implements [kv.Reader]. It sees writes that are made while it runs if they are ahead.
func (s *snapshot) Scan(r kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		it := &iterator{s: s, r: r}
		for range r.Limit {
			pair, ok, err := it.next()
			if err != nil {
				yield(kv.Pair{}, err)
				return
			}
			if !ok || !yield(pair, nil) {
				return
			}
		}
	}
}

// An iterator merges the bucket with the overlay.
type iterator struct {
	s *snapshot
	r kv.Range

	cursor *bbolt.Cursor
	// key and stored are the next pair of the bucket, if loaded; a nil key means the end. bbolt keeps
	// both valid until the end of its transaction.
	key, stored []byte
	loaded      bool
	// writes is the state of the bucket to which the cursor belongs.
	writes int
	// last is the last key that was visited in either source.
	last []byte
}

// next returns the next pair. The caller owns its bytes.
func (it *iterator) next() (pair kv.Pair, ok bool, err error) {
	if it.s.ended {
		return kv.Pair{}, false, errEnded
	}
	fault := guard(func() {
		key, stored := it.merge()
		if key == nil {
			return
		}
		pair.Value, err = decode(key, stored)
		pair.Key, ok = bytes.Clone(key), true
	})
	if fault != nil {
		err = fault
	}
	return pair, ok, err
}

// merge returns the smaller (in a reverse scan, the greater) of the next pairs of the two sources,
// or a nil key. A written key hides the one in the bucket, and a deleted one is skipped.
func (it *iterator) merge() (key, stored []byte) {
	for {
		it.load()
		e, ok := it.s.overlay.next(it.last, it.r)
		if !ok || (it.key != nil && it.before(it.key, e.key)) {
			it.last, it.loaded = it.key, false
			return it.key, it.stored
		}
		if bytes.Equal(it.key, e.key) {
			it.loaded = false
		}
		it.last = e.key
		if !e.deleted {
			return e.key, e.stored
		}
	}
}

func (it *iterator) before(a, b []byte) bool {
	if it.r.Reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b) < 0
}

// load sets key and stored to the next pair of the bucket.
func (it *iterator) load() {
	switch {
	case it.loaded && it.writes == it.s.writes:
		return
	case it.cursor != nil && it.writes == it.s.writes:
		it.step()
	default:
		// This is the first pair, or a write to the bucket invalidated the cursor.
		it.cursor, it.writes = it.s.bucket.Cursor(), it.s.writes
		it.seek()
	}
	it.loaded = true
	if it.key != nil && !within(it.key, it.r) {
		it.key = nil
	}
}

// step moves the cursor from a key by one. At the end it stays.
func (it *iterator) step() {
	switch {
	case it.key == nil:
	case it.r.Reverse:
		it.previous(it.key)
	default:
		it.key, it.stored = it.cursor.Next()
	}
}

// seek moves the cursor to the first key after last.
func (it *iterator) seek() {
	if it.r.Reverse {
		it.seekBack()
		return
	}
	if it.last == nil {
		it.key, it.stored = it.cursor.Seek(it.r.Start)
		return
	}
	it.key, it.stored = it.cursor.Seek(it.last)
	if bytes.Equal(it.key, it.last) {
		it.key, it.stored = it.cursor.Next()
	}
}

func (it *iterator) seekBack() {
	bound := it.r.End
	if it.last != nil {
		bound = it.last
	}
	// Last does not return if deletes of this transaction left only empty leaves.
	if it.key, it.stored = it.cursor.First(); it.key == nil {
		return
	}
	if bound == nil {
		it.key, it.stored = it.cursor.Last()
		return
	}
	key, _ := it.cursor.Seek(bound)
	if key == nil {
		it.key, it.stored = it.cursor.Last()
		return
	}
	it.previous(key)
}

// previous moves the cursor to the key before current. Prev returns no key at the first one, but
// also at a leaf that deletes of this transaction have emptied, before which there may be more
// keys.
func (it *iterator) previous(current []byte) {
	it.key, it.stored = it.cursor.Prev()
	if it.key != nil || !it.s.bucket.Writable() {
		return
	}
	first, _ := it.s.bucket.Cursor().First()
	for it.key == nil && bytes.Compare(first, current) < 0 {
		it.key, it.stored = it.cursor.Prev()
	}
}
