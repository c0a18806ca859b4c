package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestQueryParametersThatTheMethodDoesNotTakeAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	tests := []struct{ name, method, path, query, body, field string }{
		{"an unknown parameter", "GET", secrets, canary + "=1", "", "url.query"},
		{"a parameter without a value", "GET", secrets, canary, "", "url.query"},
		{"a parameter without a name", "GET", secrets, "=" + canary, "", "url.query"},
		{"a parameter of a method without any", "GET", secret, "pageSize=1", "", "url.query"},
		{"a field of the body", "POST", secrets, "secret.description=" + canary, `{}`, "url.query"},
		{"the value", "POST", secrets, "secret.value.text=" + canary, `{}`, "url.query"},
		{"the body itself", "POST", secrets, "secret=" + canary, `{}`, "url.query"},
		{"a map in the body", "POST", secrets, "secret.labels[" + canary + "]=1", `{}`, "url.query"},
		{"a field of the path", "GET", secrets, "parent=workspaces/other", "", "url.query"},
		{"a field of the path of a PATCH", "PATCH", secret, "secret.name=workspaces/other/secrets/db", `{}`, "url.query"},
		{"a parameter of a method whose fields are all in the body", "POST", endpoint + ":encrypt", "exchange=" + canary, `{}`, "url.query"},
		{"the name of a method whose fields are all in the body", "POST", endpoint + ":activate", "name=workspaces/other/endpoints/x", `{}`, "url.query"},
		{"a path below a parameter", "PATCH", secret, "updateMask.paths=description", `{}`, "url.query"},
		{"an index", "GET", secrets, "query[" + canary + "]=1", "", "url.query"},
		{"a parameter in another case", "GET", secrets, "PAGESIZE=1", "", "url.query"},
		{"a repeated parameter", "GET", secrets, "query=a&query=" + canary, "", "query"},
		{"a parameter in both spellings", "GET", secrets, "pageSize=1&page_size=2", "", "page_size"},
		{"an invalid time", "GET", endpoints, "legacyExpiresBefore=" + canary, "", "legacy_expires_before"},
		{"an invalid number", "GET", secrets, "pageSize=" + canary, "", "page_size"},
		{"a number without digits", "GET", secrets, "pageSize=", "", "page_size"},
		{"a number out of range", "GET", secrets, "pageSize=99999999999", "", "page_size"},
		{"an unknown enum value", "GET", secrets, "usage=" + canary, "", "usage"},
		{"an enum by number", "GET", secrets, "usage=1", "", "usage"},
		{"an invalid bool", "DELETE", secret, "force=" + canary, "", "force"},
		{"a bool in another spelling", "DELETE", secret, "force=1", "", "force"},
		{"an invalid mask", "PATCH", secret, "updateMask=" + canary + "!", `{}`, "update_mask"},
		{"a string that is not UTF-8", "GET", secrets, "query=%ff", "", "query"},
		{"an invalid escape", "GET", secrets, "query=%zz" + canary, "", "url.query"},
		{"a semicolon", "GET", secrets, "query=a;" + canary, "", "url.query"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, tc.method, tc.path+"?"+tc.query, tc.body)
			p := wantProblem(t, a, http.StatusBadRequest, "INVALID_FIELD")
			if p.field() != tc.field {
				t.Errorf("field = %q, want %q", p.field(), tc.field)
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("the response repeats the input: %s", a.body)
			}
		})
	}
	e.gotNothing(t)
}

func TestAnUnknownParameterIsToldTheKnownOnes(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.do(t, "GET", secret+"/history?x=1", "").problem(t)
	if got, want := p.bad.GetFieldViolations()[0].GetDescription(), "must contain only these parameters: pageSize, pageToken"; got != want {
		t.Errorf("description = %q, want %q", got, want)
	}
	p = e.do(t, "GET", secret+"?x=1", "").problem(t)
	if got, want := p.bad.GetFieldViolations()[0].GetDescription(), "must be empty: this method has no query parameters"; got != want {
		t.Errorf("description = %q, want %q", got, want)
	}
}

func TestQueryParametersArriveInBothSpellings(t *testing.T) {
	t.Parallel()
	e := start(t)
	want := &vaultv1.ListSecretsRequest{
		Parent: "workspaces/acme", PageSize: 7, PageToken: "a+b/c=", OrderBy: "name desc", Query: "é&=",
		State: vaultv1.VersionState_VERSION_STATE_ENABLED, Label: "env=prod",
	}
	for _, query := range []string{
		"pageSize=7&pageToken=a%2Bb%2Fc%3D&orderBy=name%20desc&query=%C3%A9%26%3D&state=VERSION_STATE_ENABLED&label=env%3Dprod",
		"page_size=7&page_token=a%2Bb%2Fc%3D&order_by=name+desc&query=%C3%A9%26%3D&state=VERSION_STATE_ENABLED&label=env=prod",
	} {
		if a := e.do(t, "GET", secrets+"?"+query, ""); a.code != http.StatusOK {
			t.Fatalf("GET ?%s = %d %s", query, a.code, a.body)
		}
		if diff := cmp.Diff(proto.Message(want), e.got(t).req, protocmp.Transform()); diff != "" {
			t.Errorf("request of ?%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestTimesInTheQueryReachTheMethod(t *testing.T) {
	t.Parallel()
	e := start(t)
	if a := e.do(t, "GET", endpoints+"?legacyExpiresBefore=2026-12-24T18:00:00Z", ""); a.code != http.StatusOK {
		t.Fatalf("GET = %d %s, want 200", a.code, a.body)
	}
	got, ok := e.got(t).req.(*allowlistv1.ListEndpointsRequest)
	if want := time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC); !ok || !got.GetLegacyExpiresBefore().AsTime().Equal(want) {
		t.Errorf("the method got %v, want %v", got, want)
	}
}
