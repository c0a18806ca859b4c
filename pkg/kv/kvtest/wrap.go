package kvtest

import (
	"context"
	"errors"
	"sync"

	"github.com/keyward/keyward/pkg/kv"
)

// Rerun returns a store that runs each function given to Update twice, as an
// optimistic store does in a conflict: it discards what the first run wrote and
// returned. A function that appends to a variable around it, counts, or sends,
// does so twice, and its test will show it. Others may commit between the runs.
func Rerun(store kv.Store) kv.Store { return &rerun{store} }

type rerun struct{ kv.Store }

var errDiscard = errors.New("kvtest: discard the first run")

// Update implements [kv.Store].
func (s *rerun) Update(ctx context.Context, fn func(kv.Tx) error) error {
	err := s.Store.Update(ctx, func(tx kv.Tx) error {
		_ = fn(tx) // the outcome of a run that is discarded means nothing
		return errDiscard
	})
	if !errors.Is(err, errDiscard) {
		return err
	}
	return s.Store.Update(ctx, fn)
}

// Faulty returns a store that fails on request, and otherwise works as the given one.
func Faulty(store kv.Store) *FaultyStore { return &FaultyStore{Store: store} }

// A FaultyStore is a store whose operations can be made to fail. An error that was
// set stays until another one, or nil, is set.
type FaultyStore struct {
	kv.Store

	mu                          sync.Mutex
	view, update, commit, reply error
}

var _ kv.Store = (*FaultyStore)(nil)

// FailViews makes each View fail without running its function.
func (s *FaultyStore) FailViews(err error) { s.set(&s.view, err) }

// FailUpdates makes each Update fail without running its function.
func (s *FaultyStore) FailUpdates(err error) { s.set(&s.update, err) }

// FailCommits makes each Update whose function succeeds fail with nothing written.
func (s *FaultyStore) FailCommits(err error) { s.set(&s.commit, err) }

// FailReplies makes each Update that succeeds return the error all the same, as
// when a connection breaks after the commit.
func (s *FaultyStore) FailReplies(err error) { s.set(&s.reply, err) }

func (s *FaultyStore) set(field *error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*field = err
}

func (s *FaultyStore) get(field *error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *field
}

// View implements [kv.Store].
func (s *FaultyStore) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := s.get(&s.view); err != nil {
		return err
	}
	return s.Store.View(ctx, fn)
}

// Update implements [kv.Store].
func (s *FaultyStore) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := s.get(&s.update); err != nil {
		return err
	}
	err := s.Store.Update(ctx, func(tx kv.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return s.get(&s.commit)
	})
	if err != nil {
		return err
	}
	return s.get(&s.reply)
}
