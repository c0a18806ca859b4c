package api_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// workspaces lists all pages and returns the name and count of each workspace.
func workspaces(t testing.TB, c vaulttest.Client, size int32) []string {
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

func createIn(t testing.TB, c vaulttest.Client, workspace, id string) {
	t.Helper()
	_, err := c.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: "workspaces/" + workspace, SecretId: id, Secret: &vaultv1.Secret{Value: vaulttest.Text("a value")},
	})
	if err != nil {
		t.Fatalf("CreateSecret(%s) in %s = %v", id, workspace, err)
	}
}

func TestWorkspacesAreListedAsTheRolesAllow(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	createIn(t, k.Admin, "acme", "a")
	createIn(t, k.Admin, "acme", "b")
	createIn(t, k.Admin, "unnamed", "a")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("a"), Description: "as many as before"})
	several := k.Env.Person(t, "several", map[string]any{"groups": []string{"owner:acme", "member:other"}})
	callers := map[string]vaulttest.Client{
		"an owner":                  k.Owner,
		"an owner of an empty one":  k.As(t, k.Env.Owner(t, "empty")),
		"a member":                  k.As(t, k.Env.Member(t, "acme")),
		"a member elsewhere":        k.As(t, k.Env.Member(t, "other")),
		"an owner and a member":     k.As(t, several),
		"a sender of one":           k.As(t, k.Env.EndpointSender(t, "acme", "orders")),
		"a resolver of one":         k.As(t, k.Env.Workload(t, "elsewhere", "resolver", "other")),
		"a resolver of all":         k.Resolver,
		"a super admin":             k.Admin,
		"a stranger":                k.As(t, k.Env.Stranger(t)),
		"an unknown workload":       k.As(t, k.Env.Workload(t, "unknown", "")),
		"a super admin, once again": k.Admin,
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
			if got := workspaces(t, c, size); !slices.Equal(got, want[who]) {
				t.Errorf("%s, pages of %d: %v, want %v", who, size, got, want[who])
			}
		}
	}
	_, err := k.As(t, servertest.Caller{}).ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{})
	vaulttest.WantError(t, "ListWorkspaces without credentials", err, codes.Unauthenticated, commonv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING)
}

func TestWorkspacesFollowThePolicyAndTheSecrets(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	newcomer := k.As(t, k.Env.Person(t, "newcomer", map[string]any{"groups": []string{"owner:late"}}))
	if got := workspaces(t, newcomer, 0); len(got) != 0 {
		t.Errorf("before the policy names them, the new caller sees %v", got)
	}
	createIn(t, k.Admin, "brief", "only")
	if got, want := workspaces(t, k.Admin, 0), []string{"workspaces/acme 0", "workspaces/brief 1"}; !slices.Equal(got, want) {
		t.Errorf("ListWorkspaces = %v, want %v", got, want)
	}
	k.Env.Owner(t, "late")
	if got, want := workspaces(t, newcomer, 0), []string{"workspaces/late 0"}; !slices.Equal(got, want) {
		t.Errorf("after the policy names them, the new caller sees %v, want %v", got, want)
	}
	if _, err := k.Admin.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: "workspaces/brief/secrets/only"}); err != nil {
		t.Fatal(err)
	}
	if got, want := workspaces(t, k.Admin, 0), []string{"workspaces/acme 0", "workspaces/late 0"}; !slices.Equal(got, want) {
		t.Errorf("after its last secret was deleted, a workspace that no row names is listed: %v, want %v", got, want)
	}
	k.Env.Revoke(t)
	for who, c := range map[string]vaulttest.Client{"a super admin": k.Admin, "an owner": k.Owner, "the newcomer": newcomer} {
		if got := workspaces(t, c, 0); len(got) != 0 {
			t.Errorf("%s who lost the role sees %v", who, got)
		}
	}
}

func TestWorkspacePagesAreTheCallers(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Env.Owner(t, "other")
	res, err := k.Admin.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageSize: 1})
	if err != nil || len(res.GetWorkspaces()) != 1 || res.GetNextPageToken() == "" {
		t.Fatalf("ListWorkspaces(1) = %v, %v", res, err)
	}
	_, err = k.Owner.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageToken: res.GetNextPageToken()})
	vaulttest.WantError(t, "the page token of another caller", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
	_, err = k.Owner.ListWorkspaces(t.Context(), &vaultv1.ListWorkspacesRequest{PageSize: -1})
	vaulttest.WantField(t, "a negative page size", err, "page_size")
}
