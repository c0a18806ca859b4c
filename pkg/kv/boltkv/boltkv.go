// Package boltkv is a [kv.Store] in one file, held by one process.
//
// It stands on bbolt, a B+ tree that is copied on write, and adds what the
// promises of package kv need.
//
// # Group commit
//
// A commit costs one or two syncs of the disk, however much it holds. So one
// goroutine, the writer, takes every update that waits, runs the functions one
// after the other inside a single bbolt transaction, and commits them together.
// Nobody waits for a group to fill: the next group is what gathered while the
// disk was busy with the last one. bbolt's own Batch waits instead, and runs all
// its members again when one of them fails.
//
// Each function writes to an overlay, which reaches the transaction only if the
// function succeeds. So a function that fails, panics or writes too much leaves
// no trace, and the others in its group do not notice. All of a group are
// answered after its commit, the failed ones too: what made them fail may have
// been written by another member of the group.
//
// The functions run one at a time in one order, which makes updates serializable
// without any conflict. A function given to Update must not call Update or Close:
// the writer would wait for itself. Nor must one given to View, since a file that
// is mapped anew waits for the views; and since a view that begins meanwhile waits
// for that, it must not begin another View, nor wait for who does.
//
// # Integrity
//
// bbolt protects its two root pages by a checksum but nothing else, so every
// value is stored behind a CRC-32C of its key and itself. [Open] walks the whole
// tree before bbolt sees it, because bbolt ends the process when it meets a
// damaged page while it looks for the free ones. A page that the disk cannot read
// later is an error of the operation that needs it.
//
// A new file is written under a temporary name, synced, and then linked to its own.
// A link, unlike a rename, never replaces the store of another process that starts
// for the first time as well.
//
// # What was deleted
//
// bbolt never writes where it wrote before, but frees pages and uses them again when it
// needs some. Until then they are in the file as they were, with what has since been
// replaced or deleted. [Compact] writes a file without them.
//
// # Failure of the disk
//
// If a commit fails, all updates of its group fail with the same error and the
// store goes back to the state before. As with any database, an error of the
// last sync leaves open whether the disk took the commit.
package boltkv

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
)

// Options adjusts a store. The zero value is right for production.
type Options struct {
	// Queue is how many updates may wait; one more gets kv.ErrOverloaded. 0 means 4,096.
	Queue int
	// MapSize is how much address space, not memory, is set aside for the file.
	// A file that outgrows it waits once for all views to end, to be mapped
	// anew. 0 means 1 GiB.
	MapSize int
	// LockTimeout is how long to wait for another process to let go of the file.
	// 0 means one second, which is enough to take over in a restart.
	LockTimeout time.Duration
	// BeforeCommit is for fault injection. If it is set, it runs before each
	// commit, in the writer, and its error makes the commit fail.
	BeforeCommit func() error
}

func (o Options) withDefaults() Options {
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.MapSize <= 0 {
		o.MapSize = 1 << 30
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	return o
}

// A DB is an open store. It implements [kv.Store].
type DB struct {
	bolt         *bbolt.DB
	beforeCommit func() error

	// mu guards the queue against a send after its close, and logs.
	mu     sync.RWMutex
	closed atomic.Bool
	queue  chan *request
	logs   []attached

	// broken is why no commit can be trusted any more. Only the writer uses it.
	broken error
	// mapped is where the file is in memory. Only the writer uses it.
	mapped uintptr

	closeOnce sync.Once
	stopped   chan struct{}
	closeErr  error
}

var _ kv.Store = (*DB)(nil)

// Open opens the store at path, and creates it if nothing is there.
//
// The error wraps [ErrLocked] if another process holds the file, [ErrForeign] if
// it is not a Keyward store, [ErrNewer] if a newer version wrote it, and
// [kv.ErrCorrupt] if it is damaged.
func Open(path string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	bolt, err := openFile(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db := &DB{
		bolt:         bolt,
		beforeCommit: opts.BeforeCommit,
		queue:        make(chan *request, opts.Queue),
		stopped:      make(chan struct{}),
	}
	if err := db.unlock(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), bolt.Close())
	}
	go db.write()
	return db, nil
}

// unlock keeps the file from being locked into memory, for which it may be too large, with
// the rest of a program that locks all it has. The file is mapped again when it has grown.
func (db *DB) unlock() error {
	at := db.bolt.Info().Data
	if at == db.mapped {
		return nil
	}
	db.mapped = at
	return memory.Unlock(at)
}

// Attach gives the log of that name, on which [kv.Tx.Append] fails until then.
// It is called before the store is used.
func (db *DB) Attach(name string, log kv.Log) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.logs = append(db.logs, attached{name: name, log: log})
}

// View implements [kv.Store]. Views never wait for updates, nor updates for them.
func (db *DB) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.closed.Load() {
		return kv.ErrClosed
	}
	tx, err := db.bolt.Begin(false)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return kv.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("begin view: %w", err)
	}
	// Rolling back is how bbolt ends a read; it has no error to report.
	defer func() { _ = tx.Rollback() }()

	s := &snapshot{}
	if err := s.begin(tx); err != nil {
		return err
	}
	defer s.end()
	return fn(s)
}

// Update implements [kv.Store]. When ctx ends before fn began, fn is not run; when
// fn has begun, Update waits for the outcome, which takes one commit.
func (db *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := db.enqueue(r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.abandon() {
			return ctx.Err()
		}
		<-r.done
	}
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case r.exited:
		// fn called runtime.Goexit, as testing.T.FailNow does, and meant this goroutine.
		runtime.Goexit()
	}
	return r.err
}

func (db *DB) enqueue(r *request) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed.Load() {
		return kv.ErrClosed
	}
	select {
	case db.queue <- r:
		return nil
	default:
		return kv.ErrOverloaded
	}
}

// Close implements [kv.Store]: it waits for the updates in the queue and for the
// views under way. Further calls wait for the first and return its error.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.mu.Lock()
		db.closed.Store(true)
		close(db.queue)
		db.mu.Unlock()

		<-db.stopped
		if err := db.bolt.Close(); err != nil {
			db.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return db.closeErr
}
