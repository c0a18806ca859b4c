package boltkv

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// A state is one committed state of the data. All its readers share one read transaction of bbolt,
// which ends with the last of them: an open read transaction keeps bbolt from reusing pages and
// from mapping the file again.
//
// bbolt promises only that one goroutine at a time uses a read transaction. In the version that is
// required here, cursors of such a transaction share nothing that changes except atomic counters,
// which the tests check with the race detector. Each reader has cursors of its own.
type state struct {
	tx *bbolt.Tx
	// id is the number of the commit that made the state.
	id      int
	buckets [rowBuckets]*bbolt.Bucket
	// refs is the number of readers, plus one while the state is the newest.
	refs    atomic.Int64
	cursors [rowBuckets]sync.Pool
	// err is the reason why the state cannot be read. Then nothing else is set.
	err error
}

// retain reports whether the state could be kept open for a reader, who must release it.
func (s *state) retain() bool {
	for {
		refs := s.refs.Load()
		if refs == 0 {
			return false
		}
		if s.refs.CompareAndSwap(refs, refs+1) {
			return true
		}
	}
}

func (s *state) release() {
	if s.refs.Add(-1) == 0 && s.tx != nil {
		// bbolt ends a read transaction by rolling it back, which has no error to report.
		_ = s.tx.Rollback()
	}
}

func (s *state) cursor(bucket int) *bbolt.Cursor {
	if c, ok := s.cursors[bucket].Get().(*bbolt.Cursor); ok {
		return c
	}
	return s.buckets[bucket].Cursor()
}

func (s *state) reuse(bucket int, c *bbolt.Cursor) { s.cursors[bucket].Put(c) }

// states hands out the newest state. That takes no lock, except while the file is mapped again.
type states struct {
	newest atomic.Pointer[state]
	// replacing is held while there is no newest state.
	replacing sync.Mutex
	// open are the states that may have readers. Only the goroutine that publishes states uses it.
	open []*state
}

// acquire returns the newest state. The caller releases it.
func (s *states) acquire() (*state, error) {
	for {
		newest := s.newest.Load()
		if newest == nil {
			newest = s.wait()
		}
		switch {
		case newest == nil:
			return nil, kv.ErrClosed
		case newest.err != nil:
			return nil, newest.err
		case newest.retain():
			return newest, nil
		}
		// It has been replaced since it was loaded.
	}
}

// wait returns the newest state once it has been replaced, or nil if the store is closed.
func (s *states) wait() *state {
	s.replacing.Lock()
	defer s.replacing.Unlock()
	return s.newest.Load()
}

// publish makes the committed state of bbolt the newest one. If it cannot be read, all reading
// fails with that error, because the previous state is no longer true.
func (s *states) publish(bolt *bbolt.DB) error {
	next := &state{}
	next.refs.Store(1)
	fault := guard(func() {
		if next.tx, next.err = bolt.Begin(false); next.err == nil {
			next.id, next.buckets = next.tx.ID(), openBuckets(next.tx)
		}
	})
	if err := errors.Join(fault, next.err); err != nil {
		next.err = fmt.Errorf("read the committed state: %w", err)
	}
	s.set(next)
	s.open = append(s.openStates(), next)
	return next.err
}

// openStates forgets the states that have ended, and returns the others.
func (s *states) openStates() []*state {
	s.open = slices.DeleteFunc(s.open, func(before *state) bool { return before.refs.Load() == 0 })
	return s.open
}

// oldest returns the number of the earliest commit whose state is still being read.
func (s *states) oldest() int {
	oldest := math.MaxInt
	for _, state := range s.openStates() {
		oldest = min(oldest, state.id)
	}
	return oldest
}

// set replaces the newest state, which stays open for its readers.
func (s *states) set(next *state) {
	if before := s.newest.Swap(next); before != nil {
		before.release()
	}
}

// without runs fn while the store itself keeps no state open. New readers wait until it returns.
func (s *states) without(fn func()) {
	s.replacing.Lock()
	defer s.replacing.Unlock()
	s.set(nil)
	fn()
}
