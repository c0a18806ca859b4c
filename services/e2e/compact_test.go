package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestNothingIsLeftOfADestroyedVersionOnceTheFileIsCompact(t *testing.T) {
	t.Parallel()
	c := apart(t)
	const secret = "/v1/workspaces/demo/secrets/leaked"
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=leaked", `{"value":{"text":"the first value of all"}}`)
	sealed := c.sealed(t, secret)
	if !bytes.Contains([]byte(readFile(t, c.path("vault.db"))), sealed) {
		t.Fatal("the file does not contain the ciphertext that the API returns")
	}
	c.must(t, owner, http.MethodPatch, secret, `{"value":{"text":"the second value"}}`)
	c.must(t, owner, http.MethodPost, secret+"/versions/1:destroy", `{}`)

	if _, stderr, code := runProgram(t, "vault", "compact", "--config", c.path("vault.yaml")); code != 1 || !strings.Contains(stderr, "another process") {
		t.Errorf("compact next to a running vault = %d, %q, want 1 and why", code, stderr)
	}
	c.running["vault"].stop()
	if _, stderr, code := runProgram(t, "vault", "compact", "--config", c.path("vault.yaml")); code != 0 {
		t.Fatalf("compact = %d, %s", code, stderr)
	}
	if bytes.Contains([]byte(readFile(t, c.path("vault.db"))), sealed) {
		t.Error("the compact file still contains the destroyed value")
	}
	c.start("vault")
	c.waitReady()
	got := c.must(t, owner, http.MethodGet, secret+"/versions", "")
	if !strings.Contains(string(got.body), "VERSION_STATE_DESTROYED") || len(c.sealed(t, secret)) == 0 {
		t.Errorf("after compaction the versions are %s", got.body)
	}
}

// sealed returns the ciphertext of a secret's current version.
func (c *constellation) sealed(t testing.TB, secret string) []byte {
	t.Helper()
	var got struct {
		EncryptedValue struct{ Ciphertext []byte }
	}
	check(t, json.Unmarshal(c.must(t, owner, http.MethodGet, secret, "").body, &got))
	return got.EncryptedValue.Ciphertext
}
