package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkFiles runs `check --files` of a program and returns its output and whether it exits with 0.
func (c *constellation) checkFiles(name string) (string, bool) {
	c.t.Helper()
	folder, err := programs()
	check(c.t, err)
	out, err := exec.CommandContext(c.t.Context(), filepath.Join(folder, name), "check", "--files", "--config", c.path(name+".yaml")).CombinedOutput()
	return string(out), err == nil
}

func TestCheckFilesReportsErrorsAndWarnings(t *testing.T) {
	t.Parallel()
	c := apart(t)
	for _, name := range []string{"vault", "allowlist", "gateway"} {
		if out, ok := c.checkFiles(name); !ok || !strings.Contains(out, "the files that it names are well-formed") {
			t.Errorf("%s check --files failed for files in use:\n%s", name, out)
		}
	}
	policy := readFile(t, c.path("policy.yaml"))
	key := readFile(t, c.path("vault.kek"))
	for _, tt := range []struct {
		name    string
		program string
		file    string
		text    string
		exits0  bool
		want    []string
	}{
		{
			"rows that never match", "vault", "policy.yaml", strings.NewReplacer("spiffe://"+apartDomain, "spiffe://elsewhere.test").Replace(policy), true,
			[]string{"warning: auth.policy: workloads[1]: ", "warning: auth.policy: workloads[2]: ", "role resolver"},
		},
		{"a slash", "allowlist", "policy.yaml", strings.Replace(policy, c.issuer.URL(), c.issuer.URL()+"/", 1), true, []string{"warning: auth.policy: people[0]: "}},
		{"a broken policy", "vault", "policy.yaml", "people: [{}]", false, []string{"error: parse auth.policy: people[0]", "error: people[0]."}},
		{"a key file of words", "vault", "vault.kek", "words", false, []string{"error: read key file"}},
		{"a missing certificate", "vault", "vault.crt", "", false, []string{"error: tls.certificate, tls.key: "}},
		{"the allowlist's key of another certificate", "allowlist", "allowlist-client.key", readFile(t, c.path("vault.key")), false, []string{"error: vault.certificate, vault.key: "}},
		{"authorities without a certificate", "gateway", "ca.pem", "words", false, []string{"error: ca: "}},
	} {
		before := readFile(t, c.path(tt.file))
		replaceFile(t, c.path(tt.file), tt.text)
		out, ok := c.checkFiles(tt.program)
		if ok != tt.exits0 {
			t.Errorf("%s: check --files exits with 0: %v, want %v\n%s", tt.name, ok, tt.exits0, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: check --files does not print %q:\n%s", tt.name, want, out)
			}
		}
		if strings.Contains(out, strings.TrimSpace(key)) {
			t.Errorf("%s: check --files printed the key", tt.name)
		}
		replaceFile(t, c.path(tt.file), before)
	}
	check(t, os.Chmod(c.path("vault.kek"), 0o644))
	if out, ok := c.checkFiles("vault"); ok || !strings.Contains(out, "error: ") {
		t.Errorf("check --files of a key file that all can read: %v\n%s", ok, out)
	}
}

// Without --files, check opens no files, as before.
func TestCheckOpensNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.yaml")
	check(t, os.WriteFile(path, fmt.Appendf(nil, `
listen: 127.0.0.1:9443
tls: {certificate: /nonexistent/c, key: /nonexistent/k}
auth: {policy: /nonexistent/p, issuers: [{url: "https://login.example", audience: keyward}]}
store: /nonexistent/s
key_file: /nonexistent/f
`), 0o600))
	folder, err := programs()
	check(t, err)
	for _, tt := range []struct {
		args []string
		ok   bool
	}{{[]string{"check"}, true}, {[]string{"check", "--files"}, false}} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, "vault"), append(tt.args, "--config", path)...).CombinedOutput()
		if (err == nil) != tt.ok {
			t.Errorf("vault %v = %v\n%s", tt.args, err, out)
		}
	}
}

// The message was created by openssl: printf '{"amount":1}' | openssl dgst -sha256 -hmac throwaway.
func TestPresetsOfAnOperatorAreProvedBeforeTheyAreDeployed(t *testing.T) {
	t.Parallel()
	folder, err := programs()
	check(t, err)
	dir := t.TempDir()
	preset := strings.Replace(readFile(t, "../allowlist/internal/preset/presets/hmac_header.json"), `"id": "hmac_header"`, `"id": "partner"`, 1)
	known := `[{"preset": "partner", "secrets": {"secret": {"value": "throwaway"}}, "deterministic": true,
		"plaintext": "{\"amount\":1}", "body": "{\"amount\":1}",
		"headers": {"X-Signature": "628b9306c8a68aa0bc66dcc84991ff1183e4a7fecc6b4cc0b96e61bd828ab581"}}]`
	for _, tt := range []struct {
		name, preset, known string
		ok                  bool
		want                string
	}{
		{"a proved preset", preset, known, true, "known answers verified: 1"},
		{"another key", preset, strings.Replace(known, "throwaway", "another", 1), false, "partner.answer.json: [0]: open the message"},
		{"a broken preset", preset + "}", known, false, "partner.json: line 46"},
	} {
		check(t, os.WriteFile(filepath.Join(dir, "partner.json"), []byte(tt.preset), 0o600))
		check(t, os.WriteFile(filepath.Join(dir, "partner.answer.json"), []byte(tt.known), 0o600))
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, "allowlist"), "presets", "check", dir).CombinedOutput()
		if (err == nil) != tt.ok || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: allowlist presets check = %v, want %q\n%s", tt.name, err, tt.want, out)
		}
	}
}
