package boltkv

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// A group ends at these limits, so that its first member does not wait forever.
const (
	maxGroup      = 512
	maxGroupBytes = 8 << 20
)

// maxStack is the number of frames that are kept of a panic.
const maxStack = 48

// A request is one call of Update. It belongs to the caller until it begins, then to the writer
// until done is closed, and then to the caller again.
type request struct {
	ctx   context.Context
	fn    func(kv.Tx) error
	state atomic.Int32
	done  chan struct{}

	err      error
	panicked *kv.PanicError
	exited   bool
}

const (
	waiting int32 = iota
	begun
	abandoned
)

// begin takes the request for the writer, and abandon takes it for the caller. Only one of them
// succeeds.
func (r *request) begin() bool   { return r.state.CompareAndSwap(waiting, begun) }
func (r *request) abandon() bool { return r.state.CompareAndSwap(waiting, abandoned) }

// call runs the function. It does not return if the function ends its goroutine.
func (r *request) call(t *tx) {
	returned := false
	defer func() {
		t.end()
		if returned {
			return
		}
		value := recover()
		if value == nil {
			r.exited = true
			return
		}
		stack := make([]uintptr, maxStack)
		// Without Callers and this function. The function that panicked is still on the stack.
		r.panicked = &kv.PanicError{Value: value, Stack: stack[:runtime.Callers(2, stack)]}
	}()
	r.err = r.fn(t)
	returned = true
	if r.err == nil {
		r.err = t.failed
	}
}

func (r *request) succeeded() bool { return r.err == nil && r.panicked == nil && !r.exited }

// An attached log accepts records.
type attached struct {
	name string
	log  kv.Log
}

// write is the writer: it commits groups until the queue is closed and empty.
func (db *DB) write() {
	defer close(db.stopped)
	for first := range db.queue {
		g := &group{db: db, logs: db.attachedLogs()}
		g.run(first)
		// If that fails, the file only uses more memory. bbolt panics if it could not map the file.
		_ = guard(func() { _ = db.unlock() })
	}
}

// A group is a set of requests that are committed together.
type group struct {
	db      *DB
	logs    []attached
	bolt    *bbolt.Tx
	base    snapshot
	members []*request
	records map[string][][]byte
	bytes   int
	dirty   bool
	err     error
}

// run executes a group that starts with first, and completes its members.
func (g *group) run(first *request) {
	g.err = g.begin()
	g.fill(first)
	err := g.commit()
	for _, r := range g.members {
		if err != nil {
			// Whatever the function returned, it may have seen changes that are now undone.
			r.err = err
		}
		close(r.done)
	}
}

func (g *group) begin() (err error) {
	if g.db.broken != nil {
		return g.db.broken
	}
	if g.bolt, err = g.db.bolt.Begin(true); err != nil {
		return fmt.Errorf("begin update: %w", err)
	}
	return g.base.begin(g.bolt)
}

// fill runs requests until none is waiting or the group is full. They run in their own goroutine,
// because a function may end it (runtime.Goexit).
func (g *group) fill(first *request) {
	for next := first; next != nil; next = g.take() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ; next != nil; next = g.take() {
				g.member(next)
			}
		}()
		<-done
	}
}

// take returns the next waiting request, or nil if the group ends here.
func (g *group) take() *request {
	if g.err != nil || len(g.members) >= maxGroup || g.bytes >= maxGroupBytes {
		return nil
	}
	select {
	case r := <-g.db.queue: // nil when the queue is closed
		return r
	default:
		return nil
	}
}

// member runs one request and, if it succeeds, adds it to the group.
func (g *group) member(r *request) {
	if !r.begin() {
		return
	}
	if r.err = r.ctx.Err(); r.err != nil {
		close(r.done)
		return
	}
	g.members = append(g.members, r)
	if g.err != nil {
		return
	}
	t := newTx(&g.base, g.logs, g.records)
	r.call(t)
	if r.succeeded() {
		g.apply(t)
	}
}

// apply copies the writes of a transaction to the bbolt transaction of the group.
func (g *group) apply(t *tx) {
	for _, e := range t.overlay.entries {
		if g.err != nil {
			return
		}
		g.dirty = true
		if e.deleted {
			g.err = g.base.remove(e.key)
		} else {
			g.err = g.base.store(e.key, e.stored)
		}
	}
	for _, rec := range t.records {
		g.dirty = true
		if g.records == nil {
			g.records = make(map[string][][]byte)
		}
		g.records[rec.log] = append(g.records[rec.log], rec.data)
	}
	g.bytes += t.bytes
}

// commit makes the group durable, or undoes all of it.
func (g *group) commit() error {
	// After a commit, rolling back does nothing.
	defer g.rollback()
	if g.err != nil || !g.dirty {
		return g.err
	}
	if err := g.integrate(); err != nil {
		return err
	}
	if g.db.beforeCommit != nil {
		if err := g.db.beforeCommit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	var err error
	if fault := guard(func() { err = g.bolt.Commit() }); fault != nil {
		// bbolt was interrupted at an unknown point, and its list of free pages may be wrong. It can
		// still read but must not write.
		g.db.broken = fmt.Errorf("commit: %w", fault)
		return g.db.broken
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (g *group) rollback() {
	if g.bolt == nil {
		return
	}
	if fault := guard(func() { _ = g.bolt.Rollback() }); fault != nil {
		g.db.broken = fmt.Errorf("roll back: %w", fault)
	}
}

// integrate passes to each log the records that the group appended to it.
func (g *group) integrate() error {
	for _, a := range g.logs {
		records := g.records[a.name]
		if len(records) == 0 {
			continue
		}
		if err := a.integrate(&direct{snapshot: &g.base}, records); err != nil {
			return fmt.Errorf("integrate log %s: %w", a.name, err)
		}
	}
	return nil
}

// integrate converts a panic to an error, because the writer must survive it.
func (a attached) integrate(tx kv.Tx, records [][]byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return a.log.Integrate(tx, records)
}

func (db *DB) attachedLogs() []attached {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.logs
}
