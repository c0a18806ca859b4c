//go:build torture

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callLimit is longer than the maximum time of a save, so that the server knows the result of each call
// before its caller gives up.
const callLimit = 8 * time.Second

// A change is one call that changes something.
type change struct {
	what string
	send func(ctx context.Context, requestID string) error
	// refusals are the reasons for which the call may change nothing.
	refusals []string
	// request is the idempotency key of the call and of its repetitions.
	request string
}

// A subject is something that one owner changes, one call after the other. M is its state as a caller
// sees it.
//
// After a call without an answer, it has the state now or maybe. Whichever is seen first remains.
type subject[M any] struct {
	name    string
	now     M
	maybe   M
	pending *change
}

// owned is the part that all owners share. An owner changes its subjects. It belongs to the load while that
// runs, and to the harness between two rounds.
type owned struct {
	s   *victims
	rng *rand.Rand
	id  string
	n   int // numbers what the owner makes
}

func (o *owned) next() string {
	o.n++
	return fmt.Sprintf("%s-%d", o.id, o.n)
}

// apply makes a change whose success leads to a state, and reports whether its outcome is known.
func apply[M any](ctx context.Context, o *owned, sub *subject[M], next M, c change) bool {
	c.request = o.next()
	sub.maybe, sub.pending = next, &c
	return sub.send(ctx, o)
}

// send makes the pending change, or makes it again.
func (sub *subject[M]) send(ctx context.Context, o *owned) (known bool) {
	c := sub.pending
	o.s.trace.add("%s %s (%s) ...", c.what, sub.name, c.request)
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := c.send(limited, c.request)
	o.s.trace.add("%s %s (%s) = %v", c.what, sub.name, c.request, err)
	switch code := status.Code(err); {
	case err == nil:
		sub.now, sub.pending = sub.maybe, nil
	case slices.Contains(c.refusals, reasonOf(err)):
		sub.pending = nil
	case code == codes.Unavailable, code == codes.DeadlineExceeded, code == codes.Canceled, code == codes.Aborted:
		return false
	default:
		o.s.t.Errorf("%s %s (%s) = %v", c.what, sub.name, c.request, err)
		sub.pending = nil
	}
	return true
}

// settle sends a change without an answer again, or leaves it to the next look.
func (sub *subject[M]) settle(ctx context.Context, o *owned) {
	if sub.pending == nil || o.rng.IntN(3) == 0 {
		return
	}
	err := within(ctx, patience, func(ctx context.Context) error {
		if !sub.send(ctx, o) {
			return fmt.Errorf("%s %s has no answer", sub.pending.what, sub.name)
		}
		return nil
	})
	if err != nil {
		o.s.t.Error(err)
	}
}

// see compares the subject with what a caller sees.
func (sub *subject[M]) see(o *owned, seen M) {
	switch {
	case reflect.DeepEqual(seen, sub.now):
	case sub.pending != nil && reflect.DeepEqual(seen, sub.maybe):
		sub.now = sub.maybe
	case sub.pending != nil:
		o.s.t.Errorf("%s is\n  %+v, want\n  %+v, or after %s (%s)\n  %+v", sub.name, seen, sub.now, sub.pending.what, sub.pending.request, sub.maybe)
	default:
		o.s.t.Errorf("%s is\n  %+v, want\n  %+v", sub.name, seen, sub.now)
	}
	sub.pending = nil
}

// drive lets an owner work until ctx ends. A short pause after a failure leaves the machine to others.
func (s *victims) drive(ctx context.Context, work func(ctx context.Context) (ok bool)) {
	s.load.Go(func() {
		for ctx.Err() == nil {
			s.gate.RLock()
			ok := s.t.Failed() || work(ctx)
			s.gate.RUnlock()
			if !ok || s.t.Failed() {
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
	})
}

// populate creates the owners and starts their work, which waits for the gate.
func (s *victims) populate(ctx context.Context) {
	s.t.Helper()
	owner := func(id string) owned {
		return owned{s: s, id: id, rng: rand.New(rand.NewPCG(s.rng.Uint64(), 0))}
	}
	for i := range 3 {
		w := &secretOwner{owned: owner(fmt.Sprintf("s%d", i))}
		for n := range 3 {
			w.secrets = append(w.secrets, newSecret(fmt.Sprintf("%s-%d", w.id, n), false))
		}
		s.writers = append(s.writers, w)
		s.drive(ctx, w.work)
	}
	for i := range 3 {
		e := newEndpointOwner(owner(fmt.Sprintf("e%d", i)))
		s.savers = append(s.savers, e)
		e.createKeys(ctx)
		s.drive(ctx, e.work)
	}
	s.keys = &keyOwner{owned: owner("k")}
	s.keys.look(ctx)
	s.drive(ctx, s.keys.work)
}

// settle sends the changes without an answer again, as clients do after a restart.
func (s *victims) settle() {
	ctx := s.t.Context()
	var all sync.WaitGroup
	for _, w := range s.writers {
		all.Go(func() {
			for _, secret := range w.secrets {
				secret.settle(ctx, &w.owned)
			}
		})
	}
	for _, e := range s.savers {
		all.Go(func() {
			for _, key := range e.keys {
				key.settle(ctx, &e.owned)
			}
			for _, endpoint := range e.endpoints {
				endpoint.settle(ctx, &e.owned)
			}
		})
	}
	for _, ring := range s.keys.rings {
		all.Go(func() { ring.settle(ctx, &s.keys.owned) })
	}
	all.Wait()
}

// inspect compares everything with the model. It looks for bindings that nothing needs in some rounds
// only, because they may take seconds to go.
func (s *victims) inspect(round int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range s.writers {
		for _, secret := range w.secrets {
			all.Go(func() { w.inspect(ctx, secret, round) })
		}
	}
	for _, e := range s.savers {
		all.Go(func() { e.inspect(ctx, round) })
	}
	all.Go(func() { s.keys.inspect(ctx) })
	for _, name := range mortals {
		all.Go(func() { s.follow(ctx, name, s.heads[name]) })
	}
	all.Wait()
	s.inspectBindings(ctx, round%5 == 0)
	s.inspectNames(ctx)
}
