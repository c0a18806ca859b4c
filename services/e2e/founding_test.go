package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A promise goes through the purposes of the product, in their original words. Its steps depend on
// each other.
type promise struct {
	site
	dir     string
	grpcurl string
	key     string   // the partner's AES key in hexadecimal, which must appear nowhere
	seen    [][]byte // all answers of the API
}

// TestTheProductKeepsItsPromise proves each sentence over gRPC, JSON, and grpcurl with the built
// programs. The console's half is e2e/founding.test.ts of the page.
func TestTheProductKeepsItsPromise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := standalone(t, dir)
	random := make([]byte, 32)
	_, err := rand.Read(random)
	check(t, err)
	p := &promise{site: s, dir: dir, grpcurl: buildGrpcurl(t), key: hex.EncodeToString(random)}
	for _, step := range []struct {
		sentence string
		prove    func(*testing.T)
	}{
		{"An Owner or Super Admin stores a secret", p.stores},
		{"Its value is encrypted with Tink before it is stored (bbolt)", p.encryptsAtRest},
		{"Create, update, delete, list, search, history, versions", p.manages},
		{"every change is logged", p.logs},
		{"is never shown again", p.neverShows},
		{"Only workloads resolve values", p.resolvesForWorkloadsOnly},
		{"allowlist: the registry of endpoints that may be called", p.registers},
		{"Each has an encryption configuration that holds only secret references", p.holdsReferences},
		{"the service resolves them over gRPC and encrypts, decrypts, signs and verifies payloads in the partner's own format", p.speaksThePartnersFormat},
		{"Key material in a configuration is refused", p.refusesKeyMaterial},
		{"gateway: JSON endpoints for both, and the web console", p.opensTheDoor},
		{"Other services use it over gRPC, people over JSON and the console, operators with grpcurl", p.answersGrpcurl},
	} {
		if !t.Run(step.sentence, step.prove) {
			t.Fatal("later steps depend on this one")
		}
	}
}

const (
	secrets   = "/v1/workspaces/demo/secrets"
	endpoints = "/v1/workspaces/demo/endpoints"
)

// ask is call, and records the answer.
func (p *promise) ask(t *testing.T, who person, method, path, body string) answer {
	t.Helper()
	got := p.call(t, who, method, path, body)
	p.seen = append(p.seen, got.body)
	return got
}

// done is ask for requests that must succeed.
func (p *promise) done(t *testing.T, who person, method, path, body string) answer {
	t.Helper()
	got := p.ask(t, who, method, path, body)
	if got.status != http.StatusOK {
		t.Fatalf("%s %s as %q = %d %s", method, path, who, got.status, got.body)
	}
	return got
}

func (p *promise) stores(t *testing.T) {
	p.done(t, owner, http.MethodPost, secrets+"?secretId=partner-key", fmt.Sprintf(`{"value":{"text":%q}}`, p.key))
	hook := &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: hmacKey}}}
	_, err := p.vaultAs(t, admin).CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/demo", SecretId: "hook-key", Secret: hook})
	check(t, err)
	for who, want := range map[person]int{member: http.StatusForbidden, sender: http.StatusForbidden, anonymous: http.StatusUnauthorized} {
		if got := p.ask(t, who, http.MethodPost, secrets+"?secretId=theirs", `{"value":{"text":"more than 16 bytes"}}`); got.status != want {
			t.Errorf("%q stores a secret: %d, want %d", who, got.status, want)
		}
	}
}

