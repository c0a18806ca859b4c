//go:build memory

package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// # Values in memory
//
// These tests dump the memory of running programs, as root can, and look for values in it.
// Time is their subject, so they wait: ten seconds from the last use of a value.

const (
	// afterUse is when nothing of a value is left.
	afterUse = 10 * time.Second
	// shortStale is the max_stale of the allowlist, so that its cache ends before that.
	shortStale = 2 * time.Second
)

// needles returns the ways in which a value, or a key that it stands for, lies in memory.
func needles(value []byte) map[string][]byte {
	quoted, _ := json.Marshal(string(value))
	all := map[string][]byte{
		"plain":        value,
		"json escaped": []byte(strings.Trim(string(quoted), `"`)),
		"hex":          []byte(hex.EncodeToString(value)),
		"upper hex":    []byte(strings.ToUpper(hex.EncodeToString(value))),
	}
	for shift := range 3 { // cut what neighbors touch
		padded := append(make([]byte, shift), value...)
		text := base64.RawStdEncoding.EncodeToString(padded)
		all[fmt.Sprintf("base64 at %d", shift)] = []byte(text[4 : len(text)-4])
		text = base64.RawURLEncoding.EncodeToString(padded)
		all[fmt.Sprintf("base64url at %d", shift)] = []byte(text[4 : len(text)-4])
	}
	return all
}

// A trace is what of a value was found in a memory.
type trace map[string]int

func (found trace) total() (n int) {
	for _, count := range found {
		n += count
	}
	return n
}

// A memory is what a process held when it was dumped.
type memory []byte

// dump returns the memory of a running program.
func (c *constellation) dump(name string) memory {
	c.t.Helper()
	prefix := filepath.Join(c.t.TempDir(), "core")
	pid := fmt.Sprint(c.running[name].cmd.Process.Pid)
	cmd := exec.CommandContext(c.t.Context(), "gcore", "-a", "-o", prefix, pid) // -a: also what asks to be left out
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("gcore of %s (these tests need root and gdb): %v\n%s", name, err, out)
	}
	core, err := os.ReadFile(prefix + "." + pid)
	check(c.t, err)
	check(c.t, os.Remove(prefix+"."+pid))
	return core
}

// dumpAll dumps the three programs at the same time.
func (c *constellation) dumpAll() map[string]memory {
	c.t.Helper()
	all := make(map[string]memory)
	var group sync.WaitGroup
	var mutex sync.Mutex
	for name := range c.running {
		group.Go(func() {
			core := c.dump(name)
			mutex.Lock()
			defer mutex.Unlock()
			all[name] = core
		})
	}
	group.Wait()
	return all
}

// find looks for the forms of values.
func (m memory) find(values ...[]byte) trace {
	found := make(trace)
	for i, value := range values {
		for form, needle := range needles(value) {
			if form != "plain" && bytes.Equal(needle, value) {
				continue
			}
			if n := bytes.Count(m, needle); n > 0 {
				found[fmt.Sprintf("%s of #%d", form, i)] = n
			}
		}
	}
	return found
}

// A canary is a stored secret, and all that is to be found nowhere once it was used.
type canary struct {
	id    string
	usage string
	text  string
	// forms are the value and what becomes of it on the way to a key.
	forms [][]byte
}

// canaries are values of the kinds that differ in what is done with them.
func canaries(t testing.TB) []canary {
	t.Helper()
	aes, mac := make([]byte, 32), newCanary(t)+newCanary(t)
	_, _ = rand.Read(aes)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	lines := strings.Split(text, "\n")
	factors := [][]byte{[]byte(lines[10]), []byte(lines[15]), private.D.Bytes()[:32]}
	for _, p := range private.Primes { // in both orders: numbers are kept from their low ends
		factors = append(factors, p.Bytes()[:32], reversed(p.Bytes()[len(p.Bytes())-32:]))
	}
	credential := newCanary(t)
	credential = strings.Map(printable, credential) + "-credential"
	return []canary{
		{"aes", "KEY", hex.EncodeToString(aes), [][]byte{[]byte(hex.EncodeToString(aes)), aes}},
		{"hmac", "KEY", mac, [][]byte{[]byte(mac)}},
		{"rsa", "KEY", text, factors},
		{"credential", "CREDENTIAL", credential, [][]byte{[]byte(credential)}},
	}
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// store stores a canary as a client does that does not seal.
func (c *constellation) store(t testing.TB, v canary) {
	t.Helper()
	extra := ""
	if v.usage == "CREDENTIAL" {
		extra = `,"allowedHosts":["api.partner.example"]`
	}
	quoted, err := json.Marshal(v.text)
	check(t, err)
	c.must(t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId="+v.id,
		fmt.Sprintf(`{"usage":"USAGE_%s","value":{"text":%s}%s}`, v.usage, quoted, extra))
}

// useAll registers an endpoint that uses all canaries.
func (c *constellation) useAll(t testing.TB) (endpoint string) {
	t.Helper()
	base := "/v1/workspaces/demo"
	endpoint = base + "/endpoints/payments"
	c.must(t, owner, http.MethodPost, base+"/endpoints?endpointId=payments", `{
		"url": "https://api.partner.example/v1/payments", "methods": ["POST"],
		"headers": [{"name": "Authorization", "secret": {"name": "workspaces/demo/secrets/credential"}}],
		"encryption": {"request": {
			"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
				{"name": "workspaces/demo/secrets/aes", "decoding": "DECODING_HEX"}]}},
			"envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
			"signing": {"mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
				"keys": [{"name": "workspaces/demo/secrets/hmac"}],
				"headers": {"X-Signature": "sha256=${signature}"}}}}}`)
	c.must(t, admin, http.MethodPost, endpoint+":approve", `{}`)
	c.must(t, owner, http.MethodPost, endpoint+":activate", `{}`)
	return endpoint
}

// restart starts a program anew, so that it holds nothing of what was before.
func (c *constellation) restart(names ...string) {
	c.t.Helper()
	for _, name := range names {
		c.running[name].stop()
	}
	for _, name := range names {
		c.start(name)
	}
	c.waitReady()
}

func TestMemoryHoldsNoValueAfterUse(t *testing.T) {
	c := apart(t)
	c.reconfigure("allowlist", func(text string) string { return text + "  max_stale: " + shortStale.String() + "\n" })
	values := canaries(t)
	for _, v := range values {
		c.store(t, v)
	}
	endpoint := c.useAll(t)
	c.restart("vault", "allowlist", "gateway")
	for range 20 {
		c.must(t, sender, http.MethodPost, endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	}
	if os.Getenv("SOON") != "" {
		for name, core := range c.dumpAll() {
			for _, v := range values {
				t.Logf("soon: %s holds %s %v", name, v.id, core.find(v.forms...))
			}
		}
	}
	last := time.Now()
	time.Sleep(time.Until(last.Add(afterUse)))
	for name, core := range c.dumpAll() {
		for _, v := range values {
			if found := core.find(v.forms...); found.total() > 0 {
				t.Errorf("%v after the last use, the memory of %s holds %s %d times: %v", afterUse, name, v.id, found.total(), found)
			}
		}
	}
}
