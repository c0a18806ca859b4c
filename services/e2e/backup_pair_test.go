package e2e

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCommandsCompareTwoBackups runs the commands of docs/operations.md that compare a backup of the vault with a
// later one of the allowlist, and with one of the same moment.
func TestCommandsCompareTwoBackups(t *testing.T) {
	t.Parallel()
	c := apart(t)
	register(t, c.site, "demo", "payments")
	check(t, os.Mkdir(c.path("backup"), 0o700))
	backUp := func(name, address string) {
		c.run(name, "backup", "--address", address, "--ca", c.path("ca.pem"), "--token-file", c.path("admin.token"), "--out", c.path("backup/"+name+".backup"))
	}
	backUp("vault", c.vault)
	value := strings.Repeat("0c3e91", 10) + "aabb"
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId=late-aes", `{"value":{"text":"`+value+`"}}`)
	c.add("late", "late-aes", 0)
	c.rotatePayments("5a17")
	c.add("pins", "payments-aes", 2)
	c.acceptVault() // changes nothing, and makes the allowlist verify the newest head
	backUp("allowlist", c.allowlist)

	here := strings.NewReplacer("backup/", c.path("backup")+"/", "vault.inventory", c.path("vault.inventory"))
	commands := strings.Split(strings.TrimSpace(here.Replace(c.commandsOfPage()[0])), "\n")
	compare := func() (rows []string, code int) {
		t.Helper()
		if out, code := c.shell(commands[0]); code != 0 || !strings.HasPrefix(out, "verified") {
			t.Fatalf("%s = %d, %s", commands[0], code, out)
		}
		out, code := c.shell(commands[1])
		for row := range strings.Lines(out) {
			if strings.Contains(row, "\t") {
				rows = append(rows, strings.TrimSpace(strings.ReplaceAll(row, "\t", " ")))
			}
		}
		return rows, code
	}
	rows, code := compare()
	const late, pins = "workspaces/demo/endpoints/late", "workspaces/demo/endpoints/pins"
	for _, want := range []string{
		"SWITCHED_OFF workspaces/demo/secrets/late-aes " + late + " the secret does not exist",
		"SWITCHED_OFF " + aesSecret + " " + pins + " version 2 does not exist",
		"BOUND_AGAIN " + aesSecret + " " + pins + " the binding does not exist",
		"VAULT_ROLLED_BACK - - the vault's log has ",
	} {
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(row, want) }) {
			t.Errorf("the comparison with an older vault prints %q, want a row that begins with %q", rows, want)
		}
	}
	if code != 1 || len(rows) != 4 {
		t.Errorf("the comparison with an older vault exits with %d, and prints %d rows, want 1 and 4: %q", code, len(rows), rows)
	}
	written := readFile(t, c.path("vault.inventory"))
	if info, err := os.Stat(c.path("vault.inventory")); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(written, value) {
		t.Errorf("the inventory is %v, %v, want mode 0600 and no values", info, err)
	}
	if out, code := c.shell(commands[0]); code != 1 {
		t.Errorf("an inventory over another one = %d, %s", code, out)
	}

	// The data files of the stopped programs, and a backup with the data file of the same moment.
	c.running["allowlist"].stop()
	c.running["vault"].stop()
	check(t, os.Remove(c.path("vault.inventory")))
	c.run("vault", "verify", "--config", c.path("vault.yaml"), "--inventory", c.path("vault.inventory"))
	c.run("allowlist", "verify", "--config", c.path("allowlist.yaml"), "--vault-inventory", c.path("vault.inventory"))
	if out, code := c.shell(commands[1]); code != 0 || strings.Contains(out, "SWITCHED_OFF") {
		t.Errorf("the comparison with the newest vault = %d, %s", code, out)
	}
	check(t, os.WriteFile(c.path("vault.inventory"), []byte(written[:len(written)-3]), 0o600))
	_, stderr, code := runProgram(t, "allowlist", "verify", "--config", c.path("allowlist.yaml"), "--vault-inventory", c.path("vault.inventory"))
	if code != 1 || !strings.Contains(stderr, "not a whole inventory") {
		t.Errorf("the comparison with a part of an inventory = %d, %q", code, stderr)
	}
}
