package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestMembersSeeThatReferencesAreSet(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	for _, tt := range []struct {
		as   allowlisttest.Client
		want string
	}{{k.Owner, secret}, {k.Admin, secret}, {k.Member, "set"}} {
		list, err := tt.as.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
		allowlisttest.Must(t, err)
		for _, e := range append(list.GetEndpoints(), tt.as.Get(t, "orders")) {
			if got := e.GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName(); got != tt.want {
				t.Errorf("%s sees %q, want %q", tt.as.Subject, got, tt.want)
			}
		}
	}
}

func TestHistoryRecordsActorsAndChanges(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft())
	_, err := k.Owner.UpdateEndpoint(t.Context(), &allowlistv1.UpdateEndpointRequest{
		Endpoint: &allowlistv1.Endpoint{
			Name: allowlisttest.NameOf("orders"), Description: "new", Labels: map[string]string{"a": "b"},
			Url: "https://b.example/", Encryption: allowlisttest.Encrypted(secret),
		},
		Reason: "moved",
	})
	allowlisttest.Must(t, err)
	k.Owner.Create(t, "others", allowlisttest.Draft())
	change := k.Owner.History(t, allowlisttest.NameOf("orders"))[0]
	want := &allowlistv1.EndpointChange{
		Sequence: 1, Action: allowlistv1.EndpointChange_ACTION_UPDATED, Endpoint: allowlisttest.NameOf("orders"),
		ChangedFields:  []string{"description", "labels", "url", "encryption", "state_reason"},
		NewDescription: "new", NewLabels: map[string]string{"a": "b"},
		OldUrl: "https://api.partner.example/v1", NewUrl: "https://b.example/", Secrets: []string{secret}, Reason: "moved",
		Actor: &allowlistv1.Actor{Subject: k.Owner.Subject, Roles: []string{"owner"}, Authentication: "oidc"},
	}
	if diff := cmp.Diff(want, change, protocmp.Transform(), protocmp.IgnoreFields(want, "time", "uid", "request_id"),
		protocmp.IgnoreFields(want.GetActor(), "address")); diff != "" {
		t.Errorf("the change differs (-want +got):\n%s", diff)
	}
	if change.GetRequestId() == "" || change.GetActor().GetAddress() == "" || change.GetUid() == "" {
		t.Errorf("request id %q, address %q, uid %q", change.GetRequestId(), change.GetActor().GetAddress(), change.GetUid())
	}
	if all := k.Owner.History(t, allowlisttest.NameOf("-")); len(all) != 3 || all[0].GetEndpoint() != allowlisttest.NameOf("others") || all[2].GetSequence() != 0 {
		t.Errorf("the history of the workspace = %v", all)
	}
	if none := k.Owner.History(t, allowlisttest.NameOf("never")); len(none) != 0 {
		t.Errorf("the history of an endpoint that never existed = %v", none)
	}
}

func TestListsHonourOrderSearchFiltersAndPages(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	ids := []string{"Alpha", "beta", "delta", "gamma", "zeta"}
	for i, id := range []string{"gamma", "Alpha", "zeta", "beta", "delta"} {
		e := allowlisttest.Draft()
		e.Labels = map[string]string{"n": fmt.Sprint(i % 2)}
		k.Owner.Create(t, id, e)
	}
	k.Activate(t, "zeta")
	byUpdate := []string{"gamma", "Alpha", "beta", "delta", "zeta"}
	reversed := func(ids []string) []string { c := slices.Clone(ids); slices.Reverse(c); return c }
	for _, tt := range []struct {
		name string
		req  *allowlistv1.ListEndpointsRequest
		want []string
	}{
		{"by name", &allowlistv1.ListEndpointsRequest{}, ids},
		{"by name, descending", &allowlistv1.ListEndpointsRequest{OrderBy: "name desc"}, reversed(ids)},
		{"by update", &allowlistv1.ListEndpointsRequest{OrderBy: "update_time"}, byUpdate},
		{"by update, descending", &allowlistv1.ListEndpointsRequest{OrderBy: "update_time desc"}, reversed(byUpdate)},
		{"search, ignoring case", &allowlistv1.ListEndpointsRequest{Query: "LT"}, []string{"delta"}},
		{"search by update", &allowlistv1.ListEndpointsRequest{Query: "ta", OrderBy: "update_time"}, []string{"beta", "delta", "zeta"}},
		{"search, descending", &allowlistv1.ListEndpointsRequest{Query: "A", OrderBy: "name desc"}, reversed(ids)},
		{"state", &allowlistv1.ListEndpointsRequest{State: allowlistv1.Endpoint_STATE_ACTIVE}, []string{"zeta"}},
		{"label", &allowlistv1.ListEndpointsRequest{Label: "n=1"}, []string{"Alpha", "beta"}},
		{"label of any value", &allowlistv1.ListEndpointsRequest{Label: "n"}, ids},
		{"label of no value", &allowlistv1.ListEndpointsRequest{Label: "n="}, nil},
		{"another workspace's", &allowlistv1.ListEndpointsRequest{Parent: "workspaces/empty"}, nil},
	} {
		for size := range int32(4) {
			if got := listAll(t, k.Admin, tt.req, size); !slices.Equal(got, tt.want) {
				t.Errorf("%s, pages of %d = %v, want %v", tt.name, size, got, tt.want)
			}
		}
	}
	k.Restart(t) // the search index is built from the store
	if got := listAll(t, k.Admin, &allowlistv1.ListEndpointsRequest{Query: "lph"}, 1); !slices.Equal(got, []string{"Alpha"}) {
		t.Errorf("search after a restart = %v", got)
	}
	first, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace, PageSize: 2})
	allowlisttest.Must(t, err)
	for name, call := range map[string]func() error{
		"another caller": func() error {
			_, err := k.Member.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace, PageToken: first.GetNextPageToken()})
			return err
		},
		"another request": func() error {
			_, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace, Query: "a", PageToken: first.GetNextPageToken()})
			return err
		},
		"another method": func() error {
			_, err := k.Owner.ListEndpointHistory(t.Context(), &allowlistv1.ListEndpointHistoryRequest{Name: allowlisttest.NameOf("-"), PageToken: first.GetNextPageToken()})
			return err
		},
	} {
		allowlisttest.WantError(t, "a page token of "+name, call(), codes.InvalidArgument, "INVALID_PAGE_TOKEN")
	}
}

// listAll follows the pages of a list and returns the IDs.
func listAll(t testing.TB, as allowlisttest.Client, req *allowlistv1.ListEndpointsRequest, size int32) []string {
	t.Helper()
	var ids []string
	req.PageSize, req.PageToken = size, ""
	if req.GetParent() == "" {
		req.Parent = allowlisttest.Workspace
	}
	for {
		resp, err := as.ListEndpoints(t.Context(), req)
		allowlisttest.Must(t, err)
		for _, e := range resp.GetEndpoints() {
			ids = append(ids, e.GetName()[strings.LastIndex(e.GetName(), "/")+1:])
		}
		if size > 0 && len(resp.GetEndpoints()) > int(size) {
			t.Errorf("a page of %d, want at most %d", len(resp.GetEndpoints()), size)
		}
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return ids
		}
	}
}
