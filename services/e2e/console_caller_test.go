package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCallersLearnTheirOwnRoles(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	type workspace struct {
		Workspace string
		Roles     []string
	}
	type caller struct {
		Subject    string
		SuperAdmin bool
		Workspaces []workspace
	}
	for who, want := range map[person]caller{
		owner:  {Workspaces: []workspace{{"workspaces/demo", []string{"ROLE_OWNER"}}}},
		member: {Workspaces: []workspace{{"workspaces/demo", []string{"ROLE_MEMBER"}}}},
		sender: {Workspaces: []workspace{{"workspaces/-", []string{"ROLE_SENDER"}}}},
		admin:  {SuperAdmin: true, Workspaces: []workspace{}},
	} {
		var got caller
		if err := json.Unmarshal(s.must(t, who, http.MethodGet, "/v1/caller", "").body, &got); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(got.Subject, "/issuer#"+string(who)) {
			t.Errorf("the subject of %s = %q, want the issuer and the name", who, got.Subject)
		}
		got.Subject = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("GET /v1/caller as %s (-want +got)\n%s", who, diff)
		}
	}
	if got := s.call(t, anonymous, http.MethodGet, "/v1/caller", ""); got.status != http.StatusUnauthorized || got.reason() != "CREDENTIALS_MISSING" {
		t.Errorf("GET /v1/caller without a token = %d %s, want 401 CREDENTIALS_MISSING", got.status, got.reason())
	}
}
