package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/services/standalone/localid"
)

const apartDomain = "keyward.test"

// A constellation is the three programs in separate processes, each with its own certificate and
// configuration file, as an operator would run them.
type constellation struct {
	site
	t       testing.TB
	dir     string
	running map[string]*process
	folder  func() (string, error) // of the programs
	metrics string                 // address of the allowlist's metrics, if a test enables them
	issuer  *localid.Issuer
}

// apart starts the three programs. Their ports stay the same across restarts.
func apart(t testing.TB) *constellation {
	t.Helper()
	c := apartIn(t, t.TempDir(), programs)
	for _, name := range []string{"vault", "allowlist", "gateway"} {
		c.run(name, "check", "--config", c.path(name+".yaml"))
	}
	// The allowlist starts without the vault, but then its first callers get an error.
	c.start("vault")
	_, err := healthv1.NewHealthClient(c.dial(t, c.vault, anonymous)).Check(t.Context(), &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
	check(t, err)
	c.start("allowlist")
	c.start("gateway")
	c.waitReady()
	return c
}

// apartIn writes what the three programs need to a folder, and starts none of them.
func apartIn(t testing.TB, dir string, folder func() (string, error)) *constellation {
	t.Helper()
	c := &constellation{t: t, dir: dir, running: make(map[string]*process), folder: folder}
	c.access = c.dir
	authority, err := localid.LoadOrCreate(filepath.Join(c.dir, "ca"))
	check(t, err)
	check(t, authority.WriteTrust(c.path("ca.pem")))
	issuer := c.startIssuer(authority)
	for _, name := range []string{"vault", "allowlist", "gateway"} {
		server, err := authority.ServerCertificate("127.0.0.1", "localhost")
		check(t, err)
		check(t, localid.WriteCertificate(c.path(name+".crt"), c.path(name+".key"), server))
		workload, err := authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + apartDomain + "/" + name))
		check(t, err)
		check(t, localid.WriteCertificate(c.path(name+"-client.crt"), c.path(name+"-client.key"), workload))
	}
	c.vault, c.allowlist = servertest.Address(t), servertest.Address(t)
	door := servertest.Address(t)
	c.json = "https://" + door
	c.configure(issuer, door)
	for _, name := range []string{"vault", "allowlist"} {
		c.run(name, "create-key", c.path(name+".kek"))
	}
	return c
}

func (c *constellation) path(name string) string { return filepath.Join(c.dir, name) }

