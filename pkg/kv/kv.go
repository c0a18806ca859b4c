// Package kv is an ordered key-value store with serializable transactions, as
// small as the services need it.
//
// # Promises
//
// They hold for every backend; package kvtest checks them.
//
//   - An update is atomic: all of it is visible and durable, or none.
//   - Updates are serializable, scans included: a key that is put into or deleted
//     from a range that an update scanned counts as a conflict.
//   - When Update returns nil, the change is on stable storage (synced).
//   - A function given to Update may run more than once. It assigns to the
//     variables around it and does nothing else: no append, no send, nothing slow.
//   - An update sees its own writes, in scans too.
//   - Bytes that come out belong to the caller; bytes that go in may be reused.
//   - Values that rotted on disk are reported ([ErrCorrupt]), never returned.
//   - A failing or panicking function affects nobody else's transaction.
//
// # Logs
//
// [Tx.Append] adds a record to a named log whose order the store decides when it
// commits. What the log makes of its records (sequence numbers, a Merkle tree, a
// signed head) is the business of the [Log] that the store was opened with, which
// runs once per commit, inside it.
package kv

import (
	"context"
	"errors"
	"iter"
)

// Limits of one update, so that a commit stays quick and any backend can hold it.
const (
	// MaxOps is how many puts, deletes and appends one update may make.
	MaxOps = 64
	// MaxBytes is how many bytes of keys, values and records one update may write.
	MaxBytes = 1 << 20
	// MaxKey is the longest key in bytes.
	MaxKey = 4096
)

var (
	// ErrNotFound is returned by Get for a key that is not there.
	ErrNotFound = errors.New("kv: key not found")
	// ErrClosed is returned by a store that was closed.
	ErrClosed = errors.New("kv: store is closed")
	// ErrOverloaded is returned by Update when too many updates wait already.
	ErrOverloaded = errors.New("kv: too many updates are waiting")
	// ErrTooLarge is returned by an update that exceeds MaxOps, MaxBytes or MaxKey.
	ErrTooLarge = errors.New("kv: transaction is too large")
	// ErrCorrupt is in the chain of the error for a value that fails its checksum.
	ErrCorrupt = errors.New("kv: stored value is corrupt")
)

// A PanicError is the value of a panic that a function given to Update raised in a
// goroutine of the store, where its stack has been lost when the caller sees it. Its
// text does not repeat the value, which could hold anything.
type PanicError struct {
	// Value is what the function panicked with.
	Value any
	// Stack is where, as runtime.Callers tells it.
	Stack []uintptr
}

// Error implements error, so that a runtime.Error in it is found by errors.As.
func (*PanicError) Error() string { return "panic in a transaction" }

// Unwrap returns the value if it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// A Store is an ordered key-value store. It may be used from many goroutines.
type Store interface {
	// View runs fn on a consistent snapshot and returns its error.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits what it wrote, unless fn returns an error, which
	// Update then returns. A context that ends before the commit began means that
	// nothing was written; the error is then the context's. A panic of fn is
	// raised again in the calling goroutine, as a [*PanicError] if fn ran in another
	// one. fn may run more than once. It must
	// not call Update of the same store.
	//
	// An error of the store itself (not fn's, and not one of this package) may
	// leave open whether the change was committed, as a lost connection does.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close waits for the updates under way and refuses new ones with ErrClosed.
	Close() error
}

// A Reader reads one consistent state. It is not to be used after the function
// it was given to has returned, nor from another goroutine.
type Reader interface {
	// Get returns the value of key, or ErrNotFound.
	Get(key []byte) ([]byte, error)

	// Scan yields the pairs of a range in key order, at most r.Limit of them. It
	// ends after the first error.
	Scan(r Range) iter.Seq2[Pair, error]
}

// A Tx is a Reader that also writes. The error of a write that is refused is also
// that of the update, even if its function ignores it.
type Tx interface {
	Reader
	// Put sets the value of key, which has at least one byte.
	Put(key, value []byte) error
	// Delete removes key; it is no error if there is none.
	Delete(key []byte) error
	// Append adds a record to a log that the store was opened with.
	Append(log string, record []byte) error
}

// A Pair is a key and its value.
type Pair struct {
	Key, Value []byte
}

// A Range is the keys from Start up to, but not including, End. A nil End means
// no upper bound.
type Range struct {
	Start, End []byte
	// Limit is the greatest number of pairs to yield. It is required: a scan
	// with a Limit of 0 yields nothing.
	Limit int
	// Reverse yields from the greatest key down.
	Reverse bool
}

// Prefix returns the range of all keys that start with prefix.
func Prefix(prefix []byte, limit int) Range {
	return Range{Start: prefix, End: After(prefix), Limit: limit}
}

// After returns the smallest key that is greater than all keys that start with
// prefix, or nil.
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

// A Log makes something durable of the records that transactions append.
type Log interface {
	// Integrate is called once per commit with the records of that commit, in
	// the order of their transactions. What it writes is part of the commit and
	// not bound by MaxOps and MaxBytes; tx.Append is not allowed. If it fails,
	// the whole commit fails.
	Integrate(tx Tx, records [][]byte) error
}
