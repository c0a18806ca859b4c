package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestCommandsShowAndReleaseARestore runs the commands of docs/operations.md against a vault that was never
// restored. The tests of the vault restore it.
func TestCommandsShowAndReleaseARestore(t *testing.T) {
	t.Parallel()
	c := apart(t)
	lines := strings.Split(strings.TrimSpace(c.commandsOfPage()[0]), "\n")
	for _, line := range lines[1:] {
		out, code := c.shell(lines[0] + "\n" + line)
		if code != 0 || out != "the vault was never restored\n" {
			t.Errorf("%s exited with %d: %s", line, code, out)
		}
	}
	for _, call := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/workspaces/-/vault/restore", ""},
		{http.MethodPost, "/v1/workspaces/-/vault/restore:release", `{"reason":"r"}`},
	} {
		if got := c.must(t, admin, call.method, call.path, call.body); !strings.Contains(string(got.body), `"epoch":""`) {
			t.Errorf("%s %s = %s, want no restore", call.method, call.path, got.body)
		}
		if got, err := c.tryCall(t, owner, call.method, call.path, call.body); err != nil || got.reason() != "PERMISSION_DENIED" {
			t.Errorf("%s %s by an owner = %d %s, %v", call.method, call.path, got.status, got.body, err)
		}
	}
}
