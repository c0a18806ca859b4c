package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

func TestCallersAreToldWhatTheyMayBe(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	in := func(name string, roles ...accessv1.Role) *accessv1.WorkspaceRoles {
		return &accessv1.WorkspaceRoles{Workspace: name, Roles: roles}
	}
	owner, member := env.Owner(t, "zeta"), env.Member(t, "acme")
	admin, stranger := env.SuperAdmin(t), env.Stranger(t)
	sender, resolver := env.EndpointSender(t, "acme", "payments"), env.Resolver(t)
	unknown := env.Workload(t, "unknown", "")
	several := env.Person(t, "several", map[string]any{
		"groups": []string{"member:acme", "owner:zeta", "owner:acme", "owner:acme", "super_admin:"},
	})
	env.Owner(t, "acme")
	addr := env.Serve(t, &fake{})
	for _, tt := range []struct {
		name   string
		caller servertest.Caller
		want   *accessv1.Caller
	}{
		{"an owner", owner, &accessv1.Caller{Workspaces: []*accessv1.WorkspaceRoles{in("workspaces/zeta", accessv1.Role_ROLE_OWNER)}}},
		{"a member", member, &accessv1.Caller{Workspaces: []*accessv1.WorkspaceRoles{in("workspaces/acme", accessv1.Role_ROLE_MEMBER)}}},
		{"a super admin", admin, &accessv1.Caller{SuperAdmin: true}},
		{"a stranger", stranger, &accessv1.Caller{}},
		{"a workload that no row names", unknown, &accessv1.Caller{}},
		{"a sender", sender, &accessv1.Caller{Workspaces: []*accessv1.WorkspaceRoles{in("workspaces/acme", accessv1.Role_ROLE_SENDER)}}},
		{"a resolver of all workspaces", resolver, &accessv1.Caller{Workspaces: []*accessv1.WorkspaceRoles{in("workspaces/-", accessv1.Role_ROLE_RESOLVER)}}},
		{"somebody with roles in several workspaces", several, &accessv1.Caller{SuperAdmin: true, Workspaces: []*accessv1.WorkspaceRoles{
			in("workspaces/acme", accessv1.Role_ROLE_OWNER, accessv1.Role_ROLE_MEMBER), in("workspaces/zeta", accessv1.Role_ROLE_OWNER),
		}}},
	} {
		got, err := accessv1.NewAccessServiceClient(env.Dial(t, addr, tt.caller)).GetCaller(t.Context(), &accessv1.GetCallerRequest{})
		if err != nil {
			t.Errorf("%s: GetCaller() = %v", tt.name, err)
			continue
		}
		tt.want.Subject = tt.caller.Subject
		if diff := cmp.Diff(tt.want, got.GetCaller(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: GetCaller() (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestNobodyIsToldNothing(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	proxy := env.Proxy(t)
	addr := env.Serve(t, &fake{})
	for _, tt := range []struct {
		name   string
		caller servertest.Caller
		reason string
	}{
		{"nobody", servertest.Caller{}, "CREDENTIALS_MISSING"},
		{"somebody with a bad token", servertest.Caller{Token: canary}, "CREDENTIALS_INVALID"},
		{"a proxy without a token", proxy, "CREDENTIALS_MISSING"},
	} {
		_, err := accessv1.NewAccessServiceClient(env.Dial(t, addr, tt.caller)).GetCaller(t.Context(), &accessv1.GetCallerRequest{})
		if status.Code(err) != codes.Unauthenticated || servertest.Reason(err) != tt.reason {
			t.Errorf("%s: GetCaller() = %v %q, want Unauthenticated %q", tt.name, err, servertest.Reason(err), tt.reason)
		}
	}
}
