package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// firstRelease is a commit with the programs of v0.1.0.
const firstRelease = "076e1466126782ba661131eeed4499c95655ed0c"

// firstPrograms builds the vault and the allowlist of v0.1.0 once, and returns their folder. Without
// paths of this machine in the programs, Go compiles each package once for all runs.
var firstPrograms = sync.OnceValues(func() (string, error) {
	tree, folder := filepath.Join(scratch, "first"), filepath.Join(scratch, "first-bin")
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return "", err
	}
	for _, cmd := range []*exec.Cmd{
		exec.Command("git", "-C", "../..", "archive", "--output", tree+".tar", firstRelease, "go.work", "go.work.sum", "pkg", "proto", "services", "examples"),
		exec.Command("tar", "-x", "-f", tree+".tar", "-C", tree),
		exec.Command("go", "build", "-C", tree, "-trimpath", "-o", folder+string(filepath.Separator), "./services/cmd/vault", "./services/cmd/allowlist"),
	} {
		cmd.Env = append(os.Environ(), "GOEXPERIMENT=runtimesecret")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, out)
		}
	}
	return folder, nil
})

// TestTwoReleasesWorkTogether runs one of the services in the first release, as during an upgrade of one
// service after the other.
func TestTwoReleasesWorkTogether(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "git", "-C", "../..", "cat-file", "-e", firstRelease).Run(); err != nil {
		t.Skipf("the clone has no history with v0.1.0: %v", err)
	}
	old, err := firstPrograms()
	check(t, err)
	for _, service := range []string{"vault", "allowlist"} {
		t.Run("the "+service+" of v0.1.0", func(t *testing.T) {
			t.Parallel()
			c := apartIn(t, t.TempDir(), programs)
			for _, name := range []string{"vault", "allowlist", "gateway"} {
				if name != service {
					c.start(name)
					continue
				}
				c.running[name] = startCommand(t, name, exec.CommandContext(t.Context(), filepath.Join(old, name), "serve", "--config", c.path(name+".yaml")))
			}
			c.waitReady()
			c.useAndDelete(t)
		})
	}
}

// useAndDelete uses, rotates, and deletes a secret and its endpoint.
func (c *constellation) useAndDelete(t *testing.T) {
	t.Helper()
	const secret = "/v1/workspaces/demo/secrets/payments-aes"
	endpoint := register(t, c.site, "demo", "payments")
	client := c.allowlistAs(t, sender)
	k := newKeys(t, aesKey)
	k.add(t, secondKey)
	c.wantDecrypt("before the rotation", client, endpoint, c.waitVersion(client, endpoint, k, 0), "")
	c.rotate()
	c.wantDecrypt("after the rotation", client, endpoint, c.waitVersion(client, endpoint, k, 1), "")
	if got := c.call(t, owner, http.MethodDelete, secret, ""); got.reason() != "SECRET_IN_USE" {
		t.Errorf("DELETE of a bound secret = %d %s, want SECRET_IN_USE", got.status, got.body)
	}
	c.must(t, owner, http.MethodDelete, "/v1/"+endpoint, "")
	eventually(t, patience, "the secret is given up", func(context.Context) error {
		if got := c.call(t, owner, http.MethodDelete, secret, ""); got.status != http.StatusOK {
			return fmt.Errorf("DELETE = %d %s", got.status, got.body)
		}
		return nil
	})
}
