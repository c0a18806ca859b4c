package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// bring writes a token for a person, signed by the issuer with the claims.
func (c *constellation) bring(who person, claims map[string]any) string {
	c.t.Helper()
	token, err := c.issuer.Sign(string(who), "keyward", time.Hour, claims)
	check(c.t, err)
	check(c.t, os.WriteFile(c.path(string(who)+".token"), []byte(token), 0o600))
	return token
}

// groups returns n IDs of groups, in Microsoft's format, one of which is an owner's.
func groups(n int) []string {
	ids := []string{"owners"}
	for range n {
		ids = append(ids, uuid.NewString())
	}
	return ids
}

func TestLargeTokensPassEveryDoor(t *testing.T) {
	t.Parallel()
	c := apart(t)
	for _, tt := range []struct {
		who      person
		groups   int
		min, max int // of the token's bytes
	}{
		{"200 groups", 200, 10 << 10, 11 << 10},
		{"300 groups", 300, 15 << 10, 16 << 10},
	} {
		token := c.bring(tt.who, map[string]any{"groups": groups(tt.groups)})
		if len(token) < tt.min || len(token) > tt.max {
			t.Fatalf("the token of %s has %d bytes", tt.who, len(token))
		}
		vault := vaultv1.NewVaultServiceClient(c.dial(t, c.vault, tt.who))
		if _, err := vault.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: "workspaces/demo"}); err != nil {
			t.Errorf("%s: ListSecrets over gRPC = %v", tt.who, err)
		}
		allowlist := allowlistv1.NewAllowlistServiceClient(c.dial(t, c.allowlist, tt.who))
		if _, err := allowlist.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: "workspaces/demo"}); err != nil {
			t.Errorf("%s: ListEndpoints over gRPC = %v", tt.who, err)
		}
		for _, list := range []string{"secrets", "endpoints"} {
			if got := c.call(t, tt.who, http.MethodGet, "/v1/workspaces/demo/"+list, ""); got.status != http.StatusOK {
				t.Errorf("%s: %s over JSON = %d %s", tt.who, list, got.status, got.body)
			}
			for _, two := range []bool{false, true} {
				if got := c.speak(t, two, token, "/v1/workspaces/demo/"+list); got != http.StatusOK {
					t.Errorf("%s: %s over HTTP/2 %v = %d", tt.who, list, two, got)
				}
			}
		}
	}
}

// speak sends a request in one version of HTTP and returns the status.
func (c *constellation) speak(t *testing.T, two bool, token, path string) int {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c.tls(t), ForceAttemptHTTP2: two}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.json+path, http.NoBody)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	check(t, err)
	check(t, resp.Body.Close())
	if want := map[bool]int{false: 1, true: 2}[two]; resp.ProtoMajor != want {
		t.Fatalf("the gateway speaks HTTP/%d, want %d", resp.ProtoMajor, want)
	}
	return resp.StatusCode
}

func TestTokensOfOtherKindsAreRefusedAtEveryDoor(t *testing.T) {
	t.Parallel()
	c := apart(t)
	for who, claims := range map[person]map[string]any{
		"an ID token":    {"groups": groups(0), "nonce": "n"},
		"a logout token": {"groups": groups(0), "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
		"17 KiB":         {"groups": groups(330)},
	} {
		c.bring(who, claims)
		vault := vaultv1.NewVaultServiceClient(c.dial(t, c.vault, who))
		if _, err := vault.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: "workspaces/demo"}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: ListSecrets over gRPC = %v, want Unauthenticated", who, err)
		}
		for _, list := range []string{"secrets", "endpoints"} {
			got := c.call(t, who, http.MethodGet, "/v1/workspaces/demo/"+list, "")
			if got.status != http.StatusUnauthorized || got.reason() != "CREDENTIALS_INVALID" {
				t.Errorf("%s: %s over JSON = %d %s, want 401 CREDENTIALS_INVALID", who, list, got.status, got.body)
			}
		}
	}
}

func TestGroupOverageIsNamedToTheCallerAndInTheLog(t *testing.T) {
	t.Parallel()
	c := apart(t)
	c.bring("overage", map[string]any{
		"_claim_names":   map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/v1.0/users/x/getMemberObjects"}},
	})
	for program, list := range map[string]string{"vault": "secrets", "allowlist": "endpoints"} {
		got := c.call(t, "overage", http.MethodGet, "/v1/workspaces/demo/"+list, "")
		if got.status != http.StatusForbidden || got.reason() != "PERMISSION_DENIED" || !strings.Contains(string(got.body), "group overage") {
			t.Errorf("%s = %d %s, want 403 for group overage", list, got.status, got.body)
		}
		eventually(t, patience, "the log of "+program+" names the claim without its value", func(context.Context) error {
			if log := c.running[program].output(); !strings.Contains(log, "_claim_names") || strings.Contains(log, "graph.example") {
				return errors.New(log)
			}
			return nil
		})
	}
}
