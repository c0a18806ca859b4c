package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pinning is an encryption with a version of a secret; 0 is the current version.
func pinning(secret string, version int) string {
	return fmt.Sprintf(`{"request": {"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
		{"name": "workspaces/demo/secrets/%s", "version": %d, "decoding": "DECODING_HEX"}]}}}}`, secret, version)
}

// A restoration is a vault that is restored from a backup. The backup contains the key
// `payments-aes` and the endpoints payments and early, but not later changes: the binding of a
// save of early, version 2 of the key with the endpoint pins, and the key of the endpoint late.
type restoration struct {
	*constellation
	backup string
}

func newRestoration(t *testing.T) restoration {
	t.Helper()
	c := apart(t)
	register(t, c.site, "demo", "payments")
	c.add("early", "payments-aes", 0)
	c.running["vault"].stop()
	r := restoration{c, readFile(t, c.path("vault.db"))}
	c.start("vault")
	c.waitReady()
	r.save("early", "payments-aes", 1)
	r.rotatePayments("5a17")
	c.add("pins", "payments-aes", 2)
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=late-aes", `{"value":{"text":"`+strings.Repeat("0c3e91", 10)+`aabb"}}`)
	c.add("late", "late-aes", 0)
	for _, id := range []string{"payments", "early", "pins", "late"} {
		check(t, c.encrypts(id))
	}
	r.acceptVault() // changes nothing, and makes the allowlist verify the newest head
	return r
}

// acceptVault confirms that the vault was restored.
func (c *constellation) acceptVault() {
	c.t.Helper()
	c.must(c.t, admin, http.MethodPost, "/v1/workspaces/-/allowlist/vaultCheckpoint:accept", `{"reason":"restored from a backup"}`)
}

// add creates an endpoint and activates it.
func (c *constellation) add(id, secret string, version int) {
	c.t.Helper()
	c.must(c.t, owner, http.MethodPost, "/v1/workspaces/demo/endpoints?endpointId="+id, fmt.Sprintf(
		`{"url": "https://%s/v1/%s", "methods": ["POST"], "encryption": %s}`, aesHost, id, pinning(secret, version)))
	c.must(c.t, admin, http.MethodPost, endpointPath(id)+":approve", `{}`)
	c.must(c.t, owner, http.MethodPost, endpointPath(id)+":activate", `{}`)
}

// save saves the encryption of an endpoint, and activates the endpoint if it is inactive.
func (c *constellation) save(id, secret string, version int) {
	c.t.Helper()
	c.must(c.t, owner, http.MethodPatch, endpointPath(id), `{"encryption": `+pinning(secret, version)+`}`)
	c.must(c.t, owner, http.MethodPost, endpointPath(id)+":activate", `{}`)
}

// rotatePayments adds a version with a pattern to the payments key.
func (c *constellation) rotatePayments(pattern string) {
	c.t.Helper()
	c.must(c.t, owner, http.MethodPatch, "/v1/"+aesSecret, `{"value":{"text":"`+strings.Repeat(pattern, 14)+`00aa11bb"}}`)
}

func endpointPath(id string) string { return "/v1/workspaces/demo/endpoints/" + id }

// encrypts fails unless a message of an endpoint is encrypted.
func (c *constellation) encrypts(id string) error {
	got, err := c.tryCall(c.t, sender, http.MethodPost, endpointPath(id)+":encrypt", `{"body":"aGVsbG8="}`)
	if err == nil && got.status == http.StatusInternalServerError {
		c.t.Errorf("Encrypt for %s = %d %s", id, got.status, got.body)
	}
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("Encrypt for %s = %d %s", id, got.status, got.body)
	}
	return err
}

// off fails unless an endpoint is inactive for a reason.
func (c *constellation) off(id, because string) error {
	got, err := c.tryCall(c.t, owner, http.MethodGet, endpointPath(id), "")
	if err != nil {
		return err
	}
	var e struct{ State, StateReason string }
	if err := json.Unmarshal(got.body, &e); err != nil {
		return err
	}
	if e.State != "STATE_INACTIVE" || !strings.Contains(e.StateReason, because) {
		return fmt.Errorf("%s is %s because %q", id, e.State, e.StateReason)
	}
	return nil
}

// putBack kills the vault, replaces its data file by the backup, and starts it.
func (r restoration) putBack() {
	r.t.Helper()
	r.running["vault"].kill()
	check(r.t, os.WriteFile(r.path("vault.db"), []byte(r.backup), 0o600))
	r.start("vault")
	eventually(r.t, patience, "the vault is back", func(context.Context) error {
		got, err := r.tryCall(r.t, owner, http.MethodGet, "/v1/workspaces/demo/secrets", "")
		if err == nil && got.status != http.StatusOK {
			err = fmt.Errorf("GET secrets = %d", got.status)
		}
		return err
	})
}

