// Package turn bounds how much slow work a process does at once.
//
// Some configurations make a message slow on purpose: PBKDF2 with two million iterations
// takes most of a second. A few such messages at once would take all processors, and
// everybody else would wait for them. So slow work waits in a [Queue] until it is its
// turn; there are fewer places than processors, and who does little never queues.
//
// # Order
//
// The lighter go first: of a heap of heavy messages and a lighter one of another endpoint,
// the lighter is next. Nobody waits for ever: each is due when as much work has been begun
// since it came as it takes itself, and who is due first goes first. So what is overtaking
// it in all is about as much work as its own.
package turn

import (
	"container/heap"
	"context"
	"fmt"
	"runtime"
	"sync"
)

// A Turn waits until work may begin, whose amount is given in any unit that is the same
// for all, and returns what ends it. It fails when whoever asked went away.
type Turn func(work int) (done func(), err error)

// A Queue lets work begin in turn. It may be used from many goroutines.
type Queue struct {
	mutex  sync.Mutex
	free   int    // places
	begun  uint64 // how much work has begun
	serial uint64 // how many have waited
	queued waiters
}

// Places returns how many places leave room for others on this machine: half of its
// processors, and one at least.
func Places() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// NewQueue returns a queue with so many places.
func NewQueue(places int) *Queue { return &Queue{free: places} }

// For returns the turn of a caller who goes away when ctx ends.
func (q *Queue) For(ctx context.Context) Turn {
	return func(work int) (func(), error) {
		if err := q.wait(ctx, uint64(max(0, work))); err != nil {
			return nil, fmt.Errorf("wait for a turn: %w", err)
		}
		return sync.OnceFunc(q.leave), nil
	}
}

// Waiting returns how many wait.
func (q *Queue) Waiting() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return len(q.queued)
}

func (q *Queue) wait(ctx context.Context, work uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mutex.Lock()
	if q.free > 0 { // then nobody waits
		q.free--
		q.begun += work
		q.mutex.Unlock()
		return nil
	}
	q.serial++
	w := &waiter{work: work, due: q.begun + work, serial: q.serial, called: make(chan struct{})}
	heap.Push(&q.queued, w)
	q.mutex.Unlock()
	select {
	case <-w.called:
		return nil
	case <-ctx.Done():
		return q.withdraw(ctx, w)
	}
}

// withdraw takes a waiter who went away out of the queue. If it was called just then, its
// place is for the next.
func (q *Queue) withdraw(ctx context.Context, w *waiter) error {
	q.mutex.Lock()
	waits := w.at >= 0
	if waits {
		heap.Remove(&q.queued, w.at)
	}
	q.mutex.Unlock()
	if !waits {
		q.leave()
	}
	return ctx.Err()
}

// leave gives a place to the next.
func (q *Queue) leave() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.queued) == 0 {
		q.free++
		return
	}
	w := heap.Pop(&q.queued).(*waiter) //nolint:forcetypeassert // the heap holds nothing else
	q.begun += w.work
	close(w.called)
}

// A waiter waits for its turn.
type waiter struct {
	work, due, serial uint64
	called            chan struct{}
	at                int // in the heap, or -1
}

// waiters are a heap by who is due first.
type waiters []*waiter

// Len implements [heap.Interface].
func (w waiters) Len() int { return len(w) }

// Less implements [heap.Interface].
func (w waiters) Less(i, j int) bool {
	if w[i].due != w[j].due {
		return w[i].due < w[j].due
	}
	return w[i].serial < w[j].serial
}

// Swap implements [heap.Interface].
func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].at, w[j].at = i, j
}

// Push implements [heap.Interface].
func (w *waiters) Push(x any) {
	added := x.(*waiter) //nolint:forcetypeassert // heap.Push is called with nothing else
	added.at = len(*w)
	*w = append(*w, added)
}

// Pop implements [heap.Interface].
func (w *waiters) Pop() any {
	last := len(*w) - 1
	taken := (*w)[last]
	taken.at = -1
	(*w)[last] = nil
	*w = (*w)[:last]
	return taken
}
