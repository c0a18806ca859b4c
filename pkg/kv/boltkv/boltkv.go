// Package boltkv implements [kv.Store] in one file that one process holds.
//
// It is based on bbolt, a copy-on-write B+ tree, and adds what the promises of package kv require.
//
// # Group commit
//
// A commit costs one or two syncs of the disk, whatever its size. Waiting updates are therefore
// committed together, in two stages, each a goroutine. The first stage prepares a group: it runs
// the functions of the updates one after the other, and lets the logs integrate their records. The
// second stage applies the writes of the group to one bbolt transaction and commits it, while the
// first prepares the next group. A group takes updates until the second stage is ready for it.
// Updates do not wait for a group to fill. bbolt's own Batch waits instead, and runs all functions
// again when one of them fails.
//
// Each function writes to an overlay, which becomes part of the group only if the function
// succeeds. A function that fails, panics, or writes too much leaves no trace and does not affect
// the others in its group. All members of a group return after its commit, including those that
// failed, because another member may have written the data that made them fail.
//
// A function sees the writes of its group and of the group that is being committed, which no view
// sees yet. If that commit fails, the group that was prepared during it fails too.
//
// The functions run one at a time in one order, so updates are serializable without conflicts. A
// function passed to Update must not call Update or Close, because the first stage would wait for
// itself. The same holds for a function passed to View, because remapping the file waits for all
// views. A view must not start another View, or wait for code that does, because a new view waits
// for the remapping.
//
// # Format
//
// The file has three buckets. The bucket log has the rows whose keys start with [kv.Growing], and the
// bucket data has all others. Growing keys are added at the end, so the pages of log are filled, while those
// of data keep room for rows in between. A scan reads the buckets one after the other, so that the
// keys remain in one order. The bucket meta has the name and the version of the format.
//
// # Integrity
//
// bbolt protects only its two root pages with a checksum, so every row is stored with a MAC of its
// key and value ([DB.Authenticate]), or with a CRC-32C until the store has the secret for MACs. [Open]
// checks the whole tree before bbolt uses it, because bbolt ends the process if it meets a damaged page
// while it searches for free pages. The check finds the free pages too and writes their list for bbolt,
// which then does not search. A page that the disk cannot read later is an error of the operation that
// needs it. [OpenReadOnly] examines a file more closely, and names each damaged page.
//
// A root page that decays makes bbolt use the other one. In a file that was closed, and in one that was
// opened and not changed since, both describe the same state, so nothing is lost. Between a commit and the
// next opening after a crash, the other root page describes the state before the last commit.
//
// A new file is written under a temporary name, synced, and then linked to its name. Unlike a
// rename, a link never replaces the store of another process that also starts for the first time.
//
// # Deleted data
//
// bbolt never overwrites a page in place. It frees pages and reuses them later. Until then,
// replaced or deleted data remains in the file. [DB.Purge] overwrites the free pages of a store in use
// with zeros. [Compact] writes a file without them.
//
// The store knows which pages each commit has freed. They are overwritten once no open reader sees
// them and a later commit has replaced the older one of the two root pages, the one to which bbolt returns if
// the newest was not written completely. The pages are then in neither tree, and only the second stage could
// use them again, which overwrites them between two commits. So a process can end at any moment: a
// page without a reader is either as it was, or zero. Of the pages that are free when the store is opened,
// the store does not know the content. The first purge reads them.
//
// # Disk failures
//
// If a commit fails, all updates of its group and of the group that was prepared during it fail
// with the same error, and the store returns to the last committed state. As with any database, after an
// error of the last sync it is unknown whether the disk stored the commit.
//
// The error of an update or a purge that fails because the disk is full wraps [kv.ErrFull]. Views
// continue. The store tries each further update, and looks for free space by itself, see [DB.Full].
package boltkv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
)

// minMapSize is twice the step in which bbolt extends a file.
const minMapSize = 32 << 20

// Options adjusts a store. Use the zero value in production.
type Options struct {
	// Queue is the maximum number of waiting updates. Further updates fail with kv.ErrOverloaded.
	// Default: 4,096.
	Queue int
	// MapSize is the address space, not memory, that is reserved for the file. A file that outgrows
	// it waits once for all views to end, and is then mapped again. Default: 1 GiB. Minimum: 32 MiB.
	MapSize int
	// LockTimeout is the time to wait until another process releases the file. Default: one second,
	// which is enough for a restart.
	LockTimeout time.Duration
	// DiskInterval is the time between two measurements of the disk, and between two attempts to write to a
	// disk that is full. Default: 5 seconds.
	DiskInterval time.Duration
	// BeforeCommit injects faults. If it is set, it is called before each commit, and its error
	// makes the commit fail.
	BeforeCommit func() error

	readOnly bool
}

