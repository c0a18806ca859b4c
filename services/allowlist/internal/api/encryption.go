package api

import (
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/resolver"
)

// encryptionFromProto checks and compiles a configuration, with its preset written out.
func (s *Server) encryptionFromProto(pb *allowlistv1.Encryption, workspace string) (endpoint.Encryption, error) {
	if pb == nil {
		return endpoint.Encryption{}, nil
	}
	expanded, err := s.presets.Expand(pb)
	if err != nil {
		return endpoint.Encryption{}, inEndpoint(err)
	}
	config, err := payload.Parse(expanded, workspace, s.now())
	if err != nil {
		return endpoint.Encryption{}, inEndpoint(err)
	}
	uses, err := usesOf(config)
	if err != nil {
		return endpoint.Encryption{}, inEndpoint(err)
	}
	stored, err := config.Marshal()
	return endpoint.Encryption{
		Stored: stored, Uses: uses, Acknowledged: endsOf(config),
		Check: func(of func(endpoint.Use) resolver.Facts) error { return inEndpoint(checkFacts(config, of)) },
	}, err
}

// usesOf returns what a configuration needs secrets for, each once. A secret has one
// usage, so that it cannot be a key in one place and be shown in another.
func usesOf(config *payload.Config) ([]endpoint.Use, error) {
	var uses []endpoint.Use
	var wrong []fault.Violation
	parameter := make(map[string]bool)
	for _, ref := range config.References() {
		use := useOf(ref)
		if before, known := parameter[use.Secret]; known && before != use.Parameter {
			wrong = append(wrong, fault.Violation{
				Field:       "encryption." + ref.Field + ".name",
				Description: "must be another secret: this one is a key in one place and a parameter in another",
			})
		}
		parameter[use.Secret] = use.Parameter
		if !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
	}
	if len(wrong) > 0 {
		return nil, fault.Fields(wrong...)
	}
	return uses, nil
}

func useOf(ref payload.Reference) endpoint.Use {
	return endpoint.Use{Secret: ref.Secret, Version: ref.Version, Parameter: ref.Usage == payload.ParameterUsage}
}

// endsOf returns when the acknowledgements of a configuration end.
func endsOf(config *payload.Config) []time.Time {
	var ends []time.Time
	for _, legacy := range config.Legacy() {
		ends = append(ends, legacy.Expires)
	}
	return ends
}

// checkFacts refuses a configuration that its keys do not go with.
func checkFacts(config *payload.Config, of func(endpoint.Use) resolver.Facts) error {
	return config.CheckFacts(func(ref payload.Reference) (payload.Facts, bool) {
		told := of(useOf(ref))
		return payload.Facts{Bytes: told.Bytes, Algorithm: told.Algorithm, Private: told.Private}, told != resolver.Facts{}
	})
}

// inEndpoint names the fields of a fault of packages payload and preset from the request
// on.
func inEndpoint(err error) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	named := *f
	named.Violations = nil
	for _, v := range f.Violations {
		named.Violations = append(named.Violations, fault.Violation{Field: "endpoint." + v.Field, Description: v.Description})
	}
	return &named
}
