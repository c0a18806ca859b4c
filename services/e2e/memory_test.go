//go:build memory

package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// # Values in memory
//
// These tests dump the memory of running programs, which requires root, and search it for values.
// They test how long values stay in memory, so they wait ten seconds after the last use of a
// value.

const (
	// afterUse is the time after which no part of a value may remain.
	afterUse = 10 * time.Second
	// shortStale is the max_stale of the allowlist, so that its cache expires before afterUse.
	shortStale = 2 * time.Second
	// cached is the number of copies of a value in the cache of the allowlist: one for the current
	// version, and one for the version by its number.
	cached = 2
)

// needles returns the encodings of a value, or of a key that it represents, in memory.
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

// A trace counts the parts of a value that were found in a memory.
type trace map[string]int

func (found trace) total() (n int) {
	for _, count := range found {
		n += count
	}
	return n
}

// A memory is the dumped memory of a process.
type memory []byte

// dump returns the memory of a running program.
func (c *constellation) dump(name string) memory {
	c.t.Helper()
	prefix := filepath.Join(c.t.TempDir(), "core")
	pid := fmt.Sprint(c.running[name].cmd.Process.Pid)
	cmd := exec.CommandContext(c.t.Context(), "gcore", "-a", "-o", prefix, pid) // -a: also memory that is excluded from dumps
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("gcore of %s (these tests need root and gdb): %v\n%s", name, err, out)
	}
	core, err := os.Open(prefix + "." + pid)
	check(c.t, err)
	defer func() {
		check(c.t, core.Close())
		check(c.t, os.Remove(core.Name()))
	}()
	m, err := readMemory(core)
	check(c.t, err)
	return m
}

// readMemory reads a dump without most of its zeros. Go uses only a small part of its reserved
// address space, so a run of empty pages is replaced by one page.
func readMemory(core io.Reader) (memory, error) {
	var m memory
	page, empty := make([]byte, 4096), make([]byte, 4096)
	reader := bufio.NewReaderSize(core, 1<<20)
	for skip := false; ; {
		n, err := io.ReadFull(reader, page)
		zero := bytes.Equal(page[:n], empty[:n])
		if !zero || !skip {
			m = append(m, page[:n]...)
		}
		skip = zero
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return m, nil
		case err != nil:
			return nil, err
		}
	}
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

// find counts the encodings of values.
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

// A canary is a stored secret with all byte strings that must not be found after its use.
type canary struct {
	id, usage, text string
	// forms are the value and its intermediate forms on the way to a key.
	forms [][]byte
}

// canaries returns values of the kinds that are processed differently.
func canaries(t testing.TB) []canary {
	t.Helper()
	aes := make([]byte, 32)
	_, _ = rand.Read(aes)
	mac, passphrase := newCanary(t)+newCanary(t), newCanary(t)
	derived, err := pbkdf2.Key(sha256.New, passphrase, []byte(memorySalt), memoryIterations, 32)
	check(t, err)
	private, forms := rsaCanary(t)
	unwrapping, unwrappingForms := rsaCanary(t)
	nested := newCanary(t) + newCanary(t) + newCanary(t)
	credential := strings.Map(printable, newCanary(t)) + "-credential"
	return []canary{
		{"aes", "KEY", hex.EncodeToString(aes), [][]byte{[]byte(hex.EncodeToString(aes)), aes}},
		{"hmac", "KEY", mac, [][]byte{[]byte(mac)}},
		{"passphrase", "KEY", passphrase, [][]byte{[]byte(passphrase), derived}},
		{"rsa", "KEY", private, forms},
		binaryCanary("direct", 64),
		binaryCanary("wrapping", 32),
		{"nested", "KEY", nested, [][]byte{[]byte(nested)}},
		ecCanary(t, "agreed"),
		ecCanary(t, "signing"),
		{"unwrapping", "KEY", unwrapping, unwrappingForms},
		{"salt", "PARAMETER", memorySalt, nil},
		{"credential", "CREDENTIAL", credential, [][]byte{[]byte(credential)}},
	}
}

// opened is the prefix of endpoints whose responses are decrypted with the same keys.
const opened = "opened-"

const (
	memorySalt       = "a salt that may become visible"
	memoryIterations = 600_000
)

// binaryCanary returns a key of n bytes in hexadecimal.
func binaryCanary(id string, n int) canary {
	key := make([]byte, n)
	_, _ = rand.Read(key)
	text := hex.EncodeToString(key)
	return canary{id, "KEY", text, [][]byte{[]byte(text), key[:n/2], key[n/2:]}}
}

