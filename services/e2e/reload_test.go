package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/standalone/localid"
)

// authority returns the authority of the programs' certificates.
func (c *constellation) authority() *localid.Authority {
	c.t.Helper()
	a, err := localid.LoadOrCreate(filepath.Join(c.dir, "ca"))
	check(c.t, err)
	return a
}

// workload returns a client of the vault for a workload of the trust domain.
func (c *constellation) workload(name string) vaultv1.VaultServiceClient {
	c.t.Helper()
	cert, err := c.authority().WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + apartDomain + "/" + name))
	check(c.t, err)
	config := c.tls(c.t)
	config.Certificates = []tls.Certificate{cert}
	conn, err := grpc.NewClient(c.vault, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return vaultv1.NewVaultServiceClient(conn)
}

// observe restarts a program with a metrics port and returns its address.
func (c *constellation) observe(name string) string {
	c.t.Helper()
	address := servertest.Address(c.t)
	replaceFile(c.t, c.path(name+".yaml"), readFile(c.t, c.path(name+".yaml"))+"\nmetrics_listen: "+address+"\n")
	c.running[name].stop()
	c.start(name)
	c.waitReady()
	return address
}

// showsMetric fails unless a program exposes a line.
func showsMetric(ctx context.Context, address, line string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if !strings.Contains(string(body), line+"\n") {
		return fmt.Errorf("there is no line %q", line)
	}
	return nil
}

