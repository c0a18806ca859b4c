package api

import (
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// encryptionFromProto expands the preset of a configuration, checks and compiles the
// configuration, and adds the places of its references. Even with violations, the result contains
// the known needs for secrets, so that the vault can be asked about them.
func (s *Server) encryptionFromProto(pb *allowlistv1.Encryption, workspace string, places endpoint.Places) (endpoint.Encryption, *preset.Draft, error) {
	if pb == nil {
		return endpoint.Encryption{}, nil, nil
	}
	draft, err := s.presets.Parse(pb, workspace, s.now())
	uses, wrong := needsOf(draft, workspace, places)
	e := endpoint.Encryption{
		Needs:    uses,
		Check:    func(of endpoint.FactsOf) error { return inEndpoint(draft.CheckFacts(tryout.Known(of))) },
		KeyBytes: draft.KeyBytes,
	}
	if err := violation.Merge(err, wrong); err != nil {
		return e, draft, inEndpoint(err)
	}
	e.Stored, err = draft.Config().Marshal()
	e.Privileged = draft.Config().Privileged()
	return e, draft, err
}

// needsOf returns each need of a configuration for a secret once, and adds its places. A secret
// has one usage: it cannot be a key in one place and become visible in another. A secret with two
// usages is a violation and is omitted. Invalid references are also omitted; they have been
// reported already.
func needsOf(draft *preset.Draft, workspace string, places endpoint.Places) ([]endpoint.Need, error) {
	usages := make(map[string]payload.Usage)
	conflicting := make(map[string]bool)
	var uses []endpoint.Need
	var wrong []fault.Violation
	draft.EachReference(func(field string, ref payload.Reference) {
		if in, _, ok := resource.Cut(ref.Secret, "secrets"); !ok || in != workspace {
			return
		}
		use, place := useOf(ref), field+".name"
		if before, known := usages[use.Secret]; !known {
			usages[use.Secret] = ref.Usage
		} else if before != ref.Usage {
			conflicting[use.Secret] = true
			wrong = append(wrong, fault.Violation{Field: place, Description: "must be another secret, because this one has another usage in another place"})
		}
		if !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
		if at := "endpoint." + place; !slices.Contains(places.Keys[use], at) {
			places.Keys[use] = append(places.Keys[use], at)
		}
	})
	if len(wrong) == 0 {
		return uses, nil
	}
	uses = slices.DeleteFunc(uses, func(u endpoint.Need) bool { return conflicting[u.Secret] })
	return uses, fault.Fields(wrong...)
}

// UsesOf returns each need of a stored configuration for a secret once.
func UsesOf(stored []byte) ([]endpoint.Need, error) {
	config, err := payload.Load(stored)
	if err != nil {
		return nil, err
	}
	var uses []endpoint.Need
	for _, ref := range config.References() {
		if use := useOf(ref); !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
	}
	return uses, nil
}

// useOf returns the need of a reference for its secret.
func useOf(ref payload.Reference) endpoint.Need {
	return endpoint.Need{
		Secret: ref.Secret, Version: ref.Version, Parameter: ref.Usage == payload.ParameterUsage, Exposed: ref.Usage == payload.ExposedKeyUsage,
		Chains: ref.Purpose.Chains, Cost: ref.Purpose.Cost, Conflicting: ref.Purpose.Conflicted(),
		Issue: ref.Usage == payload.IssueUsage,
	}
}

// inEndpoint extends the field paths in a fault of packages payload and preset so that they start
// at the request.
func inEndpoint(err error) error {
	return violation.Name(err, func(field string) string { return "endpoint." + field })
}
