package api

import (
	"context"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/workspace"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// ListWorkspaces returns a page of the workspaces within the caller's reach. Only callers that may
// list the secrets of a workspace see their number.
func (s *Server) ListWorkspaces(ctx context.Context, req *vaultv1.ListWorkspacesRequest) (*vaultv1.ListWorkspacesResponse, error) {
	p, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	reach := workspace.ReachOf(auth.FromContext(ctx), accessv1.Role_ROLE_OWNER)
	found, next, err := s.secrets.Workspaces(ctx, reach, p)
	if err != nil {
		return nil, err
	}
	return &vaultv1.ListWorkspacesResponse{Workspaces: each(found, workspaceToProto), NextPageToken: seal(next)}, nil
}

func workspaceToProto(w workspace.Workspace) *vaultv1.Workspace {
	return &vaultv1.Workspace{Name: resource.WorkspaceName(w.ID), SecretCount: uint32(w.Count)}
}