// agrees waits until the endpoints match the restored vault.
func (r restoration) agrees(when string) {
	r.t.Helper()
	eventually(r.t, patience, "allowlist and vault agree "+when, func(context.Context) error {
		return errors.Join(r.encrypts("payments"), r.encrypts("early"),
			r.off("pins", "a version that the endpoint pins no longer exists"), r.off("late", "a secret that the endpoint refers to no longer exists"))
	})
}

func TestARunningAllowlistAgreesWithARestoredVault(t *testing.T) {
	t.Parallel()
	r := newRestoration(t)
	r.putBack()
	eventually(t, patience, "the restored vault is refused", func(context.Context) error {
		got, err := r.tryCall(t, sender, http.MethodPost, endpointPath("payments")+":encrypt", `{"body":"aGVsbG8="}`)
		if err == nil && got.reason() != "VAULT_ROLLED_BACK" {
			err = fmt.Errorf("Encrypt = %d %s", got.status, got.body)
		}
		return err
	})
	for _, command := range r.commandsOfPage() {
		if stdout, code := r.shell(command); code != 0 {
			t.Fatalf("a command of the page exited with %d: %s", code, stdout)
		}
	}
	r.agrees("at once")
	r.rotatePayments("0e4f")
	for range 2 {
		r.agrees("after another version was stored")
		r.running["allowlist"].kill()
		r.start("allowlist")
		r.waitReady()
	}
}

func TestCommandsOfTheRunbookListWhatARestoreLost(t *testing.T) {
	t.Parallel()
	r := newRestoration(t)
	r.running["allowlist"].kill()
	r.putBack()
	const early, pins, late = "workspaces/demo/endpoints/early", "workspaces/demo/endpoints/pins", "workspaces/demo/endpoints/late"
	lateSecret := "workspaces/demo/secrets/late-aes"
	commands := strings.Split(r.commandsOfPage()[0], "\n")
	for i, want := range [][]string{
		{"BOUND_AGAIN " + aesSecret + " " + early, "GIVEN_UP " + aesSecret + " " + early, "SWITCHED_OFF " + aesSecret + " " + pins, "SWITCHED_OFF " + lateSecret + " " + late},
		{"LOST " + aesSecret + " " + pins, "LOST " + lateSecret + " " + late},
	} {
		stdout, code := r.shell(commands[i])
		got := strings.Split(strings.TrimSpace(strings.ReplaceAll(stdout, "\t", " ")), "\n")
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s printed %q, want it to contain %q", commands[i], got, line)
			}
		}
		if code != 1 {
			t.Errorf("%s exited with %d, want 1", commands[i], code)
		}
	}
	r.start("allowlist")
	r.waitReady()
	r.agrees("after the commands")
	r.rotatePayments("0e4f")
	r.save("pins", "payments-aes", 0) // no version gets the number of the lost one
	r.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=late-aes", `{"value":{"text":"`+strings.Repeat("0c3e91", 10)+`aabb"}}`)
	if stdout, code := r.shell(r.commandsOfPage()[1]); code != 0 || !strings.Contains(stdout, "OUTCOME_ACTIVE") {
		t.Errorf("the command of the page that binds again exited with %d: %s", code, stdout)
	}
	check(t, errors.Join(r.encrypts("pins"), r.encrypts("late")))
	r.running["allowlist"].stop()
	r.expect("reconcile", 0)
}

// commandsOfPage returns the blocks of commands in docs/operations.md that name this test, for the
// files and addresses of this test.
func (c *constellation) commandsOfPage() (blocks []string) {
	c.t.Helper()
	here := strings.NewReplacer(
		"/etc/keyward", c.dir, "ca.pem", filepath.Join(c.access, "ca.pem"), "https://keyward.example", c.json,
		"spiffe://keyward.example", "spiffe://"+apartDomain, "$TOKEN", c.token(c.t, admin),
		"vault.internal:9443", c.vault, "allowlist.internal:9443", c.allowlist, "admin.token", filepath.Join(c.access, "admin.token"),
	)
	for _, b := range readPage(c.t, "docs/operations.md").blocks() {
		if b.note == "run-by="+c.t.Name() {
			blocks = append(blocks, here.Replace(b.text))
		}
	}
	if len(blocks) == 0 {
		c.t.Fatal("docs/operations.md gives no commands for this test")
	}
	return blocks
}

// shell runs a command line with the programs on its path.
func (c *constellation) shell(line string) (stdout string, code int) {
	c.t.Helper()
	folder, err := programs()
	check(c.t, err)
	cmd := exec.CommandContext(c.t.Context(), "bash", "-c", line)
	cmd.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
