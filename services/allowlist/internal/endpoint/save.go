package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// # The life of a save
//
// An endpoint must never refer to a secret that can be deleted, and a binding
// must not outlive what it was made for. The two facts live in two stores, so a
// save that changes the references goes through these steps:
//
//	(a) begin   own store   an intent {operation, endpoint, secrets, time}
//	(b) bind    vault       BindSecret for each secret and use, under the operation;
//	                        what it tells of the keys must go with the configuration.
//	                        What is refused is collected: the answer names all of it
//	(c) finish  own store   requires the intent; writes the endpoint with its
//	                        references, deletes the intent, queues the bindings
//	                        of the save before for unbinding, log, request id
//	(d) unbind  vault       UnbindSecret, at least once; unbind.go
//
// From (b) on the vault refuses to delete the secrets; so once (c) has committed,
// nothing dangles. A save that fails after (a) is cancelled: the intent becomes
// an entry of the unbinding queue, in one transaction of the own store. A save
// that crashed leaves its intent, which the sweeper cancels when it is older than
// SaveBound. Cancelling and finishing both consume the intent, so only one of
// them happens: a save that was cancelled under its feet ends with CONTENTION. So
// does one that finds, at (c), an endpoint that needs other bindings than it made:
// another save has changed the references that it leaves alone, or the host.
//
// A BindSecret that is still on its way while its save is cancelled may arrive
// after the unbinding. Therefore what was cancelled is unbound twice, the second
// time when the deadline of such a call is over.
//
// A save that leaves the references alone is begin alone: one transaction.
//
// # Findings
//
// A save answers with everything that is wrong with it. So one whose request is malformed
// ([Call].Wrong) goes through (a) and (b) as well, with what can be read of it, to learn
// what the vault has against its secrets; then it is cancelled as any other that fails.
// What cannot be looked at, because the vault is out of reach, is left to the next save.

// A saving is one save on its way through the steps.
type saving struct {
	operation string
	name      Name
	action    string
	change    edit
	call      Call
}

// save runs an edit through the steps.
func (r *Registry) save(ctx context.Context, name Name, action string, call Call, change edit) (Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, SaveBound)
	defer cancel()
	// Also after an error: a commit whose answer was lost is a commit.
	defer r.follow(ctx, name)
	s := saving{operation: newID(), name: name, action: action, change: r.informed(permitted(call, change)), call: call}
	e, needs, err := r.begin(ctx, s)
	if err != nil {
		return Endpoint{}, err
	}
	if len(needs) > 0 {
		return r.rebind(ctx, s, e, needs)
	}
	return e, nil
}

// permitted is an edit that fails if it saves what only a super admin may acknowledge, for
// another caller. What is saved already stays as it is.
func permitted(call Call, change edit) edit {
	return func(old *Endpoint) (Endpoint, error) {
		e, err := change(old)
		flags := e.Encryption.Privileged
		if err != nil || flags == "" || call.SuperAdmin || old != nil && bytes.Equal(old.Encryption.Stored, e.Encryption.Stored) {
			return e, err
		}
		return Endpoint{}, superAdminRequired(flags)
	}
}

// begin applies the edit and, if that needs no new bindings, commits the result.
// Otherwise it writes the intent and returns what to bind.
func (r *Registry) begin(ctx context.Context, s saving) (Endpoint, []Need, error) {
	var saved Endpoint
	var needs []Need
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		saved, needs = Endpoint{}, nil
		if e, err := r.replayed(tx, s); err != nil {
			return err
		} else if e != nil {
			saved = *e
			return nil
		}
		old, err := find(tx, s.name)
		if err != nil {
			return err
		}
		next, err := s.change(old)
		if err != nil {
			return cmp.Or(s.call.Wrong, err)
		}
		if required := next.needs(); next.Operation == "" && len(required) > 0 {
			if err := checkNeeds(required); err != nil {
				return violation.Merge(s.call.Wrong, err)
			}
			saved, needs = next, required
			return r.intend(tx, s.operation, intent{Endpoint: s.name.String(), Secrets: secretsOf(required), Time: r.now()})
		}
		if s.call.Wrong != nil {
			return s.call.Wrong
		}
		saved, err = r.commit(tx, s.action, old, next, s.call)
		return err
	})
	return saved, needs, err
}

// replayed returns the endpoint as it is now if the same request made it so
// before, and nil if the request is new. The life that the request made may be
// over: then there is no such endpoint, whoever has the name now.
func (r *Registry) replayed(tx kv.Tx, s saving) (*Endpoint, error) {
	uid, seen, err := r.replays.Lookup(tx, s.call.Request)
	if err != nil || !seen {
		return nil, err
	}
	e, err := read(tx, s.name)
	if err != nil {
		return nil, err
	}
	if e.UID != uid {
		return nil, notFound()
	}
	return &e, nil
}

// rebind is steps (b) and (c), and the cancelling if they fail.
func (r *Registry) rebind(ctx context.Context, s saving, next Endpoint, needs []Need) (Endpoint, error) {
	e, err := r.bindAndFinish(ctx, s, next, needs)
	var crash *stopped
	if err == nil || errors.As(err, &crash) {
		return e, err
	}
	// The caller may be gone; what was bound must be given up all the same.
	cleanup, done := context.WithTimeout(context.WithoutCancel(ctx), SaveBound)
	defer done()
	if failed := r.cancel(cleanup, s.operation); failed != nil {
		return Endpoint{}, errors.Join(err, fmt.Errorf("cancel save: %w", failed)) // the sweeper will do it
	}
	return Endpoint{}, err
}

func (r *Registry) bindAndFinish(ctx context.Context, s saving, next Endpoint, needs []Need) (Endpoint, error) {
	if err := r.step("begun"); err != nil {
		return Endpoint{}, err
	}
	references, err := r.bindAll(ctx, s, next, needs)
	if err != nil {
		return Endpoint{}, err
	}
	e, err := r.finish(ctx, s, references)
	if err != nil {
		return Endpoint{}, err
	}
	return e, r.step("saved")
}

// finish commits the save, unless its intent is gone or its bindings are not those
// that are needed by now.
func (r *Registry) finish(ctx context.Context, s saving, references []Reference) (Endpoint, error) {
	var saved Endpoint
	err := r.kv.Update(ctx, func(tx kv.Tx) (err error) {
		saved, err = r.complete(tx, s, references)
		return err
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		return Endpoint{}, contention()
	}
	return saved, err
}

func (r *Registry) complete(tx kv.Tx, s saving, references []Reference) (Endpoint, error) {
	// The same request may have been finished by another call meanwhile; then this
	// one's bindings are not needed.
	if e, err := r.replayed(tx, s); err != nil {
		return Endpoint{}, err
	} else if e != nil {
		return *e, r.retire(tx, s.operation)
	}
	old, err := find(tx, s.name)
	if err != nil {
		return Endpoint{}, err
	}
	next, err := s.change(old)
	if err != nil {
		return Endpoint{}, err
	}
	if next.Operation != "" { // another save has bound the same meanwhile
		if err := r.retire(tx, s.operation); err != nil {
			return Endpoint{}, err
		}
		return r.commit(tx, s.action, old, next, s.call)
	}
	if err := r.consume(tx, s.operation); err != nil {
		return Endpoint{}, err
	}
	if !slices.EqualFunc(next.needs(), references, func(n Need, bound Reference) bool { return n == bound.Need }) {
		return Endpoint{}, contention()
	}
	next.Operation, next.References = s.operation, references
	return r.commit(tx, s.action, old, next, s.call)
}
