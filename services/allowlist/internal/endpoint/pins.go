package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// # Pinned versions
//
// A vault that is restored from a backup does not know the versions that were made after it,
// and gives their numbers again, to other values. So a reference that names a version keeps the
// uid that the vault told of it, and each message asks for the version with that uid. An
// endpoint whose version is gone, or another one by now, is switched off: it never goes on
// with another value because that has the same number.
//
// Endpoints that earlier releases saved keep no uids. The next comparison records them.

// LosePins switches an endpoint off if a version that it pins is gone, unless it was saved
// since e was read. It returns the endpoint as it is now.
func (r *Registry) LosePins(ctx context.Context, e Endpoint) (Endpoint, error) {
	if err := r.reconcilePins(ctx, e, func(Discrepancy) {}); err != nil {
		return e, err
	}
	return r.Get(ctx, e.Name)
}

// reconcilePins compares the versions that an endpoint pins with the vault's. It switches the
// endpoint off if one is gone, and else records the uids that are not on record yet.
func (r *Registry) reconcilePins(ctx context.Context, e Endpoint, report func(Discrepancy)) error {
	references, missing := slices.Clone(e.References), make(map[Need]bool)
	for i, ref := range references {
		if ref.Version == 0 {
			continue
		}
		uid, there, err := r.pinned(ctx, e, ref)
		if errors.Is(err, errUnneeded) {
			return nil // what is saved now was bound just now
		}
		if err != nil {
			return err
		}
		switch {
		case !there:
			missing[ref.Need] = true
		case ref.VersionUID == "":
			references[i].VersionUID = uid
		}
	}
	if len(missing) == 0 {
		if slices.Equal(references, e.References) {
			return nil
		}
		_, err := r.keepReported(ctx, e, references, "the uids of pinned versions are on record from now on")
		return err
	}
	now, err := r.switchOff(ctx, e, versionLost, func(ref Reference) bool { return missing[ref.Need] })
	if err != nil || !now.Lost {
		return err
	}
	for _, secret := range now.lost(nil) {
		report(Discrepancy{SwitchedOff, secret, e.Name.String()})
	}
	return nil
}

// pinned asks the vault for the uid of the version that a reference names, and reports whether
// it is there. Nothing is returned for one that is disabled or destroyed; it cannot be
// resolved either.
func (r *Registry) pinned(ctx context.Context, e Endpoint, ref Reference) (uid string, there bool, err error) {
	need := ref.Need
	if need.credential() {
		need.Port = e.URL.Destination().Port
	}
	b, err := r.bind(ctx, need, e.Name, e.Operation) // to repeat a binding changes nothing
	switch {
	case fault.Is(err, vaultclient.ReasonVersionNotFound):
		_, err := r.restore(ctx, e, ref) // the endpoint goes on to refer to the secret
		return "", false, err
	case fault.Is(err, vaultclient.ReasonVersionDisabled), fault.Is(err, vaultclient.ReasonVersionDestroyed):
		return ref.VersionUID, true, nil
	case err != nil:
		return "", false, fmt.Errorf("ask for pinned version: %w", err)
	}
	if err := r.dropUnneeded(ctx, ref.Secret, b, e); err != nil {
		return "", false, err
	}
	return b.VersionUID, ref.VersionUID == "" || b.VersionUID == "" || b.VersionUID == ref.VersionUID, nil
}
