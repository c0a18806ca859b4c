package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// Probe returns the facts of the vault about the keys of an endpoint that would be saved with
// these settings, and binds nothing. Only the URL and the encryption matter. Probe fails as the
// save would, but does not check whether the keys fit: that is up to the caller. The ID of the
// name may be [resource.Any], for an endpoint that does not exist.
func (r *Registry) Probe(ctx context.Context, name Name, s Settings, call Call) (FactsOf, error) {
	var old Endpoint
	var err error
	unnamed := name.ID == resource.Any
	if unnamed {
		name.ID = "e" + newID() // as a new endpoint, which has no bindings
	} else if old, err = r.Get(ctx, name); err != nil {
		return nil, err
	}
	if flags := s.Encryption.Privileged; flags != "" && !call.SuperAdmin && !bytes.Equal(old.Encryption.Stored, s.Encryption.Stored) {
		return nil, superAdminRequired(flags)
	}
	needs := s.needs()
	if err := checkNeeds(needs); err != nil {
		return nil, violation.Merge(call.Wrong, err)
	}
	if unnamed { // the secrets that it issues name the endpoint
		needs = slices.DeleteFunc(needs, func(n Need) bool { return n.Issue })
	}
	return r.probe(ctx, saving{operation: newID(), name: name, call: call}, s, needs)
}

// Facts returns the facts of the vault about the keys of an existing endpoint, for a configuration
// that says which facts it needs.
func (r *Registry) Facts(ctx context.Context, e Endpoint, keyBytes func(secret string, version uint32) []int) (FactsOf, error) {
	s := e.Settings
	s.Headers, s.Query, s.BodyValues, s.Encryption.KeyBytes = nil, nil, nil, keyBytes
	for _, ref := range e.References {
		if need := ref.Need; !need.credential() {
			need.Partner = ""
			s.Encryption.Needs = append(s.Encryption.Needs, need)
		}
	}
	return r.probe(ctx, saving{operation: newID(), name: e.Name}, s, s.needs())
}

// probe asks the vault for all uses, and fails with all its refusals.
func (r *Registry) probe(ctx context.Context, p saving, s Settings, needs []Need) (FactsOf, error) {
	bindings := make(map[Need]vaultclient.Binding, len(needs))
	wrong := violation.Merge(p.call.Wrong)
	for _, need := range needs {
		b, err := r.vault.Probe(ctx, s.bindRequest(need, p.name, p.operation))
		switch {
		case err != nil && refusal(err):
			wrong = violation.Merge(wrong, placed(err, need, p.call.Places))
		case err != nil:
			return nil, cmp.Or(wrong, err)
		default:
			bindings[need] = b
		}
	}
	if err := r.sameSenders(p, bindings); err != nil {
		wrong = violation.Merge(wrong, err)
	}
	return boundFacts(bindings), wrong
}
