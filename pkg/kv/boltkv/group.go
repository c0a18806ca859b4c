package boltkv

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/keyward/keyward/pkg/kv"
)

// A group ends at these limits, so that its first member does not wait forever.
const (
	maxGroup      = 512
	maxGroupBytes = 8 << 20
)

// maxStack is the number of frames that are kept of a panic.
const maxStack = 48

// A request is one call of Update. It belongs to the caller until it begins, then to the stages
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

// begin takes the request for the store, and abandon takes it for the caller. Only one of them
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

func (db *DB) attachedLogs() []attached {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.logs
}

// prepare is the first stage. It makes groups until the queue is closed and empty.
func (db *DB) prepare() {
	defer close(db.prepared)
	debug.SetPanicOnFault(true)
	var previous *group
	for first := range db.queue {
		g := newGroup(db, previous)
		g.fill(first)
		g.integrate()
		g.settle()
		db.prepared <- g
		previous = g
	}
}

// A group is a set of requests that are committed together. It belongs to the first stage and then
// to the second.
type group struct {
	db   *DB
	logs []attached
	// previous is the group that is being committed while this one is prepared, or nil.
	previous *group
	members  []*request
	// writes are those of all members that succeeded, and of the logs.
	writes  *overlay
	records map[string][][]byte
	bytes   int
	// err is the outcome for all members.
	err error
	// finished is closed after the commit, when its outcome is visible.
	finished chan struct{}
}

func newGroup(db *DB, previous *group) *group {
	g := &group{
		db: db, logs: db.attachedLogs(), previous: previous,
		writes: newOverlay(), records: make(map[string][][]byte), finished: make(chan struct{}),
	}
	if previous != nil && previous.isFinished() {
		g.previous = nil
	}
	return g
}

// fill runs requests until the group ends. They run in their own goroutine, because a function may
// end it (runtime.Goexit).
func (g *group) fill(first *request) {
	for next := first; next != nil; next = g.next() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			debug.SetPanicOnFault(true)
			for ; next != nil; next = g.next() {
				g.member(next)
			}
		}()
		<-done
	}
}

// next returns the next request, or nil if the group ends here: when it is full, or when the second
// stage is ready for it and no request is waiting.
func (g *group) next() (r *request) {
	if g.full() {
		return nil
	}
	if g.previous != nil {
		select {
		case r = <-g.db.queue: // nil when the queue is closed
		case <-g.previous.finished:
		}
	}
	if g.previous != nil && g.previous.isFinished() {
		g.settle()
		// The members of the previous group are about to run, and some return with their next update.
		runtime.Gosched()
	}
	if r != nil || g.previous != nil {
		return r
	}
	select {
	case r = <-g.db.queue:
		return r
	default:
		return nil
	}
}

func (g *group) full() bool {
	return g.err != nil || len(g.members) >= maxGroup || g.bytes >= maxGroupBytes
}

// settle waits for the previous group. If that has failed, the members fail with it, and the group
// starts over. A request that is made after the failure does not fall.
func (g *group) settle() {
	if g.previous == nil {
		return
	}
	<-g.previous.finished
	if err := g.previous.err; err != nil {
		g.complete(err)
		*g = *newGroup(g.db, nil)
	}
	g.previous = nil
}

func (g *group) isFinished() bool {
	select {
	case <-g.finished:
		return true
	default:
		return false
	}
}

// complete lets the members return, with err if it is not nil.
func (g *group) complete(err error) {
	for _, r := range g.members {
		if err != nil {
			// Whatever the function returned, it may have seen changes that are now undone.
			r.err = err
		}
		close(r.done)
	}
}

// member runs one request and, if it succeeds, adds its writes to the group.
func (g *group) member(r *request) {
	if !r.begin() {
		return
	}
	if r.err = r.ctx.Err(); r.err != nil {
		close(r.done)
		return
	}
	g.members = append(g.members, r)
	t := newTx(g.logs, g.layers(), g.records)
	if r.err = g.begin(&t.snapshot); r.err != nil {
		return
	}
	r.call(t)
	if r.succeeded() {
		g.add(t)
	}
}

// layers returns the writes that the next function sees in addition to the committed state.
func (g *group) layers() []*overlay {
	if g.previous == nil {
		return []*overlay{g.writes}
	}
	return []*overlay{g.writes, g.previous.writes}
}

// begin lets a snapshot read the newest state. While the previous group is being committed, that
// state changes from the one before it to the one with it, which are the same below its writes.
// No state is held between functions, because mapping the file again waits for all readers.
func (g *group) begin(s *snapshot) error { return g.db.begin(s) }

func (g *group) add(t *tx) {
	t.writes.all(func(e entry) bool {
		g.writes.set(e)
		return true
	})
	for _, rec := range t.records {
		g.records[rec.log] = append(g.records[rec.log], rec.data)
	}
	g.bytes += t.bytes
}

// integrate passes to each log the records that the group appended to it.
func (g *group) integrate() {
	for _, a := range g.logs {
		records := g.records[a.name]
		if len(records) == 0 || g.err != nil {
			continue
		}
		if err := g.integrateOne(a, records); err != nil {
			g.err = fmt.Errorf("integrate log %s: %w", a.name, err)
		}
	}
}

// integrateOne converts a panic to an error, because the stage must survive it.
func (g *group) integrateOne(a attached, records [][]byte) (err error) {
	d := &direct{snapshot: snapshot{layers: g.layers()}, writes: g.writes}
	if err := g.begin(&d.snapshot); err != nil {
		return err
	}
	defer d.end()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return a.log.Integrate(d, records)
}
