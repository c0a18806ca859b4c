package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// TestCommandsRotateTheKeys runs the commands of docs/operations.md while the programs serve.
func TestCommandsRotateTheKeys(t *testing.T) {
	t.Parallel()
	c := apart(t)
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=payments", `{"value":{"text":"`+strings.Repeat("0c3e91", 10)+`aabb"}}`)
	lines := strings.Split(strings.TrimSpace(c.commandsOfPage()[0]), "\n")
	run := func(line string) string {
		t.Helper()
		out, code := c.shell(lines[0] + "\n" + line)
		if code != 0 {
			t.Fatalf("%s exited with %d: %s", line, code, out)
		}
		return out
	}
	primary := regexp.MustCompile(`(?m)^([0-9a-f]{8}) +primary `)
	old := primary.FindStringSubmatch(run(lines[1]))
	if old == nil {
		t.Fatalf("%s printed no primary key", lines[1])
	}
	rotated := run(lines[2])
	next := primary.FindStringSubmatch(rotated)
	if next == nil || next[1] == old[1] || !strings.Contains(rotated, old[1]+"  enabled ") {
		t.Errorf("%s printed %q, want another primary key, and the old one as enabled", lines[2], rotated)
	}
	if out := run(lines[3]); !strings.Contains(out, "done: 1 of 1 secrets examined, 1 versions rewrapped, 0 failed") {
		t.Errorf("%s printed %q, want that it is done", lines[3], out)
	}
	if out := run(strings.Replace(lines[4], "$OLD", old[1], 1)); !strings.Contains(out, old[1]+"  destroyed ") {
		t.Errorf("%s printed %q, want the old key as destroyed", lines[4], out)
	}
	if out := run(lines[5]); primary.FindStringSubmatch(out) == nil {
		t.Errorf("%s printed %q, want a primary key", lines[5], out)
	}

	got := c.must(t, admin, http.MethodGet, "/v1/workspaces/-/vault/keyring", "")
	if !strings.Contains(string(got.body), `"id":"`+next[1]+`"`) || !strings.Contains(string(got.body), `"STATE_DESTROYED"`) {
		t.Errorf("GET keyring = %s, want both keys", got.body)
	}
	// The vault must open with what the commands left.
	c.running["vault"].stop()
	c.start("vault")
	c.waitReady()
	conn := c.dial(t, c.vault, admin)
	keys, err := vaultv1.NewKeyringServiceClient(conn).GetKeyring(t.Context(), &keyringv1.GetKeyringRequest{Parent: "workspaces/-"})
	if err != nil || keys.GetKeyring().GetKeys()[0].GetId() != next[1] {
		t.Errorf("GetKeyring() after a restart = %v, %v, want the key %s", keys, err, next[1])
	}
}
