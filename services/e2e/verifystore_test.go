package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandsVerifyAStore(t *testing.T) {
	t.Parallel()
	c := apart(t)
	const secret = "/v1/workspaces/demo/secrets/kept"
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=kept", `{"value":{"text":"the first value of all"}}`)
	if _, stderr, code := runProgram(t, "vault", "verify", "--config", c.path("vault.yaml")); code != 1 || !strings.Contains(stderr, "another process") {
		t.Errorf("verify next to a running vault = %d, %q, want 1 and why", code, stderr)
	}
	c.running["vault"].stop()
	earlier := readFile(t, c.path("vault.db"))
	c.start("vault")
	c.waitReady()
	c.must(t, owner, http.MethodPatch, secret, `{"value":{"text":"the second value"}}`)
	c.must(t, admin, http.MethodPost, "/v1/workspaces/-/allowlist/vaultCheckpoint:accept", `{"reason":"a test"}`)
	c.running["allowlist"].stop()
	c.running["vault"].stop()

	heads := t.TempDir()
	commands := "set -e\n" + strings.ReplaceAll(c.commandsOfPage()[0], " heads", " "+heads)
	if stdout, code := c.shell(commands); code != 0 || strings.Count(stdout, "nothing differs") != 2 {
		t.Fatalf("verify = %d, %s", code, stdout)
	}
	if written, err := os.ReadDir(heads); err != nil || len(written) != 2 {
		t.Errorf("%d heads were written, %v, want one of each program", len(written), err)
	}

	check(t, os.WriteFile(c.path("vault.db"), []byte(earlier), 0o600))
	stdout, stderr, code := runProgram(t, "vault", "verify", "--config", c.path("vault.yaml"))
	if code != 0 || !strings.Contains(stdout, "an earlier copy looks like this, too") {
		t.Errorf("verify of an earlier file without a head = %d, %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = runProgram(t, "vault", "verify", "--config", c.path("vault.yaml"), "--witness", filepath.Join(heads, "vault.checkpoint"))
	if code != 1 || !strings.HasPrefix(stdout, "change log: does not extend a head") {
		t.Errorf("verify of an earlier file with a head = %d, %s%s", code, stdout, stderr)
	}
}
