package endpoint

import (
	"context"
	"errors"
	"slices"
)

// Restarted reports that the vault was restarted or restored. It returns at once; [Registry.Run]
// compares the endpoints with the bindings.
func (r *Registry) Restarted() {
	select {
	case r.restarted <- struct{}{}:
	default: // a comparison is already due
	}
}

// Rebind binds the references of an endpoint again, as [Registry.Reconcile] does for a missing
// binding, or switches the endpoint off. It returns the resulting endpoint.
func (r *Registry) Rebind(ctx context.Context, e Endpoint) (Endpoint, error) {
	if e.Lost {
		return e, nil
	}
	for _, reference := range e.References {
		repair, err := r.restore(ctx, e, reference)
		if err != nil {
			return e, err
		}
		if repair != BoundAgain {
			break
		}
	}
	return r.Get(ctx, e.Name)
}

// errNoPolicy means that a KEY cannot be bound again until the senders are known.
var errNoPolicy = errors.New("the policy is not known yet")

// sendersAgree reports whether an endpoint may be bound again to a KEY, by the rule of a save: all
// endpoints that are bound to a KEY that is not shared have the same senders. The check precedes
// the binding, so that a crash does not leave a forbidden one.
func (r *Registry) sendersAgree(ctx context.Context, e Endpoint, ref Reference) (bool, error) {
	others := r.sharing.others(ref.Secret, e.Name)
	if !ref.key() || r.senders == nil || len(others) == 0 {
		return true, nil
	}
	if !r.policyKnown() {
		return false, errNoPolicy
	}
	mine := r.senders(e.Name)
	others = slices.DeleteFunc(others, func(other Name) bool { return slices.Equal(mine, r.senders(other)) })
	if len(others) == 0 {
		return true, nil
	}
	shared, bound, err := r.isShared(ctx, ref.Secret, others)
	return shared || !bound, err
}
