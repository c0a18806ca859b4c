// Package slowwork limits the amount of concurrent slow work in a process, and shares it fairly.
//
// Some configurations make messages slow on purpose: PBKDF2 with two million iterations takes
// most of a second. A few such messages at once would occupy all processors, and all other
// messages would wait for them. So slow work waits for its turn in a [Queue], which has fewer
// places than there are processors. Callers with little work never queue.
//
// # Order
//
// Workspaces get equal shares of the work, and so do the endpoints of each workspace. The next
// message belongs to the endpoint that has received the least. The messages of one endpoint run
// in the order of their arrival. Long work is done in pieces, each of which waits for its turn.
// So a workspace waits for at most one piece of each other workspace, whatever the others have
// queued.
//
// # Deadlines
//
// The queue measures how fast work is done. It refuses a message that cannot be done by its
// deadline with a [LateError]: immediately on arrival, or between two pieces as soon as that is
// clear. Work that ends too late is wasted.
package slowwork

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A Turn is the place of one message in the queue. It is not safe for concurrent use.
type Turn interface {
	// Begin ends the previous piece of work and waits until the next may begin. It fails if the
	// caller went away, or with a [LateError]. Now is the work that begins, and later is the
	// work that will follow, in any unit that all callers share.
	Begin(now, later int) error
	// End ends the work in progress, if any.
	End()
}

// A Share identifies the workspace and endpoint of a message.
type Share struct{ Workspace, Endpoint string }

// A Queue schedules work in turns. It is safe for concurrent use.
type Queue struct {
	mutex   sync.Mutex
	places  int // total number
	free    int
	serial  uint64 // number of arrivals
	waiting int
	speed   speed
	all     group // the flows of the workspaces
}

// Places returns the number of places that leaves processors for other work on this machine:
// three quarters of the processors, and at least one.
func Places() int { return max(1, runtime.GOMAXPROCS(0)*3/4) }

// NewQueue returns a queue with the given number of places.
func NewQueue(places int) *Queue {
	return &Queue{places: places, free: places, speed: newSpeed()}
}

// For returns the turn of a message. Its caller goes away when ctx ends.
func (q *Queue) For(ctx context.Context, who Share) Turn {
	return &message{queue: q, ctx: ctx, who: who}
}

// Waiting returns the number of waiting messages.
func (q *Queue) Waiting() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.waiting
}

// A message is a [Turn]. The queue's mutex guards all fields that are not constant.
type message struct {
	queue  *Queue
	ctx    context.Context //nolint:containedctx // a turn belongs to one request, like its context
	who    Share
	serial uint64
	owes   int // announced work that is not done yet
	now    int // the piece that waits or is in progress
	begun  time.Time
	called chan struct{}
	state  state
}

// A state is the current activity of a message.
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

// join puts a message into the queue, and returns a channel that is closed when its turn comes.
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

// leave removes a message from the queue, or ends its work.
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

// owe records how much work a message still has to do.
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

// call starts the messages whose turn it is.
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
