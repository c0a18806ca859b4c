package api

import (
	"context"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// ReplaceSecretPurpose replaces the purpose of a KEY after a mistake.
func (s *Server) ReplaceSecretPurpose(ctx context.Context, req *vaultv1.ReplaceSecretPurposeRequest) (*vaultv1.ReplaceSecretPurposeResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := s.call(ctx, vaultv1.VaultService_ReplaceSecretPurpose_FullMethodName, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	replaced, err := s.secrets.ReplacePurpose(ctx, call, name, req.GetEtag(), req.GetChains(), req.MinCost)
	if err != nil {
		return nil, err
	}
	return &vaultv1.ReplaceSecretPurposeResponse{Secret: secretToProto(replaced)}, nil
}
