package api

import (
	"context"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/page"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/workspace"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// ListWorkspaces returns a page of the workspaces that the caller can access. The number of
// endpoints is set where the caller may list them.
func (s *Server) ListWorkspaces(ctx context.Context, req *allowlistv1.ListWorkspacesRequest) (*allowlistv1.ListWorkspacesResponse, error) {
	cursor, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	reach := workspace.ReachOf(auth.FromContext(ctx), accessv1.Role_ROLE_OWNER, accessv1.Role_ROLE_MEMBER)
	found, next, err := s.endpoints.Workspaces(ctx, reach, cursor, page.Size(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	res := &allowlistv1.ListWorkspacesResponse{NextPageToken: seal(next)}
	for _, w := range found {
		res.Workspaces = append(res.Workspaces, &allowlistv1.Workspace{
			Name: resource.WorkspaceName(w.ID), EndpointCount: uint32(w.Count),
		})
	}
	return res, nil
}
