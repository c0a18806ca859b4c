package api_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// workspaces lists all pages and returns each workspace as its name and count.
func workspaces(t testing.TB, c allowlisttest.Client, size int32) []string {
	t.Helper()
	var all []string
	req := &allowlistv1.ListWorkspacesRequest{PageSize: size}
	for {
		res, err := c.ListWorkspaces(t.Context(), req)
		allowlisttest.Must(t, err)
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
	k := allowlisttest.New(t)
	createIn := func(workspace, id string) {
		_, err := k.Admin.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
			Parent: "workspaces/" + workspace, EndpointId: id, Endpoint: allowlisttest.Draft(),
		})
		allowlisttest.Must(t, err)
	}
	createIn("acme", "a")
	createIn("acme", "b")
	createIn("unnamed", "a")
	k.Activate(t, "a") // changes do not increase the count
	stranger, other := k.As(t, k.Env.Stranger(t)), k.As(t, k.Env.Owner(t, "other"))
	one := k.As(t, k.Env.EndpointSender(t, "acme", "a"))
	all := []string{"workspaces/acme 2", "workspaces/other 0", "workspaces/unnamed 1"}
	for _, tt := range []struct {
		name string
		as   allowlisttest.Client
		want []string
	}{
		{"an owner", k.Owner, []string{"workspaces/acme 2"}},
		{"a member", k.Member, []string{"workspaces/acme 2"}},
		{"an owner of an empty workspace", other, []string{"workspaces/other 0"}},
		{"a super admin", k.Admin, all},
		{"a sender of all endpoints", k.Sender, []string{"workspaces/acme 0", "workspaces/other 0", "workspaces/unnamed 0"}},
		{"a sender of one endpoint", one, []string{"workspaces/acme 0"}},
		{"a stranger", stranger, nil},
	} {
		for _, size := range []int32{0, 1, 2, 5000} {
			if got := workspaces(t, tt.as, size); !slices.Equal(got, tt.want) {
				t.Errorf("%s, pages of %d: %v, want %v", tt.name, size, got, tt.want)
			}
		}
	}
	_, err := k.Admin.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: "workspaces/unnamed/endpoints/a"})
	allowlisttest.Must(t, err)
	if got := workspaces(t, k.Admin, 0); !slices.Equal(got, all[:2]) {
		t.Errorf("after the deletion of its last endpoint, a workspace without policy rows is listed: %v", got)
	}
	k.Env.Revoke(t)
	if got := workspaces(t, k.Admin, 0); len(got) != 0 {
		t.Errorf("a super admin who lost the role sees %v", got)
	}
}

func TestWorkspacePagesAreTheCallers(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.As(t, k.Env.Owner(t, "other"))
	res, err := k.Admin.ListWorkspaces(t.Context(), &allowlistv1.ListWorkspacesRequest{PageSize: 1})
	allowlisttest.Must(t, err)
	_, err = k.Owner.ListWorkspaces(t.Context(), &allowlistv1.ListWorkspacesRequest{PageToken: res.GetNextPageToken()})
	allowlisttest.WantError(t, "the page token of another caller", err, codes.InvalidArgument, "INVALID_PAGE_TOKEN")
}
