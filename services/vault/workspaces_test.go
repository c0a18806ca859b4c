package vault_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// workspaces lists all pages and returns each workspace as its name and count.
func (c client) workspaces(t testing.TB, size int32) []string {
	t.Helper()
	var all []string
	req := &vaultv1.ListWorkspacesRequest{PageSize: size}
	for {
		res, err := c.ListWorkspaces(t.Context(), req)
		if err != nil {
			t.Fatalf("ListWorkspaces = %v", err)
		}
		for _, w := range res.GetWorkspaces() {
			all = append(all, fmt.Sprintf("%s %d", w.GetName(), w.GetSecretCount()))
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

func (c client) createIn(t testing.TB, workspace, id string) {
	t.Helper()
	_, err := c.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: "workspaces/" + workspace, SecretId: id, Secret: &vaultv1.Secret{Value: text("a value")},
	})
	if err != nil {
		t.Fatalf("CreateSecret(%s) in %s = %v", id, workspace, err)
	}
}

func TestWorkspacesAreListedAsTheRolesAllow(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.admin.createIn(t, "acme", "a")
	k.admin.createIn(t, "acme", "b")
	k.admin.createIn(t, "unnamed", "a")
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("a"), Description: "as many as before"})
	several := k.env.Person(t, "several", map[string]any{"groups": []string{"owner:acme", "member:other"}})
	callers := map[string]client{
		"an owner":                  k.owner,
		"an owner of an empty one":  k.as(t, k.env.Owner(t, "empty")),
		"a member":                  k.as(t, k.env.Member(t, "acme")),
		"a member elsewhere":        k.as(t, k.env.Member(t, "other")),
		"an owner and a member":     k.as(t, several),
		"a sender of one":           k.as(t, k.env.EndpointSender(t, "acme", "orders")),
		"a resolver of one":         k.as(t, k.env.Workload(t, "elsewhere", "resolver", "other")),
		"a resolver of all":         k.resolver,
		"a super admin":             k.admin,
		"a stranger":                k.as(t, k.env.Stranger(t)),
		"a workload nobody knows":   k.as(t, k.env.Workload(t, "unknown", "")),
		"a super admin, once again": k.admin,
	}
	all := []string{"workspaces/acme 2", "workspaces/empty 0", "workspaces/other 0", "workspaces/unnamed 1"}
	want := map[string][]string{
		"an owner":                  {"workspaces/acme 2"},
		"an owner of an empty one":  {"workspaces/empty 0"},
		"a member":                  {"workspaces/acme 0"},
		"a member elsewhere":        {"workspaces/other 0"},
		"an owner and a member":     {"workspaces/acme 2", "workspaces/other 0"},
		"a sender of one":           {"workspaces/acme 0"},
		"a resolver of one":         {"workspaces/other 0"},
		"a resolver of all":         {"workspaces/acme 0", "workspaces/empty 0", "workspaces/other 0", "workspaces/unnamed 0"},
		"a super admin":             all,
		"a super admin, once again": all,
	}
	for who, c := range callers {
		for _, size := range []int32{0, 1, 3, 5000} {
			if got := c.workspaces(t, size); !slices.Equal(got, want[who]) {
				t.Errorf("%s, pages of %d: %v, want %v", who, size, got, want[who])
			}
		}
	}
	_, err := k.as(t, servertest.Caller{}).ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{})
	wantError(t, "ListWorkspaces by nobody", err, codes.Unauthenticated, commonv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING)
}

func TestWorkspacesFollowThePolicyAndTheSecrets(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	newcomer := k.as(t, k.env.Person(t, "newcomer", map[string]any{"groups": []string{"owner:late"}}))
	if got := newcomer.workspaces(t, 0); len(got) != 0 {
		t.Errorf("before the policy names them, the newcomer sees %v", got)
	}
	k.admin.createIn(t, "brief", "only")
	if got, want := k.admin.workspaces(t, 0), []string{"workspaces/acme 0", "workspaces/brief 1"}; !slices.Equal(got, want) {
		t.Errorf("ListWorkspaces = %v, want %v", got, want)
	}
	k.env.Owner(t, "late")
	if got, want := newcomer.workspaces(t, 0), []string{"workspaces/late 0"}; !slices.Equal(got, want) {
		t.Errorf("once the policy names them, the newcomer sees %v, want %v", got, want)
	}
	if _, err := k.admin.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: "workspaces/brief/secrets/only"}); err != nil {
		t.Fatal(err)
	}
	if got, want := k.admin.workspaces(t, 0), []string{"workspaces/acme 0", "workspaces/late 0"}; !slices.Equal(got, want) {
		t.Errorf("after its last secret went, a workspace that no row names is listed: %v, want %v", got, want)
	}
	k.env.Revoke(t)
	for who, c := range map[string]client{"a super admin": k.admin, "an owner": k.owner, "the newcomer": newcomer} {
		if got := c.workspaces(t, 0); len(got) != 0 {
			t.Errorf("%s who lost the role sees %v", who, got)
		}
	}
}

func TestWorkspacePagesAreTheCallers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.env.Owner(t, "other")
	res, err := k.admin.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageSize: 1})
	if err != nil || len(res.GetWorkspaces()) != 1 || res.GetNextPageToken() == "" {
		t.Fatalf("ListWorkspaces(1) = %v, %v", res, err)
	}
	_, err = k.owner.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageToken: res.GetNextPageToken()})
	wantError(t, "the page token of another caller", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
	_, err = k.owner.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageSize: -1})
	wantField(t, "a negative page size", err, "page_size")
}
