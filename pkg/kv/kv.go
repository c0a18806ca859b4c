// Package kv defines a small ordered key-value store with serializable transactions.
//
// # Promises
//
// Every backend keeps these promises. Package kvtest checks them.
//
//   - An update is atomic: all of it becomes visible and durable, or nothing.
//   - Updates are serializable, including scans: a key that is added to or deleted from a
//     range that an update scanned is a conflict.
//   - When Update returns nil, the change is on stable storage (synced), and every view that starts
//     then sees it. No view sees a change before it is on stable storage.
//   - A function passed to Update may run more than once. It assigns to variables in its
//     closure and does nothing else: no append, no send, nothing slow.
//   - An update sees its own writes, also in scans.
//   - The caller owns returned bytes, and may reuse the bytes that it passed in.
//   - Values that were corrupted on disk are reported ([ErrCorrupt]), never returned.
//   - A function that fails or panics does not affect other transactions.
//
// # Logs
//
// [Tx.Append] adds a record to a named log. The store decides the order of the records when it
// commits. The [Log] with which the store was opened runs once in each commit, and turns the
// records into sequence numbers, a Merkle tree, or a signed head.
package kv

import (
	"bytes"
	"context"
	"errors"
	"iter"
)

// Limits of one update, so that a commit stays quick and any backend can hold it.
const (
	// MaxOps is the maximum number of puts, deletes, and appends in one update.
	MaxOps = 64
	// MaxBytes is the maximum number of bytes of keys, values, and records in one update.
	MaxBytes = 1 << 20
	// MaxKey is the maximum length of a key in bytes.
	MaxKey = 4096
)

var (
	// ErrNotFound is returned by Get for a missing key.
	ErrNotFound = errors.New("kv: key not found")
	// ErrClosed is returned by a closed store.
	ErrClosed = errors.New("kv: store is closed")
	// ErrOverloaded is returned by Update if too many updates are waiting.
	ErrOverloaded = errors.New("kv: too many updates are waiting")
	// ErrFull is returned by Update if there is no space for the change.
	ErrFull = errors.New("kv: the disk is full")
	// ErrTooLarge is returned by an update that exceeds MaxOps, MaxBytes, or MaxKey.
	ErrTooLarge = errors.New("kv: transaction is too large")
	// ErrCorrupt reports a value that decayed, or that the service did not write.
	ErrCorrupt = errors.New("kv: stored value is corrupt")
)

// A PanicError wraps the value of a panic in a function passed to Update, if the function ran in a
// goroutine of the store and its stack would otherwise be lost. Its text does not repeat the
// value, which could contain anything.
type PanicError struct {
	// Value is the value of the panic.
	Value any
	// Stack is the stack of the panic, from runtime.Callers.
	Stack []uintptr
}

// Error implements error, so that a runtime.Error in it is found by errors.As.
func (*PanicError) Error() string { return "panic in a transaction" }

// Unwrap returns the value if it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// A Store is an ordered key-value store. It is safe for concurrent use.
type Store interface {
	// View runs fn on a consistent snapshot and returns its error.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits its writes, unless fn returns an error, which Update then returns.
	// If the context ends before the commit starts, nothing is written, and the error is the
	// context's. A panic of fn is raised again in the calling goroutine, as a [*PanicError] if fn ran
	// in another one. fn may run more than once. It must not call Update of the same store.
	//
	// After an error of the store itself (not an error of fn or of this package), it may be unknown
	// whether the change was committed, for example after a lost connection.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close waits for pending updates and refuses new ones with ErrClosed.
	Close() error
}

// A Reader reads one consistent state. Do not use it after the function that received it has
// returned, or from another goroutine.
type Reader interface {
	// Get returns the value of key, or ErrNotFound.
	Get(key []byte) ([]byte, error)

	// Scan yields the pairs of a range in key order, at most r.Limit of them. It ends after the first
	// error. If that is about one value, the pair has its key, so that another scan can continue
	// behind it. Pairs may share an allocation of a few KiB: copy what outlives the others.
	Scan(r Range) iter.Seq2[Pair, error]
}

// A Tx is a Reader that also writes. If a write is refused, the update fails with its error, even
// if its function ignores the error.
type Tx interface {
	Reader
	// Put sets the value of key. The key has at least one byte.
	Put(key, value []byte) error
	// Delete removes key. Deleting a missing key is not an error.
	Delete(key []byte) error
	// Append adds a record to a log of the store.
	Append(log string, record []byte) error
	// Appended returns the number of records that this commit adds to a log before the next record
	// of this update: those of the updates before it in the same commit, and its own. A record's
	// position in the log is therefore known before the commit.
	Appended(log string) int
}

// A Pair is a key and its value.
type Pair struct {
	Key, Value []byte
}

// A Range is the keys from Start up to, but not including, End. A nil End means
// no upper bound.
type Range struct {
	Start, End []byte
	// Limit is the maximum number of pairs to yield. Required: a scan with a Limit of 0 yields
	// nothing.
	Limit int
	// Reverse yields the pairs in descending order.
	Reverse bool
	// Group, if not 0, yields one pair for all keys that start with the same Group strings
	// ([Key.Text]): these strings as the key, and the value of exactly that key, or nil if there is
	// no such key. The scan passes over the other keys, and does not check their values. A key with
	// fewer strings is yielded as it is. Limit counts groups. Start and End must not split one.
	Group int
}

// Behind returns the rest of the range after the last key that a scan yielded, or all of the range
// if that is nil.
func (r Range) Behind(last []byte) Range {
	switch {
	case len(last) == 0:
	case r.Reverse:
		r.End = last
	case r.Group > 0 && bytes.Count(last, []byte{terminator}) == r.Group:
		r.Start = After(last)
	default:
		r.Start = append(append([]byte(nil), last...), 0)
	}
	return r
}

// Prefix returns the range of all keys that start with prefix.
func Prefix(prefix []byte, limit int) Range {
	return Range{Start: prefix, End: After(prefix), Limit: limit}
}

// After returns the smallest key that is greater than all keys with a prefix, or nil.
func After(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// Growing is the first byte of keys that are mostly added in ascending order, such as those of logs.
// A store may keep their rows apart from the others.
const Growing = 'l'

// A Log processes the records that transactions append.
type Log interface {
	// Integrate is called once for each commit with the records of the commit, in the order of their
	// transactions. Its writes are part of the commit and exempt from MaxOps and MaxBytes. It must
	// not call tx.Append. If it fails, the whole commit fails.
	Integrate(tx Tx, records [][]byte) error
}
