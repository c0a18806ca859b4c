package endpoint

import (
	"context"
	"errors"
)

// activations is the number of attempts of an activation if the endpoint changes while its keys
// are tested.
const activations = 3

// unproven is the error of an edit that would activate an endpoint in a state whose keys were not
// tested.
type unproven struct{ Endpoint }

func (unproven) Error() string { return "endpoint: the keys of this state were not tested" }

// Activate activates an endpoint after prove has accepted exactly the state that becomes active.
// It returns the errors of prove unchanged. Prove may be slow: it runs outside of any transaction.
// It does not run for an endpoint that is already active or may not be activated.
//
// It fails with ENDPOINT_NOT_VERIFIED, and with SECRET_NOT_FOUND if the endpoint lost a secret.
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
				continue // the change may have caused the failure
			}
			return Endpoint{}, err
		}
	}
	return Endpoint{}, contention()
}

// switchOn returns the edit that activates an endpoint in the state that was proven.
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

// sameState reports whether the two states of an endpoint are the same.
func (e Endpoint) sameState(other Endpoint) bool {
	return e.UID == other.UID && e.Revision == other.Revision
}
