package api

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// CheckSecretValue compares a value with that of a version.
func (s *Server) CheckSecretValue(ctx context.Context, req *vaultv1.CheckSecretValueRequest) (*vaultv1.CheckSecretValueResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	if req.GetValue().GetGenerate() != nil {
		return nil, fault.Field("value.generate", "must not be set: the value to compare must be text, data, or sealed")
	}
	call, err := s.call(ctx, vaultv1.VaultService_CheckSecretValue_FullMethodName, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	value, err := valueFromProto(req.GetValue())
	if err != nil {
		return nil, inRequest(err)
	}
	checked, err := s.secrets.Check(ctx, call, name, req.GetVersion(), value)
	if err != nil {
		return nil, inRequest(err)
	}
	return &vaultv1.CheckSecretValueResponse{Same: checked.Same, Version: checked.Version, RemainingFailures: checked.Left}, nil
}

// inRequest returns an error about the value of a secret with the fields of a request that has the
// value itself.
func inRequest(err error) error {
	refusal, ok := fault.From(err)
	if !ok || len(refusal.Violations) == 0 {
		return err
	}
	c := *refusal
	c.Violations = make([]fault.Violation, len(refusal.Violations))
	for i, v := range refusal.Violations {
		v.Field = strings.TrimPrefix(v.Field, "secret.")
		c.Violations[i] = v
	}
	return &c
}
