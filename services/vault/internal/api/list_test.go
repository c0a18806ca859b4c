package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestListsAreOrderedFilteredAndPaged(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if got := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{}); len(got) != 0 {
		t.Errorf("a workspace without secrets lists %v", got)
	}
	k.Owner.Create(t, "Bank-key", &vaultv1.Secret{Labels: map[string]string{"env": "prod", "team": "a"}})
	k.Owner.Create(t, "bank-salt", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_PARAMETER, Labels: map[string]string{"env": "test"}})
	k.Owner.Create(t, "shop", &vaultv1.Secret{Labels: map[string]string{"env": "prod"}})
	k.Owner.Create(t, "api", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}})
	k.Owner.Create(t, "gone", &vaultv1.Secret{})
	k.Owner.Delete(t, "gone")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("bank-salt"), Description: "touched"})
	other := k.As(t, k.Env.Owner(t, "other"))
	if _, err := other.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/other", SecretId: "bank", Secret: &vaultv1.Secret{Value: vaulttest.Text("v")}}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		req  *vaultv1.ListSecretsRequest
		want string
	}{
		{"by name by default", &vaultv1.ListSecretsRequest{}, "Bank-key api bank-salt shop"},
		{"by name", &vaultv1.ListSecretsRequest{OrderBy: "name"}, "Bank-key api bank-salt shop"},
		{"by name, descending", &vaultv1.ListSecretsRequest{OrderBy: "name desc"}, "shop bank-salt api Bank-key"},
		{"by update time", &vaultv1.ListSecretsRequest{OrderBy: "update_time"}, "Bank-key shop api bank-salt"},
		{"by update time, descending", &vaultv1.ListSecretsRequest{OrderBy: "update_time desc"}, "bank-salt api shop Bank-key"},
		{"a part of the ID, ignoring case", &vaultv1.ListSecretsRequest{Query: "BANK"}, "Bank-key bank-salt"},
		{"a part of the ID, descending", &vaultv1.ListSecretsRequest{Query: "k", OrderBy: "name desc"}, "bank-salt Bank-key"},
		{"a part of the ID, by update time", &vaultv1.ListSecretsRequest{Query: "A", OrderBy: "update_time desc"}, "bank-salt api Bank-key"},
		{"the description is not searched", &vaultv1.ListSecretsRequest{Query: "touched"}, ""},
		{"one usage", &vaultv1.ListSecretsRequest{Usage: vaultv1.Usage_USAGE_PARAMETER}, "bank-salt"},
		{"a label and its value", &vaultv1.ListSecretsRequest{Label: "env=prod"}, "Bank-key shop"},
		{"a label with any value", &vaultv1.ListSecretsRequest{Label: "env"}, "Bank-key bank-salt shop"},
		{"a label with the empty value", &vaultv1.ListSecretsRequest{Label: "env="}, ""},
		{"one state", &vaultv1.ListSecretsRequest{State: vaultv1.VersionState_VERSION_STATE_ENABLED}, "Bank-key api bank-salt shop"},
		{"a state of no secret", &vaultv1.ListSecretsRequest{State: vaultv1.VersionState_VERSION_STATE_DISABLED}, ""},
		{"filters together", &vaultv1.ListSecretsRequest{Query: "bank", Label: "env=prod", Usage: vaultv1.Usage_USAGE_KEY}, "Bank-key"},
	}
	for _, tt := range tests {
		for _, size := range []int32{0, 1, 3, 5000} {
			tt.req.PageSize = size
			if got := strings.Join(k.Owner.IDs(t, tt.req), " "); got != tt.want {
				t.Errorf("%s, pages of %d: %q, want %q", tt.name, size, got, tt.want)
			}
		}
	}
}

