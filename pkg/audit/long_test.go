package audit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A measured store counts what each read transaction reads, and runs after when one ends.
type measured struct {
	kv.Store
	after func(reads int)
}

func (m *measured) View(ctx context.Context, fn func(kv.Reader) error) error {
	reads := 0
	err := m.Store.View(ctx, func(r kv.Reader) error { return fn(counted{r, &reads}) })
	m.after(reads)
	return err
}

type counted struct {
	kv.Reader
	reads *int
}

func (c counted) Get(key []byte) ([]byte, error) {
	*c.reads++
	return c.Reader.Get(key)
}

func (c counted) Scan(within kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		for pair, err := range c.Reader.Scan(within) {
			if *c.reads++; !yield(pair, err) {
				return
			}
		}
	}
}

const (
	// longSlice is the number of rows that a slice of a long history reads at most: 1,000 entries or
	// rows, and those that lead to them.
	longSlice = 1100
	// manyReads is less than such a slice reads, and more than one of the log.
	manyReads = 900
)

// long returns a shelf with a book that has many entries and half as many pages, and another book.
func long(t *testing.T, entries int) *shelf {
	t.Helper()
	s := newShelf(t)
	const together = 20 // changes of one transaction
	for first := 0; first < entries; first += together {
		s.update(t, func(tx kv.Tx) error {
			for i := range together {
				next, err := changelog.Next(tx)
				own := binary.BigEndian.AppendUint64([]byte("uid#"), next)
				page := fmt.Sprint((first + i) % (entries / 2))
				err = errors.Join(err, tx.Put(ownKey("long"), own), tx.Put(pageKey("uid", page), own),
					s.log.Append(tx, entry("long", "uid"), changelog.Row{Value: own}, changelog.Row{Ref: page, Value: own}))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	s.write(t, "short", "uid 2", "title", "1")
	return s
}

func TestALongHistoryIsComparedInSlices(t *testing.T) {
	t.Parallel()
	const entries = 3000
	s := long(t, entries)
	total, most := 0, 0
	s.Store = &measured{s.Store, func(reads int) { total, most = total+reads, max(most, reads) }}
	if got := differences(t, s); got != 0 {
		t.Errorf("a pass finds %d differences in a store that nothing else wrote to", got)
	}
	if most > longSlice || total < 2*entries {
		t.Errorf("a pass reads %d rows, %d of them in one transaction, want at most %d in one", total, most, longSlice)
	}
}

// Each case changes the book between the slices of its comparison.
func TestALongHistoryThatChangesMeanwhileIsCompared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		forge   func(*testing.T, *shelf) // before the pass
		between func(*testing.T, *shelf)
		times   int // how often the book changes; 0 means whenever it can
		want    int
	}{
		"a change": {times: 1},
		"a change, and an old row below": {
			forge: func(t *testing.T, s *shelf) { s.put(t, pageKey("uid", "700"), []byte("text of before")) },
			times: 1, want: 1,
		},
		"a change, and a row below that is missing": {
			forge: func(t *testing.T, s *shelf) { s.remove(t, pageKey("uid", "700")) },
			times: 1, want: 1,
		},
		"a change, and a row below that no entry states": {
			forge: func(t *testing.T, s *shelf) { s.put(t, pageKey("uid", "x"), []byte("text of x")) },
			times: 1, want: 1,
		},
		"an own row that is put back": {
			between: func(t *testing.T, s *shelf) { s.put(t, ownKey("long"), []byte("uid#\x00\x00\x00\x00\x00\x00\x00\x01")) },
			times:   1, want: 1,
		},
		"a deletion": {
			between: func(t *testing.T, s *shelf) {
				s.update(t, func(tx kv.Tx) error {
					return errors.Join(tx.Delete(ownKey("long")), s.log.Append(tx, entry("long", "uid"), changelog.Row{}))
				})
			},
			times: 1,
		},
		"changes all the time":                    {},
		"changes all the time, and a missing row": {forge: func(t *testing.T, s *shelf) { s.remove(t, pageKey("uid", "700")) }, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := long(t, 1500)
			if test.forge != nil {
				test.forge(t, s)
			}
			changes := 0
			below := s.Store
			s.Store = &measured{below, func(reads int) {
				if reads < manyReads || test.times > 0 && changes == test.times {
					return
				}
				if changes++; test.between != nil {
					test.between(t, s)
				} else {
					s.write(t, "long", "uid", "title", "7")
				}
			}}
			if got := differences(t, s); got != test.want {
				t.Errorf("a pass finds %d differences, want %d", got, test.want)
			}
			if changes == 0 {
				t.Error("the book did not change during its comparison")
			}
		})
	}
}