func (o Options) withDefaults() Options {
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.MapSize <= 0 {
		o.MapSize = 1 << 30
	}
	o.MapSize = max(o.MapSize, minMapSize)
	if o.DiskInterval <= 0 {
		o.DiskInterval = diskInterval
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	return o
}

// A DB is an open store. It implements [kv.Store].
type DB struct {
	bolt     *bbolt.DB
	readOnly bool
	// file is the open file of bolt.
	file         *os.File
	rows         atomic.Pointer[rows]
	states       states
	mapSize      int
	beforeCommit func() error

	disk disk

	// mu guards logs, and the queue against a send after its close.
	mu     sync.RWMutex
	closed atomic.Bool
	queue  chan *request
	logs   []attached

	// prepared passes groups from the first stage to the second.
	prepared chan *group
	// broken is the reason why commits can no longer be trusted. Only the second stage uses it.
	broken error
	// committed is the number of the last commit, and opened that of the last one before the store was
	// opened. Only the second stage uses them.
	committed, opened int

	// passes takes purges to the second stage, each for one step. Only that stage uses pages.
	passes chan *pass
	pages  *pages
	// pending is the number of bytes that may still have to be erased.
	pending atomic.Int64
	// unsynced means that zeros were written that may not be on disk.
	unsynced atomic.Bool
	// syncing is held until they are.
	syncing sync.Mutex

	closeOnce sync.Once
	stopped   chan struct{}
	closeErr  error
}

var _ kv.Store = (*DB)(nil)

// Open opens the store at path, and creates it if it does not exist.
//
// The error wraps [ErrLocked] if another process holds the file, [ErrForeign] if it is not a
// Keyward store, [ErrEarlier] or [ErrNewer] if an earlier or a newer version wrote it, and
// [kv.ErrCorrupt] if it is damaged.
func Open(path string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	opened, err := openFile(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return start(path, opened, opts)
}

// start returns the store in an open file.
func start(path string, opened opened, opts Options) (*DB, error) {
	db := &DB{
		bolt:         opened.DB,
		file:         opened.file,
		readOnly:     opts.readOnly,
		passes:       make(chan *pass),
		mapSize:      opts.MapSize,
		beforeCommit: opts.BeforeCommit,
		queue:        make(chan *request, opts.Queue),
		prepared:     make(chan *group),
		stopped:      make(chan struct{}),
		disk:         disk{path: path, stop: make(chan struct{}), stopped: make(chan struct{})},
	}
	db.rows.Store(new(rows))
	if err := errors.Join(db.unlock(), db.learn(opened.used), db.publish()); err != nil {
		db.states.set(nil)
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.bolt.Close())
	}
	db.opened = db.committed
	go db.watchDisk(opts.DiskInterval)
	go db.prepare()
	go db.commit()
	return db, nil
}

// unlock exempts the file, which may be larger than the memory, from the memory lock of the
// program. Each mapping needs it.
func (db *DB) unlock() error { return memory.Unlock(db.bolt.Info().Data) }

// Attach attaches the log with a name. Until then, [kv.Tx.Append] to that log fails. Call it
// before the store is used.
func (db *DB) Attach(name string, log kv.Log) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.logs = append(db.logs, attached{name: name, log: log})
}

// Authenticate makes the store write rows with MACs, and refuse rows without. It exempts the rows
// whose keys start with a prefix, such as those with the wrapped keys from which the authenticator's
// secrets derive; they keep their checksums. The first call comes before the store is used for other
// rows. Further calls replace the authenticator of a running store, from the next transaction on. The
// new one must read all generations that [DB.Generations] counts, and the exempt rows must be the same.
func (db *DB) Authenticate(a *kv.Authenticator, except []byte) {
	db.rows.Store(&rows{authenticator: a, except: except})
}

// View implements [kv.Store]. Views and updates never wait for each other.
func (db *DB) View(ctx context.Context, fn func(kv.Reader) error) error {
	return db.view(ctx, func(s *snapshot) error { return fn(s) })
}

func (db *DB) view(ctx context.Context, fn func(*snapshot) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.closed.Load() {
		return kv.ErrClosed
	}
	var s snapshot
	if err := db.begin(&s); err != nil {
		return err
	}
	defer s.end()
	// Reading a damaged disk raises faults, see guard.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return fn(&s)
}

// begin lets a snapshot read the newest state, with an authenticator that was in use when the state was
// the newest one. A later one may lack a generation of the state, and an earlier one the newest.
func (db *DB) begin(s *snapshot) error {
	for {
		rows := db.rows.Load()
		base, err := db.states.acquire()
		if err != nil {
			return err
		}
		if rows == db.rows.Load() {
			s.begin(base, rows)
			return nil
		}
		base.release()
	}
}

// Update implements [kv.Store]. If ctx ends before fn starts, fn does not run. After fn has
// started, Update waits for the result, which takes one commit.
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
		// fn called runtime.Goexit, as testing.T.FailNow does, to end this goroutine.
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
	if db.readOnly {
		return ErrReadOnly
	}
	select {
	case db.queue <- r:
		return nil
	default:
		return kv.ErrOverloaded
	}
}

// Close implements [kv.Store]: it waits for queued updates and running views. Further calls wait
// for the first and return its error.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.mu.Lock()
		db.closed.Store(true)
		close(db.queue)
		db.mu.Unlock()

		<-db.stopped
		close(db.disk.stop)
		<-db.disk.stopped
		db.states.set(nil)
		db.settle()
		if err := db.bolt.Close(); err != nil {
			db.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return db.closeErr
}
