package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestCommandsBackUpAndRestore runs the commands of docs/operations.md: the backups while the programs
// serve, and the restore of the vault after that.
func TestCommandsBackUpAndRestore(t *testing.T) {
	t.Parallel()
	c := apart(t)
	store := func(id string) {
		c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId="+id, `{"value":{"text":"`+strings.Repeat("0c3e91", 10)+`aabb"}}`)
	}
	store("kept")
	blocks := c.commandsOfPage()
	here := strings.NewReplacer("/var/lib/keyward-vault", c.dir, "backup/", c.dir+"/backup/")
	run := func(block string) {
		t.Helper()
		for line := range strings.SplitSeq(strings.TrimSpace(here.Replace(block)), "\n") {
			out, code := c.shell(line)
			if code != 0 {
				t.Fatalf("%s exited with %d: %s", line, code, out)
			}
			ours := strings.HasPrefix(line, "vault ") || strings.HasPrefix(line, "allowlist ")
			if ours && !strings.Contains(out, "head of the change log:\nkeyward.dev/") {
				t.Errorf("%s printed %q, want the head", line, out)
			}
		}
	}
	run(blocks[0])
	if _, code := c.shell(strings.SplitN(strings.TrimSpace(here.Replace(blocks[0])), "\n", 3)[1]); code != 1 {
		t.Errorf("a backup over another one exited with %d, want 1", code)
	}
	store("later")
	c.running["vault"].stop()
	run(blocks[1])
	c.start("vault")
	c.waitReady()
	c.must(t, owner, http.MethodGet, "/v1/workspaces/demo/secrets/kept", "")
	if got := c.call(t, owner, http.MethodGet, "/v1/workspaces/demo/secrets/later", ""); got.status != http.StatusNotFound {
		t.Errorf("GET of a secret from after the backup = %d %s, want 404", got.status, got.body)
	}
	got := c.must(t, admin, http.MethodGet, "/v1/workspaces/-/vault/restore", "")
	if !strings.Contains(string(got.body), "the disk failed") {
		t.Errorf("GET restore = %s, want its reason", got.body)
	}
}
