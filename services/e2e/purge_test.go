package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestNothingIsLeftOfADestroyedVersionInARunningProgram runs the commands of docs/operations.md. It
// kills the vault while it purges, which must not lose anything.
func TestNothingIsLeftOfADestroyedVersionInARunningProgram(t *testing.T) {
	t.Parallel()
	c := apart(t)
	const secrets = 8
	var gone [][]byte
	for i := range secrets {
		c.must(t, owner, http.MethodPost, fmt.Sprint("/v1/workspaces/demo/secrets?secretId=leaked-", i), `{"value":{"text":"the first value of all"}}`)
		secret := fmt.Sprint("/v1/workspaces/demo/secrets/leaked-", i)
		gone = append(gone, c.sealed(t, secret))
		if i%2 == 0 {
			c.must(t, owner, http.MethodDelete, secret, "")
			continue
		}
		c.must(t, owner, http.MethodPatch, secret, `{"value":{"text":"the second value"}}`)
		c.must(t, owner, http.MethodPost, secret+"/versions/1:destroy", `{}`)
	}
	// The purge at the start and this one overlap with the kill at some point or other.
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.tryCall(t, admin, http.MethodPost, "/v1/workspaces/-/vault/deletedData:purge", `{}`)
		}()
		c.running["vault"].kill()
		<-done
		c.start("vault")
		c.waitReady()
	}
	lines := strings.Split(strings.TrimSpace(c.commandsOfPage()[0]), "\n")
	for _, line := range lines[1:] {
		out, code := c.shell(lines[0] + "\n" + line)
		if code != 0 || !strings.Contains(out, "nothing is left of what was deleted") {
			t.Errorf("%s exited with %d: %s", line, code, out)
		}
	}
	for _, service := range []string{"vault", "allowlist"} {
		got := c.must(t, admin, http.MethodPost, "/v1/workspaces/-/"+service+"/deletedData:purge", `{}`)
		if !strings.Contains(string(got.body), "erasedBytes") {
			t.Errorf("the purge of the %s through the gateway = %s", service, got.body)
		}
	}
	files, err := os.ReadDir(c.dir)
	check(t, err)
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		content := []byte(readFile(t, c.path(file.Name())))
		for i, sealed := range gone {
			if bytes.Contains(content, sealed[:16]) || bytes.Contains(content, sealed[len(sealed)-16:]) {
				t.Errorf("%s contains the value of leaked-%d", file.Name(), i)
			}
		}
	}
	for i := 1; i < secrets; i += 2 {
		if len(c.sealed(t, fmt.Sprint("/v1/workspaces/demo/secrets/leaked-", i))) == 0 {
			t.Errorf("leaked-%d has no value", i)
		}
	}
}
