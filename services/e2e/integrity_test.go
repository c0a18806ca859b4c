package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// runProgram runs a program, waits for its end, and returns its output and its exit code.
func runProgram(t testing.TB, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	folder, err := programs()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, program), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var failed *exec.ExitError
	if err := cmd.Run(); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), code
}

// command runs a command of the allowlist with its configuration.
func (c *constellation) command(name string) (stdout, stderr string, code int) {
	c.t.Helper()
	return runProgram(c.t, "allowlist", name, "--config", c.path("allowlist.yaml"))
}

// logged fails unless a program has printed a string.
func (p *process) logged(text string) error {
	if !strings.Contains(p.output(), text) {
		return fmt.Errorf("%s has not logged %q", p.name, text)
	}
	return nil
}

// expect runs a command and compares its lines and its exit code.
func (c *constellation) expect(name string, code int, lines ...string) {
	c.t.Helper()
	want := ""
	for _, line := range lines {
		want += strings.ReplaceAll(line, " ", "\t") + "\n"
	}
	stdout, stderr, got := c.command(name)
	if diff := cmp.Diff(want, stdout); diff != "" || got != code {
		c.t.Errorf("%s exited with %d, want %d, and stderr %q; its lines (-want +got):\n%s", name, got, code, stderr, diff)
	}
}

// asAllowlist is a client of the vault with the allowlist's own certificate.
func (c *constellation) asAllowlist() vaultv1.VaultServiceClient {
	c.t.Helper()
	return c.asResolver("allowlist")
}

// asResolver is a client of the vault with the certificate of a workload.
func (c *constellation) asResolver(name string, defaults ...grpc.CallOption) vaultv1.VaultServiceClient {
	c.t.Helper()
	cert, err := tls.LoadX509KeyPair(c.path(name+"-client.crt"), c.path(name+"-client.key"))
	check(c.t, err)
	config := c.tls(c.t)
	config.Certificates = []tls.Certificate{cert}
	conn, err := grpc.NewClient(c.vault, grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithDefaultCallOptions(defaults...))
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return vaultv1.NewVaultServiceClient(conn)
}

const (
	aesSecret  = "workspaces/demo/secrets/payments-aes"
	aesChain   = "hex > AES-256-GCM(iv=random/12,tag=16)"
	aesHost    = "api.partner.example"
	hmacSecret = "workspaces/demo/secrets/payments-hmac"
)

// unbind releases the endpoint's binding of a secret without the allowlist's knowledge.
func (c *constellation) unbind(secret string) {
	c.t.Helper()
	vault := c.asAllowlist()
	held, err := vault.ListSecretBindings(c.t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	check(c.t, err)
	if len(held.GetBindings()) != 1 {
		c.t.Fatalf("%s has %d bindings, want one", secret, len(held.GetBindings()))
	}
	_, err = vault.UnbindSecret(c.t.Context(), &vaultv1.UnbindSecretRequest{
		Name: secret, OperationId: held.GetBindings()[0].GetOperationId(),
	})
	check(c.t, err)
}

func TestCommandsListAndRepairReferences(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	for _, name := range []string{"references", "reconcile"} {
		stdout, stderr, code := c.command(name)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "SIGUSR1") {
			t.Errorf("%s next to a running allowlist = %d %q %q, want 1 and advice", name, code, stdout, stderr)
		}
	}
	c.running["allowlist"].stop()
	c.expect("references", 0, "BOUND "+aesSecret+" "+endpoint, "BOUND "+hmacSecret+" "+endpoint)
	c.expect("reconcile", 0)

	c.unbind(hmacSecret)
	ghost := "workspaces/demo/endpoints/ghost"
	_, err := c.asAllowlist().BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: aesSecret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: ghost, OperationId: "ghost",
		Host: aesHost, Chains: []string{aesChain},
	})
	check(t, err)
	c.expect("references", 1, "UNNEEDED "+aesSecret+" "+ghost, "BOUND "+aesSecret+" "+endpoint, "UNBOUND "+hmacSecret+" "+endpoint)
	c.expect("reconcile", 1, "GIVEN_UP "+aesSecret+" "+ghost, "BOUND_AGAIN "+hmacSecret+" "+endpoint)
	c.expect("reconcile", 0)
	c.expect("references", 0, "BOUND "+aesSecret+" "+endpoint, "BOUND "+hmacSecret+" "+endpoint)

	_, err = c.vaultAs(t, admin).DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: aesSecret, Force: true, Reason: "leaked"})
	check(t, err)
	c.expect("reconcile", 1, "SWITCHED_OFF "+aesSecret+" "+endpoint)
	c.expect("references", 1, "LOST "+aesSecret+" "+endpoint, "BOUND "+hmacSecret+" "+endpoint)
	c.start("allowlist")
	c.waitReady()
	if got := c.must(t, owner, http.MethodGet, "/v1/"+endpoint, ""); !strings.Contains(string(got.body), "STATE_INACTIVE") || !strings.Contains(string(got.body), "was deleted: leaked;") {
		t.Errorf("the endpoint that lost a secret is %s", got.body)
	}
}

func TestBindingsOfOtherWorkloadsAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := apart(t)
	endpoint := register(t, c.site, "demo", "payments")
	c.running["allowlist"].stop()
	policy := readFile(t, c.path("policy.yaml"))
	replaceFile(t, c.path("policy.yaml"), policy+fmt.Sprintf(
		"  - {spiffe_id: \"spiffe://%s/other\", role: resolver, workspaces: [demo]}\n", apartDomain))
	other := c.workload("other")
	eventually(t, patience, "the vault knows the other workload", func(ctx context.Context) error {
		_, err := other.BindSecret(ctx, &vaultv1.BindSecretRequest{
			Name: aesSecret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: "workspaces/demo/endpoints/ghost", OperationId: "other",
			Host: aesHost, Chains: []string{aesChain},
		})
		return err
	})
	c.expect("references", 0, "BOUND "+aesSecret+" "+endpoint, "BOUND "+hmacSecret+" "+endpoint)
	c.expect("reconcile", 0)
	held, err := other.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: aesSecret})
	check(t, err)
	if len(held.GetBindings()) != 2 {
		t.Errorf("%d bindings are left, want both", len(held.GetBindings()))
	}
}

func TestCommandsMakeNoStore(t *testing.T) {
	t.Parallel()
	c := apart(t)
	text := strings.ReplaceAll(readFile(t, c.path("allowlist.yaml")), "allowlist.db", "nowhere.db")
	replaceFile(t, c.path("allowlist.yaml"), text)
	if _, stderr, code := c.command("references"); code != 1 || !strings.Contains(stderr, "no such file") {
		t.Errorf("references without a store = %d %q, want 1 and an error", code, stderr)
	}
}

func TestSignalMakesARunningAllowlistRepairReferences(t *testing.T) {
	t.Parallel()
	c := apart(t)
	register(t, c.site, "demo", "payments")
	p := c.running["allowlist"]
	check(t, p.cmd.Process.Signal(syscall.SIGUSR1))
	eventually(t, patience, "the first comparison", func(context.Context) error { return p.logged("references and bindings agree") })
	c.unbind(hmacSecret)
	check(t, p.cmd.Process.Signal(syscall.SIGUSR1))
	eventually(t, patience, "the repair", func(context.Context) error {
		return p.logged("references and bindings differed and were repaired")
	})
	held, err := c.asAllowlist().ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: hmacSecret})
	check(t, err)
	if len(held.GetBindings()) != 1 {
		t.Errorf("%d bindings exist after the repair, want one", len(held.GetBindings()))
	}
}