// ecCanary returns a private key on P-256.
func ecCanary(t testing.TB, id string) canary {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	scalar, err := private.Bytes()
	check(t, err)
	low := slices.Clone(scalar)
	slices.Reverse(low)
	return canary{id, "KEY", text, [][]byte{[]byte(strings.Split(text, "\n")[1]), scalar, low}}
}

// rsaCanary returns a private key, and parts of it as text, as DER, and in the library's format.
func rsaCanary(t testing.TB) (text string, forms [][]byte) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	lines := strings.Split(text, "\n")
	forms = [][]byte{[]byte(lines[10]), []byte(lines[15]), private.D.Bytes()[:32]}
	for _, prime := range private.Primes { // in both orders, because numbers start with the low word
		p := prime.Bytes()
		low := slices.Clone(p[len(p)-32:])
		slices.Reverse(low)
		forms = append(forms, p[:32], low)
	}
	return text, forms
}

// store stores a canary like a client that does not seal values.
func (c *constellation) store(v canary) {
	c.t.Helper()
	extra := ""
	if v.usage == "CREDENTIAL" {
		extra = `,"allowedHosts":["api.partner.example"]`
	}
	quoted, err := json.Marshal(v.text)
	check(c.t, err)
	c.must(c.t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?secretId="+v.id,
		fmt.Sprintf(`{"usage":"USAGE_%s","value":{"text":%s}%s}`, v.usage, quoted, extra))
}

// storeSealed stores a canary as a sealed value, through the gateway.
func (c *constellation) storeSealed(v canary) {
	c.t.Helper()
	var sealing vaultv1.Sealing
	check(c.t, protojson.Unmarshal(c.must(c.t, owner, http.MethodGet, "/v1/workspaces/demo/sealing", "").body, &sealing))
	key, err := seal.NewKey(sealing.GetKeys()[0].GetPublicKey())
	check(c.t, err)
	sealed, err := key.Seal([]byte(v.text), seal.Place{
		Secret: "workspaces/demo/secrets/" + v.id, RequestID: "r-" + v.id, Time: sealing.GetTime().AsTime(), Text: true,
	})
	check(c.t, err)
	body, err := protojson.Marshal(&vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Sealed{Sealed: sealed}}})
	check(c.t, err)
	c.must(c.t, owner, http.MethodPost, "/v1/workspaces/demo/secrets?requestId=r-"+v.id+"&secretId="+v.id, string(body))
}

// useAll creates endpoints that use all canaries.
func (c *constellation) useAll() (endpoints []string) {
	c.t.Helper()
	const base = "/v1/workspaces/demo/endpoints"
	jose := func(management, content, key, decoding, more string) string {
		return `"jose": {"keyManagement": "KEY_MANAGEMENT_` + management + `", "contentEncryption": "CONTENT_ENCRYPTION_` + content + `",
			"keys": [{"name": "workspaces/demo/secrets/` + key + `", "decoding": "DECODING_` + decoding + `"}]}` + more
	}
	for id, encryption := range map[string]string{
		opened + "direct":     jose("DIR", "A256CBC_HS512", "direct", "HEX", ""),
		opened + "wrapping":   jose("A256KW", "A256GCM", "wrapping", "HEX", `, "nestedJws": {"jws": {"algorithm": "ALGORITHM_HS512"}, "keys": [{"name": "workspaces/demo/secrets/nested"}]}`),
		opened + "agreed":     jose("ECDH_ES", "A256GCM", "agreed", "PEM", ""),
		opened + "unwrapping": jose("RSA_OAEP_256", "A128GCM", "unwrapping", "PEM", ""),
		"jws": `"signing": {"jws": {"algorithm": "ALGORITHM_ES256"},
				"keys": [{"name": "workspaces/demo/secrets/signing", "decoding": "DECODING_PEM"}],
				"headers": {"X-Signature": "${signature}"}}`,
		"shared": `"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
				{"name": "workspaces/demo/secrets/aes", "decoding": "DECODING_HEX"}]}},
			"envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
			"signing": {"mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
				"keys": [{"name": "workspaces/demo/secrets/hmac"}],
				"headers": {"X-Signature": "sha256=${signature}"}}`,
		"derived": `"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {
				"keys": [{"name": "workspaces/demo/secrets/passphrase"}],
				"derivation": {"pbkdf2": {"hash": "HASH_SHA256", "iterations": ` + fmt.Sprint(memoryIterations) + `},
					"salt": {"secret": {"name": "workspaces/demo/secrets/salt"}}}}},
			"envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
			"allowLegacy": [{"flag": "FLAG_STATIC_SALT", "reason": "the partner has no other", "expireTime": "` +
			time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339) + `"}]`,
		"signed": `"signing": {"asymmetric": {"algorithm": "ALGORITHM_RSA_PKCS1V15_SHA256"},
				"keys": [{"name": "workspaces/demo/secrets/rsa", "decoding": "DECODING_PEM"}],
				"encoding": "ENCODING_BASE64", "headers": {"X-Signature": "${signature}"}}`,
	} {
		directions := `"request": {` + encryption + `}`
		if strings.HasPrefix(id, opened) {
			directions += `, "response": {` + encryption + `}`
		}
		c.must(c.t, owner, http.MethodPost, base+"?endpointId="+id, `{
			"url": "https://api.partner.example/v1/`+id+`", "methods": ["POST"],
			"headers": [{"name": "Authorization", "secret": {"name": "workspaces/demo/secrets/credential"}}],
			"encryption": {`+directions+`}}`)
		c.must(c.t, admin, http.MethodPost, base+"/"+id+":approve", `{}`)
		c.must(c.t, owner, http.MethodPost, base+"/"+id+":activate", `{}`)
		endpoints = append(endpoints, base+"/"+id)
	}
	return endpoints
}

