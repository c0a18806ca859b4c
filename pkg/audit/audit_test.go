package audit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// A shelf is a small service: it has books, whose own row is `uid`, the sequence of their newest
// entry, and a title; and each book has pages, which are rows of their own.
type shelf struct {
	kv.Store

	log *changelog.Log
}

const space = "book"

func newShelf(t testing.TB) *shelf {
	t.Helper()
	changes, err := changelog.New([][32]byte{{1}}, "shelf", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.Attach(changelog.Name, changes)
	t.Cleanup(func() { store.Close() })
	return &shelf{Store: store, log: changes}
}

func ownKey(book string) kv.Key { return kv.NewKey(space).Text(book) }

func pageKey(uid, page string) kv.Key { return kv.NewKey("page").Text(uid).Text(page) }

func (*shelf) Spaces() []kv.Range { return []kv.Range{kv.Prefix(kv.NewKey(space), 0)} }

func (*shelf) Own(resource string) (kv.Key, error) { return ownKey(resource), nil }

func (*shelf) Prefixes(_, uid string) []kv.Key { return []kv.Key{kv.NewKey("page").Text(uid)} }

// Stated omits the bookmark at the end of a page, which is moved without an entry.
func (*shelf) Stated(_ string, value []byte) [][]byte {
	return [][]byte{bytes.TrimSuffix(value, []byte("*")), value}
}

func (*shelf) Ref(_, uid string, key []byte) (string, error) {
	ref, _, err := kv.CutText(key[len(kv.NewKey("page").Text(uid)):])
	return ref, err
}

func (*shelf) Resource(own kv.Pair) (audit.Resource, error) {
	book, _, err := kv.CutText(own.Key[len(kv.NewKey(space)):])
	uid, rest, ok := strings.Cut(string(own.Value), "#")
	if err != nil || !ok || len(rest) < 8 {
		return audit.Resource{}, errors.New("malformed book")
	}
	return audit.Resource{Name: book, UID: uid, Change: binary.BigEndian.Uint64([]byte(rest))}, nil
}

// write stores a book with a title and a page in one change.
func (s *shelf) write(t testing.TB, book, uid, title, page string) {
	t.Helper()
	s.update(t, func(tx kv.Tx) error {
		next, err := changelog.Next(tx)
		own := append(binary.BigEndian.AppendUint64([]byte(uid+"#"), next), title...)
		text := []byte("text of " + page)
		return errors.Join(err, tx.Put(ownKey(book), own), tx.Put(pageKey(uid, page), text),
			s.log.Append(tx, entry(book, uid), changelog.Row{Value: own}, changelog.Row{Ref: page, Value: text}))
	})
}

// burn deletes a book with its pages.
func (s *shelf) burn(t testing.TB, book, uid string, pages ...string) {
	t.Helper()
	s.update(t, func(tx kv.Tx) error {
		err := tx.Delete(ownKey(book))
		for _, page := range pages {
			err = errors.Join(err, tx.Delete(pageKey(uid, page)))
		}
		return errors.Join(err, s.log.Append(tx, entry(book, uid), changelog.Row{}))
	})
}

func entry(book, uid string) changelog.Entry {
	return changelog.Entry{Scope: "library", Resource: book, UID: uid, Action: "changed"}
}

func (s *shelf) update(t testing.TB, fn func(kv.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) get(t testing.TB, key kv.Key) (value []byte) {
	t.Helper()
	err := s.View(t.Context(), func(r kv.Reader) (err error) {
		value, err = r.Get(key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// put writes a row past the log.
func (s *shelf) put(t testing.TB, key kv.Key, value []byte) {
	t.Helper()
	s.update(t, func(tx kv.Tx) error { return tx.Put(key, value) })
}

func (s *shelf) remove(t testing.TB, key kv.Key) {
	t.Helper()
	s.update(t, func(tx kv.Tx) error { return tx.Delete(key) })
}

// filled returns a shelf of books with some history.
func filled(t testing.TB) *shelf {
	t.Helper()
	s := newShelf(t)
	for i := range 8 {
		s.write(t, fmt.Sprint("book ", i), fmt.Sprint("uid ", i), "title", "1")
	}
	s.write(t, "book 1", "uid 1", "second title", "2")
	s.write(t, "book 1", "uid 1", "third title", "1")
	s.burn(t, "book 2", "uid 2", "1")
	s.burn(t, "book 3", "uid 3", "1")
	s.write(t, "book 3", "uid 3'", "the other book of this name", "1")
	return s
}

func TestAnUntouchedStoreMatchesItsLog(t *testing.T) {
	t.Parallel()
	s := filled(t)
	for _, s := range []*shelf{s, newShelf(t)} {
		if got := differences(t, s); got > 0 {
			t.Errorf("a pass finds %d differences in a store that nothing else wrote to", got)
		}
		if got := newest(t, s, 5); got > 0 {
			t.Errorf("the check at the start finds %d differences", got)
		}
	}
}

// A forgery changes rows past the log.
type forgery struct {
	before func(*testing.T, *shelf) []byte // reads a row before the change that the forgery undoes
	forge  func(*testing.T, *shelf, []byte)
	own    string // the book whose own row shows the forgery at once, if any
}

// forgeries write rows that were valid once, or remove rows, which no MAC notices.
var forgeries = map[string]forgery{
	"an old own row": {
		before: func(t *testing.T, s *shelf) []byte { return s.get(t, ownKey("book 1")) },
		forge:  func(t *testing.T, s *shelf, old []byte) { s.put(t, ownKey("book 1"), old) },
		own:    "book 1",
	},
	"an old row below": {
		before: func(*testing.T, *shelf) []byte { return nil },
		forge:  func(t *testing.T, s *shelf, _ []byte) { s.put(t, pageKey("uid 1", "1"), []byte("text of before")) },
	},
	"a row below is missing": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.remove(t, pageKey("uid 1", "2")) },
	},
	"a row below that was never written": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.put(t, pageKey("uid 1", "9"), []byte("text of 9")) },
	},
	"an own row is missing": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.remove(t, ownKey("book 4")) },
		own:   "book 4",
	},
	"a deleted resource is back": {
		before: func(t *testing.T, s *shelf) []byte {
			s.write(t, "book 9", "uid 9", "title", "1")
			own := s.get(t, ownKey("book 9"))
			s.burn(t, "book 9", "uid 9", "1")
			return own
		},
		forge: func(t *testing.T, s *shelf, old []byte) { s.put(t, ownKey("book 9"), old) },
		own:   "book 9",
	},
	"a resource that no entry states": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.put(t, ownKey("book 10"), s.get(t, ownKey("book 4"))) },
		own:   "book 10",
	},
	"the row of another resource": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.put(t, ownKey("book 5"), s.get(t, ownKey("book 4"))) },
		own:   "book 5",
	},
	"an entry is missing": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.remove(t, kv.NewKey("le").Uint(3)) },
	},
	"the log is shorter than its head": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.remove(t, kv.NewKey("le").Uint(12)) },
	},
	"an entry is changed": {
		forge: func(t *testing.T, s *shelf, _ []byte) {
			key := kv.NewKey("le").Uint(3)
			value := s.get(t, key)
			value[len(value)-1] ^= 1
			s.put(t, key, value)
		},
	},
	"the head is missing": {
		forge: func(t *testing.T, s *shelf, _ []byte) { s.remove(t, kv.NewKey("lh")) },
	},
}

func TestForgeriesAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := filled(t)
			var old []byte
			if test.before != nil {
				old = test.before(t, s)
			}
			if name == "an old own row" {
				s.write(t, "book 1", "uid 1", "fourth title", "1")
			}
			test.forge(t, s, old)
			if differences(t, s) == 0 {
				t.Error("the comparison finds nothing")
			}
			if test.own == "" {
				return
			}
			if err := compareOwn(t, s, test.own); !errors.Is(err, audit.ErrMismatch) {
				t.Errorf("the comparison of the own row = %v, want ErrMismatch", err)
			}
		})
	}
}

// compareOwn compares the own row of a book with the log.
func compareOwn(t *testing.T, s *shelf, book string) error {
	t.Helper()
	return s.View(t.Context(), func(r kv.Reader) error {
		value, err := r.Get(ownKey(book))
		if errors.Is(err, kv.ErrNotFound) {
			return audit.Absent(r, book)
		}
		if err != nil {
			return err
		}
		stated, err := s.Resource(kv.Pair{Key: ownKey(book), Value: value})
		return errors.Join(err, audit.Current(r, stated, value))
	})
}

// A service may say that a part of a row changes without an entry.
func TestARowMayDifferInWhatIsNotStated(t *testing.T) {
	t.Parallel()
	s := filled(t)
	s.put(t, pageKey("uid 4", "1"), []byte("text of 1*"))
	if got := differences(t, s); got != 0 {
		t.Errorf("a pass finds %d differences in a page with a bookmark", got)
	}
	s.put(t, pageKey("uid 4", "1"), []byte("text of 2*"))
	if got := differences(t, s); got != 1 {
		t.Errorf("a pass finds %d differences in another page with a bookmark, want 1", got)
	}
}

func TestTheNewestEntriesAreCheckedBeforeServing(t *testing.T) {
	t.Parallel()
	s := filled(t)
	s.remove(t, pageKey("uid 3'", "1"))
	if newest(t, s, 1) != 1 {
		t.Error("the check of the newest entry does not find the missing row")
	}
}

// newest returns what the check at the start finds.
func newest(t *testing.T, s *shelf, limit uint64) int {
	t.Helper()
	alarm := audit.NewAlarm("shelf", audit.Stop, slog.New(slog.DiscardHandler))
	if err := auditor(s, alarm).Newest(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	return found(t, alarm, audit.AtStart)
}

// A pass must not keep the store busy: it ends soon after its context.
func TestAPassEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := auditor(s, nil).Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Pass() = %v, want the error of its context", err)
	}
}

// differences returns what a pass finds.
func differences(t *testing.T, s *shelf) int {
	t.Helper()
	alarm := audit.NewAlarm("shelf", audit.AlarmOnly, slog.New(slog.DiscardHandler))
	if err := auditor(s, alarm).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	return found(t, alarm, audit.InBackground)
}

// found returns the number of mismatches.
func found(t *testing.T, alarm *audit.Alarm, by audit.Finder) int {
	t.Helper()
	return int(testutil.ToFloat64(alarm.Collector().(*prometheus.CounterVec).WithLabelValues(string(by))))
}

func auditor(s *shelf, alarm *audit.Alarm) *audit.Auditor {
	return audit.New(audit.Config{Store: s, Log: s.log, Resources: s, Alarm: alarm, Logger: slog.New(slog.DiscardHandler), Share: 1})
}
