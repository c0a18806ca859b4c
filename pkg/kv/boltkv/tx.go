package boltkv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

var (
	errEnded       = errors.New("boltkv: transaction is used after its function returned")
	errEmptyKey    = errors.New("boltkv: a key has at least one byte")
	errNoSuchLog   = errors.New("boltkv: no such log is attached")
	errAppendInLog = errors.New("boltkv: a log must not append while it integrates")
)

// A snapshot reads one state of the data. Both kinds of transactions are based on it. It
// implements [kv.Reader].
type snapshot struct {
	bucket *bbolt.Bucket
	// overlay holds the writes of an update that are not in bucket yet, or is nil.
	overlay *overlay
	// writes counts the changes to bucket, each of which invalidates cursors.
	writes int
	ended  bool
}

func (s *snapshot) begin(tx *bbolt.Tx) error {
	return guard(func() { s.bucket = tx.Bucket(dataBucket) })
}

func (s *snapshot) end() { s.ended = true }

// Get implements [kv.Reader].
func (s *snapshot) Get(key []byte) (value []byte, err error) {
	if s.ended {
		return nil, errEnded
	}
	if e, ok := s.overlay.find(key); ok {
		if e.deleted {
			return nil, kv.ErrNotFound
		}
		return bytes.Clone(e.stored[checksumSize:]), nil
	}
	fault := guard(func() {
		stored := s.bucket.Get(key)
		if stored == nil {
			err = kv.ErrNotFound
			return
		}
		value, err = decode(key, stored)
	})
	if fault != nil {
		return nil, fault
	}
	return value, err
}

// store and remove change the bucket itself.
func (s *snapshot) store(key, stored []byte) (err error) {
	s.writes++
	if fault := guard(func() { err = s.bucket.Put(key, stored) }); fault != nil {
		return fault
	}
	return err
}

func (s *snapshot) remove(key []byte) (err error) {
	s.writes++
	if fault := guard(func() { err = s.bucket.Delete(key) }); fault != nil {
		return fault
	}
	return err
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
	records []record
	logs    []attached
	// before are the records of the updates before this one in the group, by log.
	before map[string][][]byte
	ops     int
	bytes   int
	// failed is the error of the first refused write. The transaction fails with it, even if its
	// function ignores the error.
	failed error
}

func newTx(base *snapshot, logs []attached, before map[string][][]byte) *tx {
	return &tx{snapshot: snapshot{bucket: base.bucket, overlay: &overlay{}}, logs: logs, before: before}
}

// Put implements [kv.Tx].
func (t *tx) Put(key, value []byte) error {
	if err := t.allow(key, len(value)); err != nil {
		return err
	}
	t.overlay.set(entry{key: bytes.Clone(key), stored: encode(key, value)})
	return nil
}

// Delete implements [kv.Tx].
func (t *tx) Delete(key []byte) error {
	if err := t.allow(key, 0); err != nil {
		return err
	}
	t.overlay.set(entry{key: bytes.Clone(key), deleted: true})
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

// A direct is the transaction in which a log integrates its records. It writes to the bucket
// directly, without limits, because it fails only with the whole commit.
type direct struct {
	*snapshot
}

// Put implements [kv.Tx].
func (d *direct) Put(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return d.store(key, encode(key, value))
}

// Delete implements [kv.Tx].
func (d *direct) Delete(key []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return d.remove(key)
}

// Append implements [kv.Tx]. It is not allowed.
func (d *direct) Append(string, []byte) error { return errAppendInLog }

// Appended implements [kv.Tx].
func (d *direct) Appended(string) int { return 0 }