// run runs a command of a program and waits for its end.
func (c *constellation) run(name string, args ...string) {
	c.t.Helper()
	folder, err := c.folder()
	check(c.t, err)
	if out, err := exec.CommandContext(c.t.Context(), filepath.Join(folder, name), args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// start starts a program, or restarts it.
func (c *constellation) start(name string) {
	c.t.Helper()
	c.running[name] = start(c.t, name, "serve", "--config", c.path(name+".yaml"))
}

// waitReady waits until both services answer through the gateway.
func (c *constellation) waitReady() {
	c.t.Helper()
	eventually(c.t, patience, "all programs are ready", func(context.Context) error {
		for _, list := range []string{"secrets", "endpoints"} {
			got, err := c.tryCall(c.t, owner, http.MethodGet, "/v1/workspaces/demo/"+list, "")
			if err != nil {
				return err
			}
			if got.status != http.StatusOK {
				return fmt.Errorf("GET %s = %d %s", list, got.status, got.body)
			}
		}
		return nil
	})
}

// startIssuer serves an OIDC issuer and writes a token for each person.
func (c *constellation) startIssuer(authority *localid.Authority) string {
	c.t.Helper()
	cert, err := authority.ServerCertificate("127.0.0.1")
	check(c.t, err)
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	url := "https://" + server.Listener.Addr().String()
	issuer, err := localid.NewIssuer(url)
	check(c.t, err)
	c.issuer = issuer
	server.Config.Handler = issuer.Handler()
	server.StartTLS()
	c.t.Cleanup(server.Close)
	for who, group := range map[person]string{admin: "admins", owner: "owners", member: "members", sender: "none"} {
		token, err := issuer.Sign(string(who), "keyward", time.Hour, map[string]any{"groups": []string{group}})
		check(c.t, err)
		check(c.t, os.WriteFile(c.path(string(who)+".token"), []byte(token), 0o600))
	}
	return url
}

// configure writes the policy and the three configuration files.
func (c *constellation) configure(issuer, door string) {
	c.t.Helper()
	write := func(name, text string) {
		check(c.t, os.WriteFile(c.path(name), []byte(text), 0o600))
	}
	write("policy.yaml", fmt.Sprintf(`
people:
  - {issuer: %[1]q, claim: groups, value: admins, role: super_admin}
  - {issuer: %[1]q, claim: groups, value: owners, role: owner, workspaces: [demo]}
  - {issuer: %[1]q, claim: groups, value: members, role: member, workspaces: [demo]}
workloads:
  - {issuer: %[1]q, subject: sender, role: sender, workspaces: [demo]}
  - {spiffe_id: "spiffe://%[2]s/allowlist", role: resolver, workspaces: ["*"]}
  - {spiffe_id: "spiffe://%[2]s/gateway", role: proxy}
`, issuer, apartDomain))
	server := `
listen: %[1]s
tls: {certificate: %[2]s/%[3]s.crt, key: %[2]s/%[3]s.key, client_trust: %[2]s/ca.pem, trust_domain: ` + apartDomain + `}
auth:
  policy: %[2]s/policy.yaml
  issuers: [{url: %[4]q, audience: keyward, ca_file: %[2]s/ca.pem}]
store: %[2]s/%[3]s.db
key_file: %[2]s/%[3]s.kek
`
	write("vault.yaml", fmt.Sprintf(server, c.vault, c.dir, "vault", issuer))
	write("allowlist.yaml", fmt.Sprintf(server+`
vault:
  address: %[5]s
  ca: %[2]s/ca.pem
  certificate: %[2]s/allowlist-client.crt
  key: %[2]s/allowlist-client.key
`, c.allowlist, c.dir, "allowlist", issuer, c.vault))
	write("gateway.yaml", fmt.Sprintf(`
listen: %s
tls: {certificate: %[2]s/gateway.crt, key: %[2]s/gateway.key}
client: {certificate: %[2]s/gateway-client.crt, key: %[2]s/gateway-client.key}
ca: %[2]s/ca.pem
vault: %[3]s
allowlist: %[4]s
`, door, c.dir, c.vault, c.allowlist))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheThreeProgramsRunApartOverMutualTLS(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	got := c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	if body := got.bytes(t, "body"); openGCM(t, body) != "hello" {
		t.Error("the partner does not decrypt the message")
	}
	for _, name := range []string{"gateway", "allowlist", "vault"} {
		check(t, c.running[name].cmd.Process.Signal(syscall.SIGHUP)) // reload files, and continue
	}
	c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	for _, name := range []string{"gateway", "allowlist", "vault"} {
		c.running[name].stop()
	}
}

func TestAProxyCertificateConfersNothing(t *testing.T) {
	t.Parallel()
	c := apart(t)
	got := c.call(t, anonymous, http.MethodGet, "/v1/workspaces/demo/secrets", "")
	if got.status != http.StatusUnauthorized || got.reason() != "CREDENTIALS_MISSING" {
		t.Errorf("a request through the gateway without a token = %d %s, want 401 CREDENTIALS_MISSING", got.status, got.reason())
	}
}

func TestTheAllowlistStartsWithoutTheVaultAndRecovers(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.running["vault"].kill()
	c.running["allowlist"].kill()
	c.start("allowlist")

	encrypt := func() answer {
		got, err := c.tryCall(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
		check(t, err)
		return got
	}
	eventually(t, patience, "the allowlist reports that the vault is unavailable", func(context.Context) error {
		if got := encrypt(); got.status != http.StatusServiceUnavailable || got.reason() != "VAULT_UNAVAILABLE" {
			return fmt.Errorf("Encrypt = %d %s", got.status, got.body)
		}
		return nil
	})
	c.start("vault")
	eventually(t, patience, "Encrypt works again", func(context.Context) error {
		if got := encrypt(); got.status != http.StatusOK {
			return fmt.Errorf("Encrypt = %d %s", got.status, got.body)
		}
		return nil
	})
}

func TestTheAllowlistGoesOnWithoutTheVaultAndHearsOfChangesAgain(t *testing.T) {
	t.Parallel()
	c := apart(t)
	metrics := c.observe("allowlist")
	endpoint := register(t, c.site, "demo", "payments")
	encrypt := func() (answer, error) {
		return c.tryCall(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	}
	connected := func(yes string) {
		eventually(t, patience, "the watch of the vault is "+yes, func(ctx context.Context) error {
			return showsMetric(ctx, metrics, "keyward_vault_watch_connected "+yes)
		})
	}
	works := func(when string) {
		if got, err := encrypt(); err != nil || got.status != http.StatusOK {
			t.Fatalf("Encrypt %s = %d %s, %v", when, got.status, got.body, err)
		}
	}
	connected("1")
	works("with the vault")
	c.running["vault"].kill()
	connected("0")
	works("without the vault")
	c.start("vault")
	connected("1")
	works("with the vault again")

	// A value of another length is not a valid key for the cipher, which shows that it is used.
	c.must(t, owner, http.MethodPatch, "/v1/workspaces/demo/secrets/payments-aes", `{"value":{"text":"00","weakReason":"is not a key"}}`)
	eventually(t, time.Second, "the new version is in use", func(context.Context) error {
		if got, err := encrypt(); err != nil || got.status != http.StatusBadRequest {
			return fmt.Errorf("Encrypt = %d %s, %v", got.status, got.body, err) //nolint:errorlint // there may be none
		}
		return nil
	})
}
