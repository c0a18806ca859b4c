package allowlist_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// workspaces lists all pages and returns each workspace as its name and count.
func (c client) workspaces(t testing.TB, size int32) []string {
	t.Helper()
	var all []string
	req := &allowlistv1.ListWorkspacesRequest{PageSize: size}
	for {
		res, err := c.ListWorkspaces(t.Context(), req)
		must(t, err)
		for _, w := range res.GetWorkspaces() {
			all = append(all, fmt.Sprintf("%s %d", w.GetName(), w.GetEndpointCount()))
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

func TestWorkspacesAreListedAsTheRolesAllow(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	createIn := func(workspace, id string) {
		_, err := k.admin.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
			Parent: "workspaces/" + workspace, EndpointId: id, Endpoint: draft(),
		})
		must(t, err)
	}
	createIn("acme", "a")
	createIn("acme", "b")
	createIn("unnamed", "a")
	k.activate(t, "a") // changes make it no more
	stranger, other := k.as(t, k.env.Stranger(t)), k.as(t, k.env.Owner(t, "other"))
	one := k.as(t, k.env.EndpointSender(t, "acme", "a"))
	all := []string{"workspaces/acme 2", "workspaces/other 0", "workspaces/unnamed 1"}
	for _, tt := range []struct {
		name string
		as   client
		want []string
	}{
		{"an owner", k.owner, []string{"workspaces/acme 2"}},
		{"a member", k.member, []string{"workspaces/acme 2"}},
		{"an owner of an empty one", other, []string{"workspaces/other 0"}},
		{"a super admin", k.admin, all},
		{"a sender of all", k.sender, []string{"workspaces/acme 0", "workspaces/other 0", "workspaces/unnamed 0"}},
		{"a sender of one endpoint", one, []string{"workspaces/acme 0"}},
		{"a stranger", stranger, nil},
	} {
		for _, size := range []int32{0, 1, 2, 5000} {
			if got := tt.as.workspaces(t, size); !slices.Equal(got, tt.want) {
				t.Errorf("%s, pages of %d: %v, want %v", tt.name, size, got, tt.want)
			}
		}
	}
	_, err := k.admin.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: "workspaces/unnamed/endpoints/a"})
	must(t, err)
	if got := k.admin.workspaces(t, 0); !slices.Equal(got, all[:2]) {
		t.Errorf("after its last endpoint went, a workspace that no row names is listed: %v", got)
	}
	k.env.Revoke(t)
	if got := k.admin.workspaces(t, 0); len(got) != 0 {
		t.Errorf("a super admin who lost the role sees %v", got)
	}
}

func TestWorkspacePagesAreTheCallers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.as(t, k.env.Owner(t, "other"))
	res, err := k.admin.ListWorkspaces(t.Context(), &allowlistv1.ListWorkspacesRequest{PageSize: 1})
	must(t, err)
	_, err = k.owner.ListWorkspaces(t.Context(), &allowlistv1.ListWorkspacesRequest{PageToken: res.GetNextPageToken()})
	wantError(t, "the page token of another caller", err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
}
