//go:build examples

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/server/servertest"
)

// TestExamplesSendAndReceive runs the services of examples/ as its README describes, each against
// the example partner, in both directions. Needs bash, curl, openssl, Node, and python3.
func TestExamplesSendAndReceive(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../examples/...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s, _ := standalone(t, t.TempDir())
	keys := filepath.Join(t.TempDir(), "keys")
	keyward := append(os.Environ(), "KEYWARD_ACCESS="+s.access, "KEYWARD_JSON="+s.json, "KEYWARD_GRPC="+s.allowlist, "PARTNER_KEYS="+keys)
	setup := exec.CommandContext(t.Context(), "../../examples/setup.sh")
	setup.Env = keyward
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("setup.sh: %v\n%s", err, out)
	}

	tests := map[string][]string{
		"go":     {filepath.Join(bin, "go")},
		"node":   {"node", "../../examples/node/service.mjs"},
		"python": {"python3", "../../examples/python/service.py"},
	}
	for name, command := range tests {
		t.Run(name, func(t *testing.T) {
			listen := servertest.Address(t)
			webhook := "http://" + listen + "/webhook"
			partner := startCommand(t, "partner", exec.Command(filepath.Join(bin, "partner"), "-listen", "127.0.0.1:0", "-keys", keys, "-webhook", webhook))
			url := strings.TrimSuffix(partner.waitFor("partner:"), "/v1/payments")

			cmd := exec.Command(command[0], command[1:]...)
			cmd.Env = append(keyward, "PARTNER="+url, "LISTEN="+listen)
			service := startCommand(t, name, cmd)
			if got, want := partner.waitFor("payment:"), `{"amount":100}`; strings.ReplaceAll(got, " ", "") != want {
				t.Errorf("the partner received %s, want %s", got, want)
			}
			if got, want := partner.waitFor("webhook:"), "204 No Content"; got != want {
				t.Errorf("the service answered the webhook with %s, want %s", got, want)
			}
			// The event may arrive before the answer.
			answer, event := `answer: {"status":"accepted"}`, `event: {"event":"payment.settled"}`
			service.waitForBoth(answer, event)

			for what, header := range map[string]http.Header{
				"without a signature":     {},
				"with a forged signature": {"X-Timestamp": {"1767225600"}, "X-Signature": {"sha256=" + strings.Repeat("00", 32)}},
			} {
				if got := post(t, webhook, header, `{"encryptedData":"AAAA"}`); got != http.StatusUnauthorized {
					t.Errorf("a webhook %s = %d, want 401", what, got)
				}
			}
			if events := strings.Count(service.output(), "event:"); events != 1 {
				t.Errorf("the service printed %d events, want 1:\n%s", events, service.output())
			}
		})
	}
}

// waitForBoth waits for two lines in either order.
func (p *process) waitForBoth(a, b string) {
	p.t.Helper()
	missing := map[string]bool{a: true, b: true}
	for range 2 {
		// waitFor skips other lines, so take the next line, whichever it is.
		line := p.waitFor("")
		delete(missing, line)
	}
	if len(missing) > 0 {
		p.t.Errorf("%s did not print %v:\n%s", p.name, missing, p.output())
	}
}

func post(t testing.TB, url string, header http.Header, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	check(t, err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	check(t, err)
	check(t, res.Body.Close())
	return res.StatusCode
}
