package boltkv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
)

var (
	errEnded       = errors.New("boltkv: transaction is used after its function returned")
	errEmptyKey    = errors.New("boltkv: a key has at least one byte")
	errNoSuchLog   = errors.New("boltkv: no such log is attached")
	errAppendInLog = errors.New("boltkv: a log must not append while it integrates")
)

// A snapshot reads one state of the data. All kinds of transactions are based on it. It implements
// [kv.Reader].
type snapshot struct {
	state   *state
	rows    *rows
	cursors cursors
	// layers are the writes that are not part of state, or not yet, newest first.
	layers []*overlay
	ended  bool
}

// begin makes the snapshot readable until its end. The caller has retained the state.
func (s *snapshot) begin(base *state, rows *rows) {
	s.state, s.rows = base, rows
}

// end releases the state.
func (s *snapshot) end() {
	s.ended = true
	s.cursors.end(s.state)
	s.state.release()
}

// Get implements [kv.Reader].
func (s *snapshot) Get(key []byte) (value []byte, err error) {
	if s.ended {
		return nil, errEnded
	}
	defer damage(&err)
	stored, ok := s.find(key)
	if !ok {
		return nil, kv.ErrNotFound
	}
	return s.rows.decode(key, stored)
}

// find returns the stored form of the value of key, which belongs to bbolt or to a layer.
func (s *snapshot) find(key []byte) (stored []byte, ok bool) {
	for _, layer := range s.layers {
		if e, ok := layer.find(key); ok {
			return e.stored, !e.deleted
		}
	}
	found, stored := s.cursors.at(s.state, bucketOf(key)).Seek(key)
	return stored, found != nil && bytes.Equal(found, key)
}

// A record is a record that a transaction appends to a log.
type record struct {
	log  string
	data []byte
}

// A tx is the transaction of one update: its writes stay in an overlay, within
// the limits. It implements [kv.Tx].
type tx struct {
	snapshot
	writes  *overlay
	records []record
	logs    []attached
	// before are the records of the updates before this one in the group, by log.
	before map[string][][]byte
	ops    int
	bytes  int
	// failed is the error of the first refused write. The transaction fails with it, even if its
	// function ignores the error.
	failed error
}

func newTx(logs []attached, below []*overlay, before map[string][][]byte) *tx {
	own := newOverlay()
	return &tx{snapshot: snapshot{layers: append([]*overlay{own}, below...)}, logs: logs, writes: own, before: before}
}

// Put implements [kv.Tx].
func (t *tx) Put(key, value []byte) error {
	if err := t.allow(key, len(value)); err != nil {
		return err
	}
	t.writes.set(entry{key: bytes.Clone(key), stored: t.rows.encode(key, value)})
	return nil
}

// Delete implements [kv.Tx].
func (t *tx) Delete(key []byte) error {
	if err := t.allow(key, 0); err != nil {
		return err
	}
	t.writes.set(entry{key: bytes.Clone(key), deleted: true})
	return nil
}

// Append implements [kv.Tx].
func (t *tx) Append(log string, data []byte) error {
	if !slices.ContainsFunc(t.logs, func(a attached) bool { return a.name == log }) {
		t.failed = fmt.Errorf("append to %q: %w", log, errNoSuchLog)
		return t.failed
	}
	if err := t.count(len(data)); err != nil {
		return err
	}
	t.records = append(t.records, record{log: log, data: bytes.Clone(data)})
	return nil
}

// Appended implements [kv.Tx].
func (t *tx) Appended(log string) int {
	count := len(t.before[log])
	for _, rec := range t.records {
		if rec.log == log {
			count++
		}
	}
	return count
}

// allow checks a key and counts an operation on it.
func (t *tx) allow(key []byte, size int) error {
	if err := checkKey(key); err != nil {
		t.failed = err
		return err
	}
	return t.count(len(key) + size)
}

func (t *tx) count(size int) error {
	if t.ended {
		return errEnded
	}
	t.ops++
	t.bytes += size
	if t.ops > kv.MaxOps || t.bytes > kv.MaxBytes {
		t.failed = kv.ErrTooLarge
		return t.failed
	}
	return nil
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return errEmptyKey
	case len(key) > kv.MaxKey:
		return kv.ErrTooLarge
	}
	return nil
}

// A direct is the transaction in which a log integrates its records. It writes to the overlay of
// the group directly, without limits, because it fails only with the whole group.
type direct struct {
	snapshot
	writes *overlay
}

// Put implements [kv.Tx].
func (d *direct) Put(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	d.writes.set(entry{key: bytes.Clone(key), stored: d.rows.encode(key, value)})
	return nil
}

// Delete implements [kv.Tx].
func (d *direct) Delete(key []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	d.writes.set(entry{key: bytes.Clone(key), deleted: true})
	return nil
}

// Append implements [kv.Tx]. It is not allowed.
func (d *direct) Append(string, []byte) error { return errAppendInLog }

// Appended implements [kv.Tx].
func (d *direct) Appended(string) int { return 0 }
