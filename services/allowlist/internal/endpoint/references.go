package endpoint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A LinkState says whether a reference and a binding belong together.
type LinkState string

// The states.
const (
	// Bound is a reference with its binding.
	Bound LinkState = "BOUND"
	// Unbound is a reference without a binding.
	Unbound LinkState = "UNBOUND"
	// Unneeded is a binding without a reference.
	Unneeded LinkState = "UNNEEDED"
	// Settling is the binding of a save in progress, or one that waits to be given up.
	Settling LinkState = "SETTLING"
	// Mixed is a reference with its binding to a KEY that endpoints saved by earlier releases use for
	// several purposes. It continues to work; store another key.
	Mixed LinkState = "MIXED"
	// OtherSenders is a reference with its binding to a KEY that is not shared and that serves
	// endpoints with different senders, who can decrypt each other's messages. Give these the same
	// senders, store another key, or ask a super admin to share this one.
	OtherSenders LinkState = "SENDERS_DIFFER"
	// Lost is the reference of an endpoint that is off because one of its secrets, or a version that
	// it pins, no longer exists.
	Lost LinkState = "LOST"
)

// Sound reports whether the link needs no attention.
func (s LinkState) Sound() bool { return s == Bound || s == Settling }

// A Link connects a secret and a resource that refers to it.
type Link struct {
	// Secret and Referrer are resource names.
	Secret, Referrer string
	State            LinkState
}

// reference is a reference of an endpoint, with the data to find out whether it is bound.
type reference struct {
	referrer string
	grant    grant
	// lost says that the endpoint is off because of a loss, and missing that this reference is the
	// lost one.
	lost, missing bool
}

// Links reports every reference and every binding of this allowlist, by secret and then by
// referrer, and changes nothing. Its use of memory is proportional to the number of references.
func (r *Registry) Links(ctx context.Context, report func(Link)) error {
	workspaces, err := r.workspaces(ctx)
	if err != nil {
		return err
	}
	bindings := make(map[string][]vaultclient.Binding)
	for _, workspace := range workspaces {
		held, err := r.bindings(ctx, workspace)
		if err != nil {
			return err
		}
		for _, b := range held {
			bindings[b.Secret] = append(bindings[b.Secret], b)
		}
	}
	references, keys, err := r.references(ctx)
	if err != nil {
		return err
	}
	differing, err := r.differingSenders(ctx)
	if err != nil {
		return err
	}
	state := make(map[string]LinkState) // of bound references, if not Bound
	for secret := range differing {
		state[secret] = OtherSenders
	}
	for _, secret := range keys.mixed() {
		state[secret] = Mixed
	}
	for secret := range bindings {
		if _, referred := references[secret]; !referred {
			references[secret] = nil
		}
	}
	for _, secret := range slices.Sorted(maps.Keys(references)) {
		if err := r.linksOf(ctx, secret, references[secret], bindings[secret], cmp.Or(state[secret], Bound), report); err != nil {
			return err
		}
	}
	return nil
}

// references returns the references of all endpoints by secret, and the purposes of their keys.
func (r *Registry) references(ctx context.Context) (map[string][]reference, census, error) {
	keys := make(census)
	all := make(map[string][]reference)
	err := r.eachKey(ctx, allEndpoints(), func(key []byte) error {
		name, err := endpointName(key)
		if err != nil {
			return err
		}
		e, err := r.Get(ctx, name)
		if fault.Is(err, ReasonNotFound) {
			return nil
		}
		keys.count(e)
		for _, ref := range e.References {
			all[ref.Secret] = append(all[ref.Secret], reference{
				name.String(), grant{ref.Secret, ref.UID, e.Operation}, e.Lost, ref.Missing,
			})
		}
		return err
	})
	return all, keys, err
}

// linksOf reports the links of one secret. Bound is the state of references that are bound.
func (r *Registry) linksOf(ctx context.Context, secret string, references []reference, bindings []vaultclient.Binding, bound LinkState, report func(Link)) error {
	held := make(map[grant]bool)
	for _, b := range bindings {
		held[grant{secret, b.UID, b.Operation}] = true
	}
	var links []Link
	for _, ref := range references {
		state := Unbound
		switch {
		case ref.missing:
			state = Lost
		case held[ref.grant]:
			state = bound
		case ref.lost:
			state = Lost
		}
		links = append(links, Link{secret, ref.referrer, state})
	}
	for _, b := range bindings {
		referred := slices.ContainsFunc(references, func(ref reference) bool {
			return ref.grant == grant{secret, b.UID, b.Operation}
		})
		if referred {
			continue
		}
		needed, err := r.needed(ctx, secret, b)
		if err != nil {
			return err
		}
		state := Unneeded
		if needed {
			state = Settling
		}
		links = append(links, Link{secret, b.Referrer, state})
	}
	slices.SortFunc(links, func(a, b Link) int { return cmp.Compare(a.Referrer, b.Referrer) })
	for _, link := range slices.Compact(links) { // a secret may be used twice by one endpoint
		report(link)
	}
	return nil
}

// bindings returns this allowlist's bindings in a workspace.
func (r *Registry) bindings(ctx context.Context, workspace string) ([]vaultclient.Binding, error) {
	all, err := r.vault.Bindings(ctx, workspace)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	others := func(b vaultclient.Binding) bool { return b.Holder != r.holder }
	return slices.DeleteFunc(all, others), nil
}
