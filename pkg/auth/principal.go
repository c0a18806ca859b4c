package auth

import (
	"context"
	"slices"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// Everywhere means all workspaces in a [Grant].
const Everywhere = "*"

// The methods of authentication.
const (
	ByOIDC = "oidc"
	ByMTLS = "mtls"
)

// A Principal is the authenticated caller of a request, with its grants in the current policy.
type Principal struct {
	// Subject is the issuer and subject of a token, joined by `#`, or a SPIFFE ID.
	Subject string
	// Authentication is ByOIDC or ByMTLS.
	Authentication string
	// Address is the network address of the caller: that of the peer, or the one that a gateway with
	// the role proxy forwards.
	Address string
	// Grants are the grants of the subject in the policy. The slice is shared; do not modify it.
	Grants []Grant
	// Known are the IDs of all workspaces that the policy names, in order. The slice belongs to the
	// policy; do not modify it. See [Principal.Workspaces] for who may see them.
	Known []string
	// Overage means that the token omits a claim from which the policy grants roles, so that Grants
	// may be incomplete.
	Overage bool

	// standing is the origin of Grants in the policy. Both are nil for a principal that was made
	// elsewhere.
	standing *standing
	policy   *Policy
}

// A Grant is a role in a workspace, or [Everywhere].
type Grant struct {
	Role      accessv1.Role
	Workspace string
	// Endpoints, if not empty, limits a sender to the endpoints with these IDs.
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

// OnlyWorkspace returns the workspace of all grants, or an empty string if they are not for
// exactly one.
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

// Workspaces returns the IDs of the workspaces that the principal may see, in order: those that
// the grants name. Everywhere reports whether a grant is for all workspaces; the IDs are then
// those that the policy names, and the principal may see all others too.
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

// Roles returns the names of the principal's roles in the workspace, such as `owner`, for the
// change log.
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

// PrincipalKey is the context key of a principal, which is a *Principal. A context of a request can
// answer it from its own fields. Other code calls [NewContext] and [FromContext].
type PrincipalKey struct{}

// NewContext returns a context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, PrincipalKey{}, &p)
}

// FromContext returns the principal of a request, or the zero Principal, which has no role.
func FromContext(ctx context.Context) Principal {
	if p, ok := ctx.Value(PrincipalKey{}).(*Principal); ok {
		return *p
	}
	return Principal{}
}
