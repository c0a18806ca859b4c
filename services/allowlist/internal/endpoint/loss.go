package endpoint

import (
	"context"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
)

// lost returns the secrets because of which an endpoint is off, without duplicates.
func (e Endpoint) lost(held map[grant]bool) []string {
	because := func(lost func(Reference) bool) []string {
		var secrets []string
		for _, ref := range e.References {
			if lost(ref) && !slices.Contains(secrets, ref.Secret) {
				secrets = append(secrets, ref.Secret)
			}
		}
		return secrets
	}
	if marked := because(func(ref Reference) bool { return ref.Missing }); len(marked) > 0 {
		return marked
	}
	return because(func(ref Reference) bool { return !held[grant{ref.Secret, ref.UID, e.Operation}] })
}

// lose is [Registry.Lose] for a comparison, because of one reference.
func (r *Registry) lose(ctx context.Context, e Endpoint, because Reference, reason string) (Repair, error) {
	now, err := r.switchOff(ctx, e, secretDeleted(reason), func(ref Reference) bool { return ref.Secret == because.Secret })
	if err != nil || !now.Lost {
		return "", err
	}
	return SwitchedOff, nil
}

// A loss is why an endpoint is switched off.
type loss struct {
	// state is shown with the endpoint; reason goes into the change log.
	state, reason string
}

// remedy is what repairs the loss of a secret.
const remedy = "store it again and bind the endpoint again, or save other references"

var (
	secretLost = loss{
		"a secret that the endpoint refers to no longer exists, or has another use; " + remedy,
		"a secret that the endpoint refers to no longer exists",
	}
	versionLost = loss{
		"a version that the endpoint pins no longer exists, or its number belongs to another value after a restore of the vault; save the endpoint with an existing version",
		"a version that the endpoint pins no longer exists",
	}
)

// secretDeleted returns the loss of a secret with the reason of its deletion, which is empty if it is
// not known.
func secretDeleted(reason string) loss {
	if reason == "" {
		return secretLost
	}
	because := "a secret that the endpoint refers to was deleted: " + reason
	return loss{because + "; " + remedy, because}
}

// Lose switches an endpoint off because a secret that it refers to no longer exists, unless the
// endpoint was saved with other references since e was read. The reason is that of the deletion, or
// empty if it is not known. Lose returns the current endpoint.
func (r *Registry) Lose(ctx context.Context, e Endpoint, reason string) (Endpoint, error) {
	return r.switchOff(ctx, e, secretDeleted(reason), func(Reference) bool { return false })
}

// switchOff is Lose for any loss. If it is known which references are lost, missing reports them.
func (r *Registry) switchOff(ctx context.Context, e Endpoint, why loss, missing func(Reference) bool) (Endpoint, error) {
	defer r.announce(ctx, e.Name)()
	var now Endpoint
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		old, err := r.read(tx, e.Name)
		if err != nil {
			return err
		}
		now = old
		if old.UID != e.UID || old.Operation != e.Operation || old.Lost {
			return nil
		}
		next := old
		next.Lost, next.LostActive, next.State, next.StateReason = true, old.State == Active, Inactive, why.state
		next.References = slices.Clone(old.References)
		for i, ref := range next.References {
			next.References[i].Missing = missing(ref)
		}
		now, err = r.commit(tx, ActionDeactivated, &old, next, Call{Author: system(why.reason)})
		return err
	})
	return now, err
}