// keepUnused sets how long the allowlist caches unused secrets.
func (c *constellation) keepUnused(maxStale time.Duration) {
	c.t.Helper()
	c.reconfigure("allowlist", func(text string) string { return text + "  max_stale: " + maxStale.String() + "\n" })
}

// TestMemoryHoldsNoUsedKey uses KEYs that are in memory only for their use: they were stored
// before the programs started.
func TestMemoryHoldsNoUsedKey(t *testing.T) {
	c := apart(t)
	values := canaries(t)
	for _, v := range values {
		c.store(v)
	}
	endpoints := c.useAll()
	c.running["vault"].stop()
	c.start("vault")
	c.running["gateway"].stop()
	t.Setenv("GODEBUG", "clobberfree=1") // like the gateway in deploy/
	c.start("gateway")
	t.Setenv("GODEBUG", "")
	c.keepUnused(shortStale) // also restarts the allowlist
	use := func() {
		for _, endpoint := range endpoints {
			var sent struct{ Body string }
			check(t, json.Unmarshal(c.must(t, sender, http.MethodPost, endpoint+":encrypt", `{"body":"aGVsbG8="}`).body, &sent))
			if strings.Contains(endpoint, opened) {
				c.must(t, sender, http.MethodPost, endpoint+":decrypt", `{"body":"`+sent.Body+`"}`)
			}
		}
	}
	for range 10 {
		use()
	}
	last := time.Now()
	core := c.dump("allowlist") // immediately after its use
	for _, v := range values[:3] {
		if copies := bytes.Count(core, v.forms[0]); copies > cached {
			t.Errorf("after use, the memory of the allowlist contains %s %d times, want at most %d", v.id, copies, cached)
		}
	}
	time.Sleep(time.Until(last.Add(afterUse)))
	for name, core := range c.dumpAll() {
		for _, v := range values {
			found := core.find(v.forms...)
			switch {
			case found.total() == 0:
			case v.usage == "KEY":
				t.Errorf("%v after the last use, the memory of %s contains %s %d times: %v", afterUse, name, v.id, found.total(), found)
			default: // values that are sent unchanged pass through the buffers of connections
				t.Logf("%v after the last use, the memory of %s contains %s %d times", afterUse, name, v.id, found.total())
			}
		}
	}
}

// TestMemoryHoldsNoSealedValue stores values that are sealed.
func TestMemoryHoldsNoSealedValue(t *testing.T) {
	c := apart(t)
	values := canaries(t)[:10]
	for _, v := range values {
		c.storeSealed(v)
	}
	last := time.Now()
	time.Sleep(time.Until(last.Add(afterUse)))
	for name, core := range c.dumpAll() {
		for _, v := range values {
			if found := core.find(v.forms...); found.total() > 0 {
				t.Errorf("%v after it was stored, the memory of %s contains %s %d times: %v", afterUse, name, v.id, found.total(), found)
			}
		}
	}
}
