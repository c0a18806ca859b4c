package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/keyward/keyward/services/standalone/localid"
)

// TestAnOwnerProvesAnEndpointByAFile follows an owner whose partner publishes the file: read the
// challenge, publish, verify, activate.
func TestAnOwnerProvesAnEndpointByAFile(t *testing.T) {
	t.Parallel()
	c := apart(t)
	authority, err := localid.LoadOrCreate(c.path("ca"))
	check(t, err)
	files := http.NewServeMux()
	partner := httptest.NewUnstartedServer(files)
	cert, err := authority.ServerCertificate("127.0.0.1")
	check(t, err)
	partner.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	partner.StartTLS()
	t.Cleanup(partner.Close)

	endpoint := "/v1/workspaces/demo/endpoints/partner"
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints?endpointId=partner",
		fmt.Sprintf(`{"url":%q,"methods":["POST"]}`, partner.URL+"/payments"))
	got := c.call(t, owner, http.MethodPost, endpoint+":verify", `{"method":"METHOD_FILE"}`)
	if got.status != http.StatusBadRequest || got.reason() != "VERIFICATION_FAILED" {
		t.Errorf("verify of a forbidden address = %d %s, want 400 VERIFICATION_FAILED", got.status, got.body)
	}

	c.openLoopback()
	var shown struct {
		Challenge struct{ FileURL, FileContent, WebToken string }
	}
	check(t, json.Unmarshal(c.must(t, owner, http.MethodGet, endpoint, "").body, &shown))
	where, err := url.Parse(shown.Challenge.FileURL)
	check(t, err)
	files.HandleFunc(where.Path, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, shown.Challenge.FileContent)
	})
	c.must(t, owner, http.MethodPost, endpoint+":verify", `{"method":"METHOD_FILE"}`)
	if state := c.must(t, owner, http.MethodPost, endpoint+":activate", `{}`).field("state"); state != "STATE_ACTIVE" {
		t.Errorf("state after the proof = %s, want STATE_ACTIVE", state)
	}
}

// openLoopback restarts the allowlist with calls to the loopback network allowed.
func (c *constellation) openLoopback() {
	c.t.Helper()
	text, err := os.ReadFile(c.path("allowlist.yaml"))
	check(c.t, err)
	text = fmt.Appendf(text, "\nverification: {allow_ranges: [127.0.0.0/8], ca_file: %s}\n", c.path("ca.pem"))
	check(c.t, os.WriteFile(c.path("allowlist.yaml"), text, 0o600))
	c.running["allowlist"].stop()
	c.start("allowlist")
	c.waitReady()
}