func TestPagesHaveTheirBounds(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	want := make([]string, 60)
	var wg sync.WaitGroup
	for i := range want {
		want[i] = fmt.Sprintf("key-%03d", i)
		wg.Go(func() {
			if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest(want[i], "v", "")); err != nil {
				t.Errorf("CreateSecret = %v", err)
			}
		})
	}
	wg.Wait()
	res, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace})
	if err != nil || len(res.GetSecrets()) != 50 || res.GetNextPageToken() == "" {
		t.Errorf("a page without a size has %d secrets, %v, want 50", len(res.GetSecrets()), err)
	}
	if got := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{PageSize: 60}); !slices.Equal(got, want) {
		t.Errorf("one page of all: %v", got)
	}
	full, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, PageSize: 60})
	if err != nil || full.GetNextPageToken() != "" {
		t.Errorf("the last page has a next page token, %v", err)
	}
	for what, req := range map[string]*vaultv1.ListSecretsRequest{
		"page_size": {Parent: vaulttest.Workspace, PageSize: -1},
		"order_by":  {Parent: vaulttest.Workspace, OrderBy: "description"},
		"query":     {Parent: vaulttest.Workspace, Query: strings.Repeat("q", 129)},
		"label":     {Parent: vaulttest.Workspace, Label: "NO"},
		"usage":     {Parent: vaulttest.Workspace, Usage: 99},
		"state":     {Parent: vaulttest.Workspace, State: 99},
	} {
		_, err := k.Owner.ListSecrets(t.Context(), req)
		vaulttest.WantField(t, "a malformed "+what, err, what)
	}
}

func TestPageTokenIsOfOneRequestAndCaller(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for i := range 3 {
		k.Owner.Create(t, fmt.Sprintf("key-%d", i), &vaultv1.Secret{})
	}
	first := &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, PageSize: 1, Query: "key"}
	res, err := k.Owner.ListSecrets(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	token := res.GetNextPageToken()
	with := func(change func(*vaultv1.ListSecretsRequest)) *vaultv1.ListSecretsRequest {
		req := proto.CloneOf(first)
		req.PageToken = token
		change(req)
		return req
	}
	if _, err := k.Owner.ListSecrets(t.Context(), with(func(r *vaultv1.ListSecretsRequest) { r.PageSize = 2 })); err != nil {
		t.Errorf("the next page with another size: %v", err)
	}
	tests := []struct {
		name string
		as   vaulttest.Client
		req  *vaultv1.ListSecretsRequest
	}{
		{"another caller", k.Admin, with(func(*vaultv1.ListSecretsRequest) {})},
		{"another query", k.Owner, with(func(r *vaultv1.ListSecretsRequest) { r.Query = "ke" })},
		{"another order", k.Owner, with(func(r *vaultv1.ListSecretsRequest) { r.OrderBy = "update_time" })},
		{"a changed token", k.Owner, with(func(r *vaultv1.ListSecretsRequest) { r.PageToken = "A" + token[1:] })},
		{"a truncated token", k.Owner, with(func(r *vaultv1.ListSecretsRequest) { r.PageToken = token[:8] })},
		{"not a token", k.Owner, with(func(r *vaultv1.ListSecretsRequest) { r.PageToken = "hello" })},
	}
	for _, tt := range tests {
		if tt.req.GetPageToken()[0] == token[0] && tt.name == "a changed token" {
			tt.req.PageToken = "B" + token[1:]
		}
		_, err := tt.as.ListSecrets(t.Context(), tt.req)
		vaulttest.WantError(t, tt.name, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
	}
	_, err = k.Owner.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: vaulttest.Workspace + "/secrets/-", PageToken: token})
	vaulttest.WantError(t, "another method", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
}

func TestPagesStayWithinTheMessageLimitOfClients(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	labels := make(map[string]string)
	for i := range 64 {
		labels[fmt.Sprintf("l%02d-%s", i, strings.Repeat("k", 56))] = strings.Repeat("v", 63)
	}
	const secrets = 500
	for i := range secrets {
		k.Owner.Create(t, fmt.Sprintf("s%03d", i), &vaultv1.Secret{Labels: labels})
	}
	seen, token := 0, ""
	for {
		resp, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(resp); size > 3<<20 {
			t.Errorf("a page has %d bytes, too many for a client with the usual limit of 4 MiB", size)
		}
		seen += len(resp.GetSecrets())
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != secrets {
		t.Errorf("the pages list %d secrets, want %d", seen, secrets)
	}
}
