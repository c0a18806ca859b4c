package boltkv

import (
	"bytes"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// Scan implements [kv.Reader]. It sees writes that are made while it runs if they are ahead.
func (s *snapshot) Scan(r kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		if s.ended {
			yield(kv.Pair{}, errEnded)
			return
		}
		it := iterator{s: s, r: r, cursor: s.state.cursor()}
		defer s.state.reuse(it.cursor)
		for range r.Limit {
			pair, ok, err := it.next()
			if err != nil {
				yield(pair, err)
				return
			}
			if !ok || !yield(pair, nil) {
				return
			}
		}
	}
}

// An iterator merges the committed state with the layers above it.
type iterator struct {
	s      *snapshot
	r      kv.Range
	cursor *bbolt.Cursor

	// key and stored are the next committed pair, if loaded; a nil key means the end. bbolt keeps
	// both valid as long as the snapshot holds its state.
	key, stored []byte
	started     bool
	loaded      bool
	// last is the last key that was visited in any source.
	last []byte
}

// next returns the next pair. The caller owns its bytes.
func (it *iterator) next() (pair kv.Pair, ok bool, err error) {
	if it.s.ended {
		return kv.Pair{}, false, errEnded
	}
	defer damage(&err)
	key, stored := it.merge()
	if key == nil {
		return kv.Pair{}, false, nil
	}
	if pair, err = it.s.rows.decodePair(key, stored); err != nil {
		return kv.Pair{Key: bytes.Clone(key)}, false, err
	}
	return pair, true, nil
}

// merge returns the first of the next pairs of all sources, in the direction of the scan, or a nil
// key. A written key hides the same key below it, and a deleted one is skipped.
func (it *iterator) merge() (key, stored []byte) {
	for {
		it.load()
		first := entry{key: it.key, stored: it.stored}
		for _, layer := range slices.Backward(it.s.layers) {
			e, ok := layer.next(it.last, it.r)
			if ok && (first.key == nil || !it.before(first.key, e.key)) {
				first = e
			}
		}
		if first.key == nil {
			return nil, nil
		}
		if bytes.Equal(it.key, first.key) {
			it.loaded = false
		}
		it.last = first.key
		if !first.deleted {
			return first.key, first.stored
		}
	}
}

func (it *iterator) before(a, b []byte) bool {
	if it.r.Reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b) < 0
}

// load sets key and stored to the next committed pair.
func (it *iterator) load() {
	if it.loaded {
		return
	}
	switch {
	case !it.started:
		it.seek()
	case it.key == nil: // at the end, where the cursor stays
	case it.r.Reverse:
		it.key, it.stored = it.cursor.Prev()
	default:
		it.key, it.stored = it.cursor.Next()
	}
	it.started, it.loaded = true, true
	if it.key != nil && !within(it.key, it.r) {
		it.key = nil
	}
}

// seek moves the cursor to the first key of the range.
func (it *iterator) seek() {
	if !it.r.Reverse {
		it.key, it.stored = it.cursor.Seek(it.r.Start)
		return
	}
	if it.r.End != nil {
		if key, _ := it.cursor.Seek(it.r.End); key != nil {
			it.key, it.stored = it.cursor.Prev()
			return
		}
	}
	it.key, it.stored = it.cursor.Last()
}
