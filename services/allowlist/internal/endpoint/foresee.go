package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// # Before a restore
//
// A comparison with the inventory of a vault's data file tells what [Registry.Reconcile] would find if both
// data files were put back, in the same words. It differs in three points. It names all losses of an
// endpoint, and not only the first one. It also names versions that exist and cannot be used. It does not
// know the policy, nor whether the vault would allow a missing binding again.

// A Prospect is what would happen to an endpoint or a binding after a restore.
type Prospect struct {
	// Reason is the [Repair] that a comparison would report, or the reason with which messages would fail:
	// VERSION_DISABLED or VERSION_DESTROYED.
	Reason string
	// Secret and Referrer are as in a [Discrepancy].
	Secret, Referrer string
	// Because says what differs.
	Because string
	// Breaks is whether an endpoint would stop to work.
	Breaks bool
}

// Foresee reports a prospect for each difference between the endpoints in a store that was verified, and
// the inventory of a vault. The holder is the name of this allowlist in the vault; if it is empty, bindings that
// no endpoint needs are not reported.
func Foresee(store verify.Store, holder string, vault *inventory.Inventory, report func(Prospect)) error {
	f := foresight{store, holder, vault, make(map[grant]bool), report}
	if err := f.bindings(); err != nil {
		return err
	}
	for pair, err := range kv.All(store, kv.Prefix(allEndpoints(), 0)) {
		if err := errors.Join(err, store.Context.Err()); err != nil {
			return err
		}
		name, err := endpointName(pair.Key)
		if err != nil {
			return err
		}
		e, err := decodeEndpoint(name, bytes.Clone(pair.Value))
		if err != nil {
			return err
		}
		f.endpoint(e)
	}
	return nil
}

type foresight struct {
	verify.Store

	holder string
	vault  *inventory.Inventory
	held   map[grant]bool
	report func(Prospect)
}

// bindings collects the bindings of this allowlist, and reports those that no endpoint needs.
func (f foresight) bindings() error {
	for _, name := range slices.Sorted(maps.Keys(f.vault.Secrets)) {
		secret := f.vault.Secrets[name]
		for _, b := range secret.Bindings {
			if f.holder != "" && f.holder != b.Holder {
				continue
			}
			bound := grant{name, secret.UID, b.Operation}
			f.held[bound] = true
			if f.holder == "" {
				continue
			}
			if err := f.given(bound, b.Referrer); err != nil {
				return err
			}
		}
	}
	return nil
}

// given reports a binding that no endpoint needs.
func (f foresight) given(bound grant, referrer string) error {
	e, err := f.lookUp(referrer)
	if err != nil {
		return err
	}
	needed, err := neededBy(f, e, bound)
	if err != nil || needed {
		return err
	}
	because := "the endpoint has other references"
	if e == nil {
		because = "the endpoint does not exist"
	}
	f.report(Prospect{Reason: string(GivenUp), Secret: bound.secret, Referrer: referrer, Because: because})
	return nil
}

// lookUp returns the endpoint with a name, or nil.
func (f foresight) lookUp(referrer string) (*Endpoint, error) {
	name, err := ParseName(referrer)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // only endpoints need bindings
	}
	value, err := f.Get(endpointKey(name))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
	}
	if err != nil {
		return nil, fmt.Errorf("read endpoint: %w", err)
	}
	e, err := decodeEndpoint(name, value)
	return &e, err
}

// endpoint reports each prospect of an endpoint once, although its references may name a secret twice.
func (f foresight) endpoint(e Endpoint) {
	if e.Lost {
		for _, secret := range e.lost(f.held) {
			f.report(Prospect{Reason: string(StillLost), Secret: secret, Referrer: e.Name.String(), Because: "the endpoint is off already"})
		}
		return
	}
	seen := make(map[Prospect]bool)
	for _, ref := range e.References {
		f.reference(e, ref, func(reason, because string, breaks bool) {
			p := Prospect{Reason: reason, Secret: ref.Secret, Referrer: e.Name.String(), Because: because, Breaks: breaks}
			if !seen[p] {
				seen[p] = true
				f.report(p)
			}
		})
	}
}

// reference reports what would happen because of a reference.
func (f foresight) reference(e Endpoint, ref Reference, report func(reason, because string, breaks bool)) {
	secret := f.vault.Secrets[ref.Secret]
	switch {
	case secret == nil:
		report(string(SwitchedOff), "the secret does not exist", true)
		return
	case secret.UID != ref.UID:
		report(string(SwitchedOff), "the name belongs to another secret, which was stored before or after it", true)
		return
	}
	number, which := secret.Current, fmt.Sprintf("the current version, %d,", secret.Current)
	if ref.Version != 0 {
		number, which = ref.Version, fmt.Sprintf("version %d", ref.Version)
	}
	version, exists := secret.Versions[number]
	switch {
	case !exists:
		report(string(SwitchedOff), which+" does not exist", true)
	case ref.VersionUID != "" && version.UID != "" && version.UID != ref.VersionUID:
		report(string(SwitchedOff), which+" is another one with the same number", true)
	case version.State == inventory.Disabled:
		report(string(vaultclient.ReasonVersionDisabled), which+" is disabled", e.State == Active)
	case version.State == inventory.Destroyed:
		report(string(vaultclient.ReasonVersionDestroyed), which+" is destroyed", e.State == Active)
	}
	if !f.held[grant{ref.Secret, ref.UID, e.Operation}] {
		report(string(BoundAgain), "the binding does not exist", false)
	}
}
