package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server/servertest"
)

var programsApart = []string{"vault", "allowlist", "gateway"}

// agents are the Workload APIs of the three programs. Each serves one program.
type agents map[string]*servertest.WorkloadAPI

// rotate gives each program a new certificate of the authority.
func (a agents) rotate(t *testing.T, authority *authtest.Authority) map[string]*x509.Certificate {
	t.Helper()
	leaves := make(map[string]*x509.Certificate)
	for name, api := range a {
		leaves[name] = api.Give(t, authority, "spiffe://"+apartDomain+"/"+name, nil)
	}
	return leaves
}

// useAgents restarts the programs without certificate files.
func (c *constellation) useAgents(a agents) {
	c.t.Helper()
	line := func(name, begin, with string) {
		var lines []string
		for text := range strings.SplitSeq(readFile(c.t, c.path(name+".yaml")), "\n") {
			if strings.HasPrefix(text, begin) {
				text = with
			}
			lines = append(lines, text)
		}
		replaceFile(c.t, c.path(name+".yaml"), strings.Join(lines, "\n"))
	}
	for _, name := range programsApart {
		c.running[name].stop()
	}
	for _, name := range []string{"vault", "allowlist"} {
		line(name, "tls:", fmt.Sprintf("tls: {workload_api: %q}", a[name].Address))
	}
	line("allowlist", "  ca:", "  server_name: spiffe://"+apartDomain+"/vault")
	line("allowlist", "  certificate:", fmt.Sprintf("  workload_api: %q", a["allowlist"].Address))
	line("allowlist", "  key:", "")
	line("gateway", "client:", fmt.Sprintf("client: {workload_api: %q}", a["gateway"].Address))
	line("gateway", "ca:", fmt.Sprintf("vault_server_name: spiffe://%[1]s/vault\nallowlist_server_name: spiffe://%[1]s/allowlist", apartDomain))
	for _, name := range programsApart {
		c.run(name, "check", "--config", c.path(name+".yaml"))
		c.run(name, "check", "--files", "--config", c.path(name+".yaml"))
		c.start(name)
	}
	c.waitReady()
}

func TestProgramsTakeTheirIdentitiesFromAWorkloadAPI(t *testing.T) {
	t.Parallel()
	c, a := apart(t), make(agents)
	for _, name := range programsApart {
		a[name] = servertest.ServeWorkloadAPI(t)
	}
	first, err := authtest.New()
	check(t, err)
	second, err := authtest.New()
	check(t, err)
	a.rotate(t, first)
	c.useAgents(a)
	endpoint := register(t, c.site, "demo", "payments")
	c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)

	// Another authority takes over. A connection keeps the certificate that it was created with,
	// so both services restart: a program that does not follow is locked out.
	leaves := a.rotate(t, second)
	for name, address := range map[string]string{"vault": c.vault, "allowlist": c.allowlist} {
		eventually(t, patience, name+" shows the rotated certificate", func(context.Context) error { return shows(address, leaves[name]) })
	}
	for _, name := range []string{"vault", "allowlist"} {
		c.running[name].stop()
		c.start(name)
	}
	c.waitReady()
	c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	c.must(t, owner, http.MethodPatch, "/v1/workspaces/demo/secrets/payments-aes", `{"description":"after the rotation"}`)
	for _, name := range programsApart {
		if log := c.running[name].output(); strings.Contains(log, "PRIVATE") || strings.Contains(log, `"warning":`) {
			t.Errorf("the log of %s contains a key or a warning:\n%s", name, log)
		}
		c.running[name].stop()
	}
}

// shows fails unless the server at the address presents the certificate.
func shows(address string, want *x509.Certificate) error {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	defer conn.Close()
	if !conn.ConnectionState().PeerCertificates[0].Equal(want) {
		return errors.New("another certificate")
	}
	return nil
}
