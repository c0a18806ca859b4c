// Package slowwork bounds how much slow work a process does at once, and shares it out.
//
// Some configurations make a message slow on purpose: PBKDF2 with two million iterations
// takes most of a second. A few such messages at once would take all processors, and
// all others would wait for them. So slow work waits in a [Queue] until it is its
// turn; there are fewer places than processors, and callers with little work never queue.
//
// # Order
//
// Workspaces have equal shares of the work, and in each its endpoints have: whose
// messages have had the least is next. The messages of one endpoint go in the order in
// which they came. Long work is done in pieces, and each waits for its turn, so that a
// workspace waits for a piece of each other one at most, whatever the others have queued.
//
// # What comes too late
//
// The queue measures how fast work is done. A message that would not be done at its
// deadline is refused at once with a [LateError], and so is one of
// which that turns out between two pieces: work that ends too late is work for nothing.
package slowwork

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A Turn is the place in line of one message. It is for one goroutine.
type Turn interface {
	// Begin ends the work before, waits until more may begin, and fails when the caller
	// went away, or with a [LateError]. Work is given in any unit that is
	// the same for all: now is what begins, later what will follow.
	Begin(now, later int) error
	// End ends the work, if any is under way.
	End()
}

// A Share is whom a message is for.
type Share struct{ Workspace, Endpoint string }

// A Queue lets work begin in turn. It may be used from many goroutines.
type Queue struct {
	mutex   sync.Mutex
	places  int // in all
	free    int
	serial  uint64 // how many have come
	waiting int
	speed   speed
	all     group // of workspaces
}

// Places returns how many places leave room for others on this machine: three quarters of
// its processors, and one at least.
func Places() int { return max(1, runtime.GOMAXPROCS(0)*3/4) }

// NewQueue returns a queue with so many places.
func NewQueue(places int) *Queue {
	return &Queue{places: places, free: places, speed: newSpeed()}
}

// For returns the turn of a message whose caller goes away when ctx ends.
func (q *Queue) For(ctx context.Context, who Share) Turn {
	return &message{queue: q, ctx: ctx, who: who}
}

// Waiting returns how many wait.
func (q *Queue) Waiting() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.waiting
}

// A message is a [Turn]. The queue's mutex guards all that is not constant.
type message struct {
	queue  *Queue
	ctx    context.Context //nolint:containedctx // a turn is of one request, as its context is
	who    Share
	serial uint64
	owes   int // work that was announced and not done
	now    int // the piece that waits or is under way
	begun  time.Time
	called chan struct{}
	state  state
}

// A state is what a message does.
type state int

const (
	away state = iota
	waits
	works
)

// Begin implements [Turn].
func (m *message) Begin(now, later int) error {
	if err := m.ctx.Err(); err != nil {
		m.End()
		return fmt.Errorf("wait for a turn: %w", err)
	}
	called, err := m.queue.join(m, max(0, now), max(0, later))
	if err != nil {
		return err
	}
	select {
	case <-called:
		return nil
	case <-m.ctx.Done():
		m.End()
		return fmt.Errorf("wait for a turn: %w", m.ctx.Err())
	}
}

// End implements [Turn].
func (m *message) End() {
	q := m.queue
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.leave(m)
	q.owe(m, 0)
	q.call()
}

// join puts a message into the line, and returns what is closed when it is its turn.
func (q *Queue) join(m *message, now, later int) (called <-chan struct{}, err error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	defer q.call()
	first := m.serial == 0
	if first {
		q.serial++
		m.serial = q.serial
	}
	q.leave(m)
	if err := q.inTime(m, now+later, first); err != nil {
		q.owe(m, 0)
		return nil, err
	}
	q.owe(m, now+later)
	m.now, m.called, m.state = now, make(chan struct{}), waits
	q.waiting++
	q.all.join(m.who.Workspace).join(m.who.Endpoint).line.add(m)
	return m.called, nil
}

// leave takes a message out of the line, or ends its work.
func (q *Queue) leave(m *message) {
	switch m.state {
	case waits:
		q.waiting--
		q.all.flow(m.who.Workspace).flow(m.who.Endpoint).line.remove(m)
	case works:
		q.free++
		q.speed.measure(m.now, time.Since(m.begun))
	}
	m.state = away
}

// owe notes how much work a message has before it.
func (q *Queue) owe(m *message, work int) {
	more := work - m.owes
	if more == 0 {
		return
	}
	m.owes = work
	workspace := q.all.flow(m.who.Workspace)
	workspace.owes += more
	workspace.flow(m.who.Endpoint).owes += more
}

// call lets those whose turn it is begin.
func (q *Queue) call() {
	for q.free > 0 && q.waiting > 0 {
		endpoint := q.all.next().next()
		m := endpoint.line.first()
		q.all.serve(m.who.Workspace, m.now)
		q.all.flow(m.who.Workspace).serve(m.who.Endpoint, m.now)
		endpoint.line.remove(m)
		q.free--
		q.waiting--
		m.state, m.begun = works, time.Now()
		close(m.called)
	}
}