func (p *promise) encryptsAtRest(t *testing.T) {
	got, err := p.vaultAs(t, owner).GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: "workspaces/demo/secrets/partner-key"})
	check(t, err)
	stored := got.GetSecret().GetEncryptedValue()
	if stored.GetAlgorithm() != "AES-256-GCM" || stored.GetKeyId() == "" || len(stored.GetCiphertext()) < len(p.key) {
		t.Errorf("the encrypted representation is %v", stored)
	}
	disk := make(map[string][]byte)
	readFolder(t, p.dir, disk)
	for path, content := range disk {
		for form, text := range forms(p.key) {
			if bytes.Contains(content, text) {
				t.Errorf("%s contains the value (%s)", path, form)
			}
		}
	}
	database := disk["file vault.db"]
	const bolt = 0xED0CDAED // the magic number of bbolt, after the header of the first page
	if len(database) < 20 || binary.LittleEndian.Uint32(database[16:]) != bolt {
		t.Error("vault.db is not a bbolt file")
	}
	if !bytes.Contains(database, stored.GetCiphertext()) {
		t.Error("the returned encrypted representation is not on disk")
	}
}

func (p *promise) manages(t *testing.T) {
	p.done(t, owner, http.MethodPost, secrets+"?secretId=short-lived", `{"value":{"generate":{"kind":"KIND_AES_256"}}}`)
	p.done(t, owner, http.MethodPatch, secrets+"/short-lived?reason=rotation", `{"description":"second","value":{"generate":{"kind":"KIND_AES_256"}}}`)
	listed := func(query string) (ids []string) {
		var list struct{ Secrets []struct{ Name string } }
		check(t, json.Unmarshal(p.done(t, owner, http.MethodGet, secrets+query, "").body, &list))
		for _, s := range list.Secrets {
			ids = append(ids, strings.TrimPrefix(s.Name, "workspaces/demo/secrets/"))
		}
		slices.Sort(ids)
		return ids
	}
	if got, want := listed(""), []string{"hook-key", "partner-key", "short-lived"}; !slices.Equal(got, want) {
		t.Errorf("the list has %v, want %v", got, want)
	}
	if got, want := listed("?query=HOOK"), []string{"hook-key"}; !slices.Equal(got, want) {
		t.Errorf("a search returned %v, want %v", got, want)
	}
	var list struct{ Versions []struct{ Version int } }
	check(t, json.Unmarshal(p.done(t, owner, http.MethodGet, secrets+"/short-lived/versions", "").body, &list))
	if len(list.Versions) != 2 || list.Versions[0].Version != 2 {
		t.Errorf("the versions are %v, want 2 and 1", list.Versions)
	}
	p.done(t, owner, http.MethodDelete, secrets+"/short-lived", "")
	if got := p.ask(t, owner, http.MethodGet, secrets+"/short-lived", ""); got.status != http.StatusNotFound {
		t.Errorf("a deleted secret = %d, want 404", got.status)
	}
}

func (p *promise) logs(t *testing.T) {
	var history struct {
		Changes []struct{ Action string }
	}
	got := p.done(t, owner, http.MethodGet, secrets+"/short-lived/history", "")
	check(t, json.Unmarshal(got.body, &history))
	var actions []string
	for _, change := range history.Changes {
		actions = append(actions, change.Action)
	}
	want := []string{"ACTION_DELETED", "ACTION_UPDATED", "ACTION_CREATED"}
	if !slices.Equal(slices.Compact(actions), want) || !bytes.Contains(got.body, []byte(`"rotation"`)) || !bytes.Contains(got.body, []byte("#owner")) {
		t.Errorf("the log has %s, want %v with the owner and the reason", got.body, want)
	}
}

func (p *promise) neverShows(t *testing.T) {
	shown := p.done(t, owner, http.MethodGet, secrets+"/partner-key", "")
	other := p.done(t, owner, http.MethodGet, secrets+"/hook-key", "")
	if mask := shown.field("maskedValue"); mask == "" || mask != other.field("maskedValue") || strings.Trim(mask, "•") != "" {
		t.Errorf("the masked value is %q, and %q of another secret", mask, other.field("maskedValue"))
	}
	for _, list := range []string{"", "?query=partner", "/partner-key/history", "/partner-key/versions", "/partner-key/bindings"} {
		p.done(t, owner, http.MethodGet, secrets+list, "")
	}
	for _, value := range []string{p.key, hmacKey} {
		for form, text := range forms(value) {
			for _, answer := range p.seen {
				if bytes.Contains(answer, text) {
					t.Errorf("an answer contains a value (%s): %s", form, answer)
				}
			}
		}
	}
}

