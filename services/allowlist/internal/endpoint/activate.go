package endpoint

import (
	"context"
	"errors"
)

// activations is how often an activation begins again because the endpoint changed while
// its keys were tried.
const activations = 3

// unproven is the error of an edit that would switch on an endpoint in a state whose keys
// were not tried yet.
type unproven struct{ Endpoint }

func (unproven) Error() string { return "endpoint: the keys of this state were not tried" }

// Activate switches an endpoint on, after prove has found nothing against the very state
// that goes into use; its errors are returned as they are. Prove may take its time: it runs
// outside of any transaction, and not at all for an endpoint that is on or may not be.
//
// It fails with ENDPOINT_NOT_VERIFIED, and with SECRET_NOT_FOUND if the endpoint lost a
// secret.
func (r *Registry) Activate(ctx context.Context, name Name, etag string, call Call, prove func(context.Context, Endpoint) error) (Endpoint, error) {
	var proven Endpoint
	for range activations {
		e, err := r.save(ctx, name, ActionActivated, call, existing(etag, switchOn(proven)))
		asked, ok := errors.AsType[unproven](err)
		if !ok {
			return e, err
		}
		proven = asked.Endpoint
		if err := prove(ctx, proven); err != nil {
			if now, failed := r.Get(ctx, name); failed == nil && !now.sameState(proven) {
				continue // it may have failed because of that
			}
			return Endpoint{}, err
		}
	}
	return Endpoint{}, contention()
}

// switchOn returns the edit that switches an endpoint on in the state that was proven.
func switchOn(proven Endpoint) func(Endpoint) (Endpoint, error) {
	return func(e Endpoint) (Endpoint, error) {
		switch {
		case e.State == Active:
			return e, nil
		case !e.Verification.Done():
			return Endpoint{}, notVerified()
		case e.Lost:
			return Endpoint{}, secretGone()
		case !e.sameState(proven):
			return Endpoint{}, unproven{e}
		}
		e.State, e.StateReason = Active, ""
		return e, nil
	}
}

// sameState reports whether nothing of an endpoint changed in between.
func (e Endpoint) sameState(other Endpoint) bool {
	return e.UID == other.UID && e.Revision == other.Revision
}
