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
// A vault that is restored from a backup does not know the versions that were created after it,
// and reuses their numbers for other values. So a reference that names a version keeps the uid
// that the vault returned for it, and each message asks for the version with that uid. An endpoint
// whose version no longer exists, or whose number now belongs to another version, is switched off:
// it never continues with another value that has the same number.
//
// Endpoints that earlier releases saved have no uids. The next comparison records them.

// LosePins switches an endpoint off if a version that it pins no longer exists, unless the
// endpoint was saved since e was read. It returns the current endpoint.
func (r *Registry) LosePins(ctx context.Context, e Endpoint) (Endpoint, error) {
	if err := r.reconcilePins(ctx, e, func(Discrepancy) {}); err != nil {
		return e, err
	}
	return r.Get(ctx, e.Name)
}

// reconcilePins compares the versions that an endpoint pins with those of the vault. It switches
// the endpoint off if one no longer exists. Otherwise it records the uids that are not recorded
// yet.
func (r *Registry) reconcilePins(ctx context.Context, e Endpoint, report func(Discrepancy)) error {
	references, missing := slices.Clone(e.References), make(map[Need]bool)
	for i, ref := range references {
		if ref.Version == 0 {
			continue
		}
		uid, there, err := r.pinned(ctx, e, ref)
		if errors.Is(err, errUnneeded) {
			return nil // the saved references were bound just now
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
		_, err := r.keepReported(ctx, e, references, "the uids of pinned versions were recorded")
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

// pinned asks the vault for the uid of the version that a reference names, and reports whether the
// version exists. It reports true for a version that cannot be resolved because it is disabled or
// destroyed, or because the secret has expired.
func (r *Registry) pinned(ctx context.Context, e Endpoint, ref Reference) (uid string, there bool, err error) {
	need := ref.Need
	if need.credential() {
		need.Port = e.URL.Destination().Port
	}
	b, err := r.bind(ctx, need, e.Name, e.Operation) // repeating a binding changes nothing
	switch {
	case fault.Is(err, vaultclient.ReasonVersionNotFound):
		_, err := r.restore(ctx, e, ref) // the endpoint still refers to the secret
		return "", false, err
	case fault.Is(err, vaultclient.ReasonVersionDisabled), fault.Is(err, vaultclient.ReasonVersionDestroyed), fault.Is(err, vaultclient.ReasonSecretExpired):
		return ref.VersionUID, true, nil
	case err != nil:
		return "", false, fmt.Errorf("ask for pinned version: %w", err)
	}
	if err := r.dropUnneeded(ctx, ref.Secret, b, e); err != nil {
		return "", false, err
	}
	return b.VersionUID, ref.VersionUID == "" || b.VersionUID == "" || b.VersionUID == ref.VersionUID, nil
}