func (p *promise) resolvesForWorkloadsOnly(t *testing.T) {
	for _, who := range []person{owner, admin, member, sender} {
		_, err := p.vaultAs(t, who).ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: "workspaces/demo/secrets/partner-key", Uid: "u"})
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("ResolveSecret as %s = %v, want PermissionDenied", who, err)
		}
	}
	if got := p.ask(t, owner, http.MethodPost, secrets+"/partner-key:resolve", `{"uid":"u"}`); got.status != http.StatusNotFound {
		t.Errorf("the gateway has a route to resolve: %d %s", got.status, got.body)
	}
}

func (p *promise) registers(t *testing.T) {
	p.done(t, owner, http.MethodPost, endpoints+"?endpointId=partner", `{
		"url": "https://api.partner.example/v1/payments", "methods": ["POST"],
		"encryption": {"request": {
			"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
				{"name": "workspaces/demo/secrets/partner-key", "decoding": "DECODING_HEX"}]}},
			"envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
			"signing": {"mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
				"keys": [{"name": "workspaces/demo/secrets/hook-key"}],
				"headers": {"X-Signature": "sha256=${signature}"}}}}}`)
	allowed := func(url string) string {
		var got struct{ Allowed bool }
		check(t, json.Unmarshal(p.done(t, sender, http.MethodPost, endpoints+":checkUrl", fmt.Sprintf(`{"method":"POST","url":%q}`, url)).body, &got))
		return fmt.Sprint(got.Allowed)
	}
	if got := allowed("https://api.partner.example/v1/payments"); got != "false" {
		t.Errorf("an endpoint without approval is allowed: %s", got)
	}
	p.done(t, admin, http.MethodPost, endpoints+"/partner:approve", `{}`)
	p.done(t, owner, http.MethodPost, endpoints+"/partner:activate", `{}`)
	for url, want := range map[string]string{"https://api.partner.example/v1/payments": "true", "https://elsewhere.example/": "false"} {
		if got := allowed(url); got != want {
			t.Errorf("checkUrl of %s = %s, want %s", url, got, want)
		}
	}
}

func (p *promise) holdsReferences(t *testing.T) {
	got := p.done(t, owner, http.MethodGet, endpoints+"/partner", "")
	for _, reference := range []string{"workspaces/demo/secrets/partner-key", "workspaces/demo/secrets/hook-key"} {
		if !bytes.Contains(got.body, []byte(reference)) {
			t.Errorf("the configuration does not name %s: %s", reference, got.body)
		}
	}
	if refused := p.ask(t, owner, http.MethodDelete, secrets+"/partner-key", ""); refused.reason() != "SECRET_IN_USE" {
		t.Errorf("deletion of a referenced secret = %d %s, want SECRET_IN_USE", refused.status, refused.body)
	}
	if strings.Contains(readFile(t, filepath.Join(p.dir, "data", "allowlist.db")), p.key) {
		t.Error("the allowlist has stored the key")
	}
}

func (p *promise) speaksThePartnersFormat(t *testing.T) {
	const plain = `{"amount":100}`
	allowlist := p.allowlistAs(t, sender)
	name := "workspaces/demo/endpoints/partner"
	message, err := allowlist.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: name, Body: []byte(plain)})
	check(t, err)
	if opened := p.openAsThePartner(t, message.GetBody()); opened != plain {
		t.Errorf("the partner decrypts %q, want %q", opened, plain)
	}
	mac := hmac.New(sha256.New, []byte(hmacKey))
	mac.Write(message.GetBody())
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if headers := message.GetHeaders(); len(headers) != 1 || headers[0].GetName() != "X-Signature" || headers[0].GetValue() != signature {
		t.Errorf("the signature is %v, want %s", headers, signature)
	}
	answer, err := allowlist.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: name, Body: message.GetBody(), Exchange: message.GetExchange()})
	if err != nil || string(answer.GetBody()) != plain {
		t.Errorf("Decrypt = %q, %v, want %q", answer.GetBody(), err, plain)
	}
	verify := func(signature string) error {
		_, err := allowlist.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
			Name: name, Body: message.GetBody(), Headers: map[string]string{"X-Signature": signature},
		})
		return err
	}
	if err := verify(signature); err != nil {
		t.Errorf("VerifySignature of the partner's signature = %v", err)
	}
	if err := verify("sha256=" + strings.Repeat("0", 64)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("VerifySignature of another signature = %v, want InvalidArgument", err)
	}
}

