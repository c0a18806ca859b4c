package server

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/resource"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// access is the service that returns the roles of callers. Like health, it is part of every
// server: the response reflects the server's own policy.
type access struct {
	accessv1.UnimplementedAccessServiceServer
}

// Register registers the service.
func (a access) Register(r grpc.ServiceRegistrar) { accessv1.RegisterAccessServiceServer(r, a) }

// GetCaller returns the caller.
func (access) GetCaller(ctx context.Context, _ *accessv1.GetCallerRequest) (*accessv1.GetCallerResponse, error) {
	return &accessv1.GetCallerResponse{Caller: callerOf(auth.FromContext(ctx))}, nil
}

// callerOf converts a principal to the message of the contract.
func callerOf(p auth.Principal) *accessv1.Caller {
	roles := make(map[string][]accessv1.Role)
	for _, g := range p.Grants {
		if g.Role == accessv1.Role_ROLE_SUPER_ADMIN {
			continue // said by itself
		}
		id := g.Workspace
		if id == auth.Everywhere {
			id = resource.Any
		}
		name := resource.WorkspaceName(id)
		if !slices.Contains(roles[name], g.Role) {
			roles[name] = append(roles[name], g.Role)
		}
	}
	caller := &accessv1.Caller{Subject: p.Subject, SuperAdmin: p.SuperAdmin()}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		held := slices.SortedFunc(slices.Values(roles[name]), cmp.Compare[accessv1.Role])
		caller.Workspaces = append(caller.Workspaces, &accessv1.WorkspaceRoles{Workspace: name, Roles: held})
	}
	return caller
}
