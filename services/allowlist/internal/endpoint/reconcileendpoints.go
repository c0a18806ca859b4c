package endpoint

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// reconcileEndpoints finds references that are not bound, reports purposes and ports that were not
// recorded yet when their endpoints were saved, and counts keys that serve several purposes.
func (r *Registry) reconcileEndpoints(ctx context.Context, found comparison, report func(Discrepancy)) error {
	keys := make(census)
	defer func() { r.mixed.Set(float64(len(keys.mixed()))) }()
	return r.eachKey(ctx, allEndpoints(), func(key []byte) error {
		name, err := endpointName(key)
		if err != nil {
			return err
		}
		e, err := r.Get(ctx, name)
		if fault.Is(err, ReasonNotFound) {
			return nil
		}
		if err == nil && e.Lost {
			for _, secret := range e.lost(found.held) {
				report(Discrepancy{StillLost, secret, e.Name.String()})
			}
			return nil
		}
		if err == nil {
			e, err = r.report(ctx, e, found, report)
		}
		if err != nil || e.Lost {
			return err
		}
		keys.count(e)
		if off, err := r.restoreMissing(ctx, e, found, report); err != nil || off {
			return err
		}
		if found.unknown[e.Name.Parent()] {
			return nil
		}
		return r.reconcilePins(ctx, e, report)
	})
}

// restoreMissing restores the references of an endpoint that are not bound, and reports whether
// the endpoint is now off.
func (r *Registry) restoreMissing(ctx context.Context, e Endpoint, found comparison, report func(Discrepancy)) (off bool, err error) {
	for _, reference := range e.References {
		if found.unknown[workspaceOf(reference.Secret)] || found.held[grant{reference.Secret, reference.UID, e.Operation}] {
			continue
		}
		repair, err := r.restore(ctx, e, reference)
		if err != nil {
			return false, err
		}
		if repair != "" {
			found.held[grant{reference.Secret, reference.UID, e.Operation}] = true // for its other versions
			report(Discrepancy{repair, reference.Secret, e.Name.String()})
		}
		if repair == SwitchedOff {
			return true, nil
		}
	}
	return false, nil
}

// restore binds a reference again under the operation of its save, or switches the endpoint off if
// the secret no longer exists or may no longer be used for this. It returns which of the two, or
// nothing if the endpoint was saved again in the meantime.
func (r *Registry) restore(ctx context.Context, e Endpoint, reference Reference) (Repair, error) {
	err := r.kv.Update(ctx, func(tx kv.Tx) error { return tx.Put(boundKey(reference.Secret), nil) })
	if err != nil {
		return "", fmt.Errorf("remember secret: %w", err)
	}
	switch allowed, err := r.sendersAgree(ctx, e, reference); {
	case err != nil:
		return "", err
	case !allowed:
		return r.lose(ctx, e, reference, "")
	}
	b, err := r.bindAgain(ctx, reference.Need, e)
	switch {
	case fault.Is(err, vaultclient.ReasonSecretNotFound), fault.Is(err, vaultclient.ReasonUsageNotAllowed),
		fault.Is(err, vaultclient.ReasonHostNotAllowed), fault.Is(err, vaultclient.ReasonKeyPurposeFixed), fault.Is(err, vaultclient.ReasonKeyNotShared),
		fault.Is(err, vaultclient.ReasonKeyPurposeUnknown):
		// The usage and the purpose of a secret never change: a secret with another one is another
		// incarnation, or was bound for another purpose while it had no binding.
		return r.lose(ctx, e, reference, vaultclient.DeleteReason(err))
	case err != nil:
		return "", fmt.Errorf("bind again: %w", err)
	}
	// In the meantime, a save may have replaced the operation, or the name may belong to another
	// secret. Then this binding is not needed.
	needed, err := r.needed(ctx, reference.Secret, vaultclient.Binding{UID: b.UID, Referrer: e.Name.String(), Operation: e.Operation})
	if err != nil || needed {
		return BoundAgain, err
	}
	if err := r.vault.Unbind(ctx, reference.Secret, e.Operation); err != nil {
		return "", fmt.Errorf("unbind: %w", err)
	}
	if b.UID != reference.UID {
		return r.lose(ctx, e, reference, "")
	}
	return "", nil
}
