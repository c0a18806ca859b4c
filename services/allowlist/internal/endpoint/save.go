package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// # The steps of a save
//
// An endpoint must never refer to a secret that can be deleted, and a binding must not outlive the
// reference that it was created for. The two facts are in two stores, so a save that changes the
// references goes through these steps:
//
//	(a) begin   own store   an intent {operation, endpoint, secrets, time}
//	(b) bind    vault       BindSecret for each secret and use, under the operation;
//	                        the facts that it returns must fit the configuration.
//	                        Refusals are collected: the response lists them all
//	(c) finish  own store   requires the intent; writes the endpoint with its
//	                        references, deletes the intent, queues the bindings
//	                        of the previous save for unbinding, log, request id
//	(d) unbind  vault       UnbindSecret, at least once; unbind.go
//
// From (b) on, the vault refuses to delete the secrets; so once (c) has committed, no reference
// dangles. A save that fails after (a) is canceled: the intent becomes an entry of the unbinding
// queue, in one transaction of the own store. A save that crashed leaves its intent, which the
// sweeper cancels when it is older than SaveBound. Canceling and finishing both consume the
// intent, so only one of them happens: a save that was canceled while it ran ends with CONTENTION.
// So does a save that finds, at (c), an endpoint that needs other bindings than those it created:
// another save has changed the host, or references that this save does not change.
//
// A BindSecret call that is still in flight while its save is canceled may arrive after the
// unbinding. Therefore a canceled save is unbound twice, the second time when the deadline of such
// a call has passed.
//
// A save that does not change the references needs only begin: one transaction.
//
// # Violations
//
// A save returns all violations at once. So a save whose request is malformed ([Call].Wrong) also
// goes through (a) and (b), with the parts that can be parsed, to learn what the vault refuses
// about its secrets; then it is canceled like any other save that fails. Checks that cannot be
// made because the vault is unreachable are left to the next save.

// A saving is one save in progress.
type saving struct {
	operation string
	name      Name
	action    string
	change    edit
	call      Call
	// prove, if not nil, tests the keys of the bound endpoint before it is saved as active.
	prove func(context.Context, Endpoint) error
}

// save runs an edit through the steps.
func (r *Registry) save(ctx context.Context, name Name, action string, call Call, change edit) (Endpoint, error) {
	return r.run(ctx, saving{operation: newID(), name: name, action: action, change: change, call: call})
}

func (r *Registry) run(ctx context.Context, s saving) (Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, SaveBound)
	defer cancel()
	// Also after an error: a commit may have succeeded even if its result was lost.
	defer r.announce(ctx, s.name)()
	s.change = r.informed(permitted(s.call, s.change))
	e, needs, err := r.begin(ctx, s)
	if err != nil {
		return Endpoint{}, err
	}
	if len(needs) > 0 {
		return r.rebind(ctx, s, e, needs)
	}
	return e, nil
}

// permitted returns an edit that fails if it saves acknowledgements that only a super admin may
// make, for another caller. Acknowledgements that are already saved stay as they are.
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

// begin applies the edit and, if the result needs no new bindings, commits it. Otherwise it writes
// the intent and returns the needs to bind.
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
		old, err := r.lookUp(tx, s.name)
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

// replayed returns the current endpoint if the same request was already applied, and nil if the
// request is new. If the incarnation that the request changed no longer exists, it fails with
// ENDPOINT_NOT_FOUND, even if the name has been reused.
func (r *Registry) replayed(tx kv.Tx, s saving) (*Endpoint, error) {
	uid, seen, err := r.replays.Lookup(tx, s.call.Request)
	if err != nil || !seen {
		return nil, err
	}
	e, err := r.read(tx, s.name)
	if err != nil {
		return nil, err
	}
	if e.UID != uid {
		return nil, notFound()
	}
	return &e, nil
}

// rebind is steps (b) and (c), and cancels the save if they fail.
func (r *Registry) rebind(ctx context.Context, s saving, next Endpoint, needs []Need) (Endpoint, error) {
	e, err := r.bindAndFinish(ctx, s, next, needs)
	var crash *stopped
	if err == nil || errors.As(err, &crash) {
		return e, err
	}
	failpoint.Hit(failpoint.SaveCanceling)
	// The caller may have gone away; the bindings must be given up anyway.
	cleanup, done := context.WithTimeout(context.WithoutCancel(ctx), SaveBound)
	defer done()
	if failed := r.cancel(cleanup, s.operation); failed != nil {
		return Endpoint{}, errors.Join(err, fmt.Errorf("cancel save: %w", failed)) // the sweeper will do it
	}
	return Endpoint{}, err
}

func (r *Registry) bindAndFinish(ctx context.Context, s saving, next Endpoint, needs []Need) (Endpoint, error) {
	failpoint.Hit(failpoint.SaveBegun)
	if err := r.step("begun"); err != nil {
		return Endpoint{}, err
	}
	references, err := r.bindAll(ctx, s, next, needs)
	if err != nil {
		return Endpoint{}, err
	}
	if s.prove != nil && next.State == Active {
		next.Operation, next.References = s.operation, references
		if err := s.prove(ctx, next); err != nil {
			return Endpoint{}, err
		}
	}
	e, err := r.finish(ctx, s, references)
	if err != nil {
		return Endpoint{}, err
	}
	failpoint.Hit(failpoint.SaveFinished)
	return e, r.step("saved")
}

// finish commits the save, unless its intent no longer exists or the endpoint needs other bindings
// by now.
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
	// Another call may have finished the same request in the meantime; then the bindings of this one
	// are not needed.
	if e, err := r.replayed(tx, s); err != nil {
		return Endpoint{}, err
	} else if e != nil {
		return *e, r.retire(tx, s.operation)
	}
	old, err := r.lookUp(tx, s.name)
	if err != nil {
		return Endpoint{}, err
	}
	next, err := s.change(old)
	if err != nil {
		return Endpoint{}, err
	}
	if next.Operation != "" { // another save has bound the same references in the meantime
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