// serial returns the serial number of the certificate of an address.
func (c *constellation) serial(ctx context.Context, address string) (string, error) {
	dialer := tls.Dialer{Config: c.tls(c.t)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// lists returns the status of listing secrets.
func (c *constellation) lists(who person) int {
	c.t.Helper()
	got, err := c.tryCall(c.t, who, http.MethodGet, "/v1/workspaces/demo/secrets", "")
	check(c.t, err)
	return got.status
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

// replaceFile replaces a file like the tools of operators.
func replaceFile(t testing.TB, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path+".new", []byte(text), 0o600))
	check(t, os.Rename(path+".new", path))
}

func TestAChangedPolicyActsWithoutARestart(t *testing.T) {
	t.Parallel()
	c := apart(t)
	metrics := c.observe("vault")
	policy := readFile(t, c.path("policy.yaml"))
	becomes := func(what string, want int) {
		t.Helper()
		eventually(t, patience, what, func(context.Context) error {
			if got := c.lists(owner); got != want {
				return fmt.Errorf("GET secrets = %d, want %d", got, want)
			}
			return nil
		})
	}
	alarm := func(value string) {
		t.Helper()
		eventually(t, patience, "the alarm becomes "+value, func(ctx context.Context) error {
			return showsMetric(ctx, metrics, `keyward_reload_failed{files="server"} `+value)
		})
	}
	replaceFile(t, c.path("policy.yaml"), strings.ReplaceAll(policy, "value: owners, role: owner", "value: owners, role: member"))
	becomes("the owner lost the role", http.StatusForbidden)
	replaceFile(t, c.path("policy.yaml"), "people: [oops")
	alarm("1")
	if got := c.lists(owner); got != http.StatusForbidden {
		t.Errorf("GET secrets by a member with a broken policy on disk = %d, want 403", got)
	}
	if got := c.lists(admin); got != http.StatusOK {
		t.Errorf("GET secrets by an admin with a broken policy on disk = %d, want 200", got)
	}
	replaceFile(t, c.path("policy.yaml"), policy)
	becomes("the owner has the role again", http.StatusOK)
	alarm("0")
}

func TestRenewedCertificatesAreShownWithoutARestart(t *testing.T) {
	t.Parallel()
	c := apart(t)
	metrics := c.observe("gateway")
	check(t, showsMetric(t.Context(), metrics, `keyward_reload_failed{files="gateway"} 0`))
	door := strings.TrimPrefix(c.json, "https://")
	for name, address := range map[string]string{"gateway": door, "vault": c.vault, "allowlist": c.allowlist} {
		before, err := c.serial(t.Context(), address)
		check(t, err)
		cert, err := c.authority().ServerCertificate("127.0.0.1", "localhost")
		check(t, err)
		check(t, localid.WriteCertificate(c.path(name+".crt"), c.path(name+".key"), cert))
		eventually(t, patience, name+" shows its new certificate", func(ctx context.Context) error {
			if now, err := c.serial(ctx, address); err != nil || now == before {
				return fmt.Errorf("it shows %s, %w", now, err)
			}
			return nil
		})
	}
	replaceFile(t, c.path("gateway.crt"), "no certificate")
	eventually(t, patience, "the alarm", func(ctx context.Context) error {
		return showsMetric(ctx, metrics, `keyward_reload_failed{files="gateway"} 1`)
	})
	if got := c.lists(owner); got != http.StatusOK {
		t.Errorf("GET secrets with a broken certificate on disk = %d, want 200", got)
	}
}

func TestANewAuthorityIsFollowedWithoutARestart(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	next, err := localid.LoadOrCreate(filepath.Join(c.dir, "next"))
	check(t, err)
	check(t, next.WriteTrust(c.path("next.pem")))
	replaceFile(t, c.path("ca.pem"), readFile(t, c.path("ca.pem"))+readFile(t, c.path("next.pem")))
	for _, name := range []string{"gateway", "allowlist"} {
		client, err := next.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + apartDomain + "/" + name))
		check(t, err)
		check(t, localid.WriteCertificate(c.path(name+"-client.crt"), c.path(name+"-client.key"), client))
	}
	server, err := next.ServerCertificate("127.0.0.1", "localhost")
	check(t, err)
	check(t, localid.WriteCertificate(c.path("vault.crt"), c.path("vault.key"), server))
	// Connections last up to an hour; a restart of the vault makes the others reconnect now.
	c.running["vault"].stop()
	c.start("vault")
	c.waitReady()
	eventually(t, patience, "the allowlist reaches the vault", func(context.Context) error {
		got, err := c.tryCall(t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints?endpointId=second", `{
			"url": "https://api.partner.example/v1/payments", "methods": ["POST"],
			"encryption": {"request": {"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
				{"name": "workspaces/demo/secrets/payments-aes", "decoding": "DECODING_HEX"}]}}}}}`)
		if err != nil || got.status != http.StatusOK {
			return fmt.Errorf("CreateEndpoint = %d %s, %w", got.status, got.body, err)
		}
		return nil
	})
	c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
}

func TestMetricsAndReflectionAreOpenToWhomTheConfigurationSays(t *testing.T) {
	t.Parallel()
	c := apart(t)
	vault := readFile(t, c.path("vault.yaml"))
	for setting, ok := range map[string]bool{
		"metrics_listen: 0.0.0.0:0":                         false,
		"metrics_listen: 0.0.0.0:0\nmetrics_public: true":   true,
		"metrics_listen: 127.0.0.1:0":                       true,
		"reflection: authenticated":                         true,
		"reflection: whatever":                              false,
		"limits: {max_connection_age: 2h}":                  false,
		"limits: {per_principal: {requests_per_second: 0}}": true,
	} {
		path := filepath.Join(t.TempDir(), "vault.yaml")
		replaceFile(t, path, vault+"\n"+setting+"\n")
		if _, stderr, code := runProgram(t, "vault", "check", "--config", path); (code == 0) != ok {
			t.Errorf("check with %q exits with %d %q, want OK: %v", setting, code, stderr, ok)
		}
	}
}

func TestCallersOverTheLimitGetRateLimited(t *testing.T) {
	t.Parallel()
	c := apart(t)
	replaceFile(t, c.path("vault.yaml"), readFile(t, c.path("vault.yaml"))+
		"\nlimits: {per_principal: {requests_per_second: 0.1, burst: 5}}\n")
	c.running["vault"].stop()
	c.start("vault")
	var got answer
	eventually(t, patience, "a refusal", func(context.Context) (err error) {
		if got, err = c.tryCall(t, owner, http.MethodGet, "/v1/workspaces/demo/secrets", ""); err == nil && got.status != http.StatusTooManyRequests {
			err = fmt.Errorf("GET secrets = %d", got.status)
		}
		return err
	})
	if got.reason() != "RATE_LIMITED" || !strings.Contains(string(got.body), "retryDelay") || got.header.Get("Retry-After") == "" {
		t.Errorf("the refusal is %s with Retry-After %q, want RATE_LIMITED and the time to wait", got.body, got.header.Get("Retry-After"))
	}
	if got := c.lists(admin); got != http.StatusOK {
		t.Errorf("GET secrets by another caller = %d, want 200", got)
	}
}
