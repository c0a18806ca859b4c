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
		it := iterator{s: s, r: r}
		defer it.cursors.end(s.state)
		it.start()
		for left := range r.Limit {
			it.copies.left = r.Limit - left
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
	s *snapshot
	// r is the rest of the range.
	r kv.Range

	// key and stored are the next committed pair, if loaded; a nil key means the end. bbolt keeps
	// both valid as long as the snapshot holds its state.
	key, stored []byte
	loaded      bool
	// The cursor of the section is at the committed pair that was loaded last, if started.
	cursors cursors
	section int
	started bool
	// last is the last key that was visited in any source, unless r excludes it.
	last []byte
	// after is the memory of r.Start after a group.
	after  []byte
	copies copies
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
	if it.r.Group > 0 {
		if group, ok := cutGroup(key, it.r.Group); ok {
			return it.group(group, key, stored)
		}
	}
	pair, err = it.decode(key, stored)
	return pair, err == nil, err
}

// decode returns a copy of a pair. If its value is damaged, the pair has only its key.
func (it *iterator) decode(key, stored []byte) (pair kv.Pair, err error) {
	pair.Key, stored = it.copies.of(key, stored)
	pair.Value, err = it.s.rows.verify(pair.Key, stored)
	return pair, err
}

// group returns the pair of a group whose first key in the direction of the scan is given, and
// passes over the other keys.
func (it *iterator) group(group, key, stored []byte) (pair kv.Pair, ok bool, err error) {
	found := len(group) == len(key)
	if !found && it.r.Reverse {
		stored, found = it.s.find(group)
	}
	if found {
		pair, err = it.decode(group, stored)
	} else {
		pair.Key, _ = it.copies.of(group, nil)
	}
	it.pass(group)
	return pair, err == nil, err
}

// cutGroup returns the first strings of a key, and whether it has as many.
func cutGroup(key []byte, strings int) (group []byte, ok bool) {
	end := 0
	for range strings {
		size := bytes.IndexByte(key[end:], 0) // the end of a string
		if size < 0 {
			return nil, false
		}
		end += size + 1
	}
	return key[:end], true
}

// maxSteps is the number of rows of a group that are passed one by one, before a search, which
// costs as much as about ten steps.
const maxSteps = 10

// pass narrows the range to the keys after a group.
func (it *iterator) pass(group []byte) {
	if it.r.Reverse {
		it.r.End = group
	} else {
		it.after = append(it.after[:0], group...)
		it.after[len(it.after)-1]++
		it.r.Start = it.after
	}
	it.last = nil
	for range maxSteps {
		if it.load(); it.key == nil || !bytes.HasPrefix(it.key, group) {
			return
		}
		it.loaded = false
	}
	it.start()
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

// start begins the rest of the range.
func (it *iterator) start() {
	it.started, it.loaded = false, false
	switch {
	case !it.r.Reverse:
		it.section = sectionOf(it.r.Start)
	case it.r.End == nil:
		it.section = len(sections) - 1
	default:
		it.section = sectionOf(it.r.End)
	}
}

// load sets key and stored to the next committed pair.
func (it *iterator) load() {
	if it.loaded {
		return
	}
	it.loaded = true
	for it.section >= 0 && it.section < len(sections) {
		it.step()
		switch {
		case it.key == nil || sectionOf(it.key) != it.section:
			it.nextSection()
		case it.behind(it.key):
			it.section = len(sections)
		default:
			return
		}
	}
	it.key = nil
}

func (it *iterator) nextSection() {
	it.started = false
	if it.r.Reverse {
		it.section--
	} else {
		it.section++
	}
}

// behind reports whether a key follows the range.
func (it *iterator) behind(key []byte) bool {
	if it.r.Reverse {
		return bytes.Compare(key, it.r.Start) < 0
	}
	return it.r.End != nil && bytes.Compare(key, it.r.End) >= 0
}

// step moves the cursor of the section.
func (it *iterator) step() {
	cursor := it.cursors.at(it.s.state, sections[it.section].bucket)
	switch {
	case !it.started:
		it.seek(cursor)
	case it.r.Reverse:
		it.key, it.stored = cursor.Prev()
	default:
		it.key, it.stored = cursor.Next()
	}
	it.started = true
}

// seek moves the cursor to the first key of the range in the section.
func (it *iterator) seek(cursor *bbolt.Cursor) {
	section := sections[it.section]
	if !it.r.Reverse {
		start := it.r.Start
		if bytes.Compare(start, section.start) < 0 {
			start = section.start
		}
		it.key, it.stored = cursor.Seek(start)
		return
	}
	end := it.r.End
	if end == nil || section.end != nil && bytes.Compare(end, section.end) > 0 {
		end = section.end
	}
	if end != nil {
		if key, _ := cursor.Seek(end); key != nil {
			it.key, it.stored = cursor.Prev()
			return
		}
	}
	it.key, it.stored = cursor.Last()
}
