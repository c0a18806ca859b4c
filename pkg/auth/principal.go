package auth

import (
	"context"
	"slices"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// Everywhere stands for all workspaces in a [Grant].
const Everywhere = "*"

// How a principal was authenticated.
const (
	ByOIDC = "oidc"
	ByMTLS = "mtls"
)

// A Principal is who a request comes from, with what the policy grants them at
// this moment.
type Principal struct {
	// Subject is the issuer and subject of a token, joined by a `#`, or a SPIFFE id.
	Subject string
	// Authentication is ByOIDC or ByMTLS.
	Authentication string
	// Address is the network address the request came from: the peer's, or what
	// a gateway that authenticated as a proxy says.
	Address string
	// Grants is what the policy gives the subject.
	Grants []Grant
	// Known is the ids of all workspaces that the policy names, in order. It belongs to the
	// policy; do not change it. For who sees them, see [Principal.Workspaces].
	Known []string
	// Overage says that the token leaves out a claim from which the policy grants roles,
	// so that Grants may lack some.
	Overage bool
}

// A Grant is a role in a workspace, or [Everywhere].
type Grant struct {
	Role      accessv1.Role
	Workspace string
	// Endpoints, if not empty, narrows a sender to endpoints by their ids.
	Endpoints []string
}

// Holds reports whether the principal has the role in the workspace.
func (p Principal) Holds(role accessv1.Role, workspace string) bool {
	return slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return g.Role == role && (g.Workspace == workspace || g.Workspace == Everywhere)
	})
}

// SuperAdmin reports whether the principal owns every workspace.
func (p Principal) SuperAdmin() bool { return p.Holds(accessv1.Role_ROLE_SUPER_ADMIN, Everywhere) }

// OnlyWorkspace returns the workspace that all grants are for, or nothing if there is not
// just one.
func (p Principal) OnlyWorkspace() string {
	only := ""
	for _, g := range p.Grants {
		if g.Workspace == Everywhere || only != "" && g.Workspace != only {
			return ""
		}
		only = g.Workspace
	}
	return only
}

// Workspaces returns the ids of the workspaces that the principal may know of, in order:
// those that the grants name. Everywhere reports that a grant is for all workspaces; then
// they are those that the policy names, and the principal may know of all others, too.
func (p Principal) Workspaces() (ids []string, everywhere bool) {
	for _, g := range p.Grants {
		if g.Workspace == Everywhere {
			return p.Known, true
		}
		ids = append(ids, g.Workspace)
	}
	slices.Sort(ids)
	return slices.Compact(ids), false
}

// Roles returns the names of the roles the principal has in the workspace, such
// as `owner`, for the change log.
func (p Principal) Roles(workspace string) []string {
	var names []string
	for _, g := range p.Grants {
		if g.Workspace != workspace && g.Workspace != Everywhere {
			continue
		}
		if name := RoleName(g.Role); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

type principalKey struct{}

// NewContext returns a context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal of a request. Without one it is the zero
// Principal, which holds no role anywhere.
func FromContext(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
