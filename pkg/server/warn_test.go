package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
)

func TestRowsThatNeverMatchAreLoggedAtLoad(t *testing.T) {
	t.Parallel()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	env := servertest.New(t, func(c *server.Config) {
		rows := strings.NewReplacer("ISSUER", c.Auth.Issuers[0].URL).Replace(`people:
- {issuer: "ISSUER", claim: sub, value: ada, role: owner, workspaces: [acme]}
- {issuer: "ISSUER/", claim: sub, value: ada, role: owner, workspaces: [acme]}
workloads:
- {spiffe_id: "spiffe://elsewhere.test/w", role: resolver, workspaces: ["*"]}
`)
		if err := os.WriteFile(policy, []byte(rows), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Auth.Policy = policy
	})
	ada := env.Person(t, "ada", nil)
	client := serve(t, env, ada, nil)
	if err := getSecret(t, client); err != nil {
		t.Errorf("GetSecret() under a policy with warnings = %v, want OK", err)
	}
	var warned []string
	for _, line := range env.Log.Lines() {
		if strings.Contains(line, `"warning":`) && !strings.Contains(strings.Join(warned, ""), line) {
			warned = append(warned, line)
		}
	}
	all := strings.Join(warned, "\n")
	for _, want := range []string{"people[1]: ", "workloads[0]: ", "workloads: no row gives"} {
		if !strings.Contains(all, want) {
			t.Errorf("the log does not warn of %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "people[0]") || strings.Contains(all, "ada") {
		t.Errorf("the log warns of a good row, or quotes the policy:\n%s", all)
	}
	if n := strings.Count(all, "WARN"); n < 3 {
		t.Errorf("%d of the lines are warnings:\n%s", n, all)
	}
}