// openAsThePartner decrypts a body with only the key: 12 bytes of IV, ciphertext, tag.
func (p *promise) openAsThePartner(t *testing.T, body []byte) string {
	t.Helper()
	var envelope struct{ EncryptedData []byte }
	check(t, json.Unmarshal(body, &envelope))
	key, err := hex.DecodeString(p.key)
	check(t, err)
	block, err := aes.NewCipher(key)
	check(t, err)
	aead, err := cipher.NewGCM(block)
	check(t, err)
	plain, err := aead.Open(nil, envelope.EncryptedData[:12], envelope.EncryptedData[12:], nil)
	check(t, err)
	return string(plain)
}

func (p *promise) refusesKeyMaterial(t *testing.T) {
	got := p.ask(t, owner, http.MethodPost, endpoints+"?endpointId=pasted", fmt.Sprintf(`{
		"url": "https://api.partner.example/pasted", "methods": ["POST"], "encryption": {"request": {"cipher": {
			"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [{"name": %q}]}}}}}`, p.key))
	if got.status != http.StatusBadRequest || got.reason() != "DIRECT_KEY_NOT_SUPPORTED" || bytes.Contains(got.body, []byte(p.key)) {
		t.Errorf("a key instead of a reference = %d %s, want 400 DIRECT_KEY_NOT_SUPPORTED without the key", got.status, got.body)
	}
}

func (p *promise) opensTheDoor(t *testing.T) {
	for _, list := range []string{secrets, endpoints} {
		if got := p.done(t, owner, http.MethodGet, list, ""); !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
			t.Errorf("GET %s is %s, want JSON", list, got.header.Get("Content-Type"))
		}
	}
	page := p.call(t, anonymous, http.MethodGet, "/", "", "Accept", "text/html")
	if page.status != http.StatusOK || !bytes.Contains(page.body, []byte("Keyward</title>")) {
		t.Errorf("GET / = %d %.80s, want the console", page.status, page.body)
	}
}

func (p *promise) answersGrpcurl(t *testing.T) {
	run := func(args ...string) string {
		t.Helper()
		args = append([]string{"-cacert", filepath.Join(p.access, "ca.pem"), "-H", "Authorization: Bearer " + p.token(t, owner)}, args...)
		out, err := exec.CommandContext(t.Context(), p.grpcurl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("grpcurl %s: %v\n%s", args[4:], err, out)
		}
		return string(out)
	}
	services := run(p.vault, "list")
	for _, service := range []string{"keyward.vault.v1.VaultService", "keyward.allowlist.v1.AllowlistService"} {
		if !strings.Contains(services, service) {
			t.Errorf("grpcurl listed %q, want %s among them", services, service)
		}
	}
	got := run("-d", `{"parent": "workspaces/demo"}`, p.vault, "keyward.vault.v1.VaultService/ListSecrets")
	if !strings.Contains(got, "workspaces/demo/secrets/partner-key") || strings.Contains(got, base64.StdEncoding.EncodeToString([]byte(p.key))) {
		t.Errorf("ListSecrets by grpcurl = %s", got)
	}
}

// buildGrpcurl builds grpcurl, as pinned in tools/client, and returns its path.
func buildGrpcurl(t testing.TB) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "-C", "../..", "--no-print-directory", ".bin/grpcurl")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "GOFLAGS") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make .bin/grpcurl: %v\n%s", err, out)
	}
	path, err := filepath.Abs("../../.bin/grpcurl")
	check(t, err)
	return path
}
