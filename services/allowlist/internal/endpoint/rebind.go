package endpoint

import (
	"context"
	"errors"
	"slices"
)

// Restarted says that the vault was started again. It returns at once; [Registry.Run] compares
// the endpoints with the bindings: the vault may have been restored from a backup.
func (r *Registry) Restarted() {
	select {
	case r.restarted <- struct{}{}:
	default: // a comparison is due already
	}
}

// Rebind binds what an endpoint refers to again, as [Registry.Reconcile] does where a binding is
// missing, or switches the endpoint off. It returns the endpoint as it is then.
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

// errNoPolicy says that a KEY cannot be bound again before it is known who may send.
var errNoPolicy = errors.New("the policy is not known yet")

// sendersAgree reports whether an endpoint may be bound again to a KEY, as a save would find: all
// endpoints that are bound to a KEY which is not shared have the same senders. It comes before
// the binding, so that a crash leaves none that is not allowed.
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
