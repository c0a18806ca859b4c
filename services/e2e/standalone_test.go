package e2e

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// standalone starts the all-in-one program on free ports with its data in dir.
func standalone(t testing.TB, dir string) (site, *process) {
	t.Helper()
	p := start(t, "standalone", "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	grpc := p.waitFor("gRPC")
	json := p.waitFor("JSON")
	p.waitFor("Keyward is ready")
	return site{vault: grpc, allowlist: grpc, json: json, access: filepath.Join(dir, "access")}, p
}

const (
	aesKey  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	hmacKey = "a canary of at least sixteen bytes"
)

// register stores the two keys and an endpoint that uses them, and activates it.
func register(t testing.TB, s site, workspace, id string) (endpoint string) {
	t.Helper()
	base := "/v1/workspaces/" + workspace
	for secret, value := range map[string]string{id + "-aes": aesKey, id + "-hmac": hmacKey} {
		s.must(t, owner, http.MethodPost, base+"/secrets?secretId="+secret, fmt.Sprintf(`{"value":{"text":%q}}`, value))
	}
	endpoint = "workspaces/" + workspace + "/endpoints/" + id
	s.must(t, owner, http.MethodPost, base+"/endpoints?endpointId="+id, fmt.Sprintf(`{
		"url": "https://api.partner.example/v1/payments", "methods": ["POST"],
		"encryption": {"request": {
			"cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
				{"name": "workspaces/%[1]s/secrets/%[2]s-aes", "decoding": "DECODING_HEX"}]}},
			"envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
			"signing": {"mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
				"keys": [{"name": "workspaces/%[1]s/secrets/%[2]s-hmac"}],
				"headers": {"X-Signature": "sha256=${signature}"}}}}}`, workspace, id))
	s.must(t, admin, http.MethodPost, "/v1/"+endpoint+":approve", `{}`)
	s.must(t, owner, http.MethodPost, "/v1/"+endpoint+":activate", `{}`)
	return endpoint
}

func TestASenderEncryptsWithAKeyThatOnlyThePartnerAlsoHas(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	endpoint := register(t, s, "demo", "payments")

	plain := `{"amount":100}`
	got := s.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt",
		fmt.Sprintf(`{"body":%q}`, base64.StdEncoding.EncodeToString([]byte(plain))))
	var message struct {
		Body        []byte
		ContentType string
		Exchange    string
		Headers     []struct{ Name, Value string }
	}
	if err := json.Unmarshal(got.body, &message); err != nil {
		t.Fatal(err)
	}
	if opened := openGCM(t, message.Body); opened != plain {
		t.Errorf("the partner decrypts %q, want %q", opened, plain)
	}
	mac := hmac.New(sha256.New, []byte(hmacKey))
	mac.Write(message.Body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if len(message.Headers) != 1 || message.Headers[0].Name != "X-Signature" || message.Headers[0].Value != want {
		t.Errorf("headers = %v, want X-Signature: %s", message.Headers, want)
	}
	if message.ContentType != "application/json" {
		t.Errorf("content type = %q, want application/json", message.ContentType)
	}

	answer, err := s.allowlistAs(t, sender).Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: endpoint, Body: message.Body, Exchange: message.Exchange,
	})
	if err != nil {
		t.Fatalf("Decrypt of the partner's answer: %v", err)
	}
	if string(answer.GetBody()) != plain {
		t.Errorf("Decrypt = %q, want %q", answer.GetBody(), plain)
	}
}

// openGCM decrypts a message of Encrypt with the standard library, as a partner would.
func openGCM(t testing.TB, body []byte) string {
	t.Helper()
	var envelope struct{ EncryptedData []byte }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatalf("the body is not the configured JSON: %v", err)
	}
	plain, err := openSealed(aesKey, envelope.EncryptedData)
	if err != nil {
		t.Fatalf("the body does not decrypt: %v", err)
	}
	return plain
}

// openSealed decrypts what AES-256-GCM sealed under a key in hexadecimal: the IV, the ciphertext, and the tag.
func openSealed(key string, sealed []byte) (string, error) {
	raw, err := hex.DecodeString(key)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	if len(sealed) < aead.NonceSize() {
		return "", fmt.Errorf("%d bytes are too few for an IV", len(sealed))
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	return string(plain), err
}

func TestDataSurvivesARestartAndACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, p := standalone(t, dir)
	endpoint := register(t, s, "demo", "payments")
	p.stop()

	for _, end := range []string{"a clean stop", "a crash"} {
		s, p = standalone(t, dir)
		got, err := s.vaultAs(t, owner).GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: "workspaces/demo/secrets/payments-aes"})
		if err != nil {
			t.Fatalf("GetSecret after %s: %v", end, err)
		}
		if n := got.GetSecret().GetReferenceCount(); n != 1 {
			t.Errorf("reference count after %s = %d, want 1", end, n)
		}
		message, err := s.allowlistAs(t, sender).Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: endpoint, Body: []byte("x")})
		if err != nil {
			t.Fatalf("Encrypt after %s: %v", end, err)
		}
		if opened := openGCM(t, message.GetBody()); opened != "x" {
			t.Errorf("the partner decrypts %q after %s, want x", opened, end)
		}
		p.kill()
	}
}

func TestASecondProcessOnTheSameDataIsRefusedClearly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	standalone(t, dir)
	second := start(t, "standalone", "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	<-second.exited
	if second.err == nil {
		t.Error("a second standalone on the same folder started")
	}
	if got := second.output(); !strings.Contains(got, "another process") {
		t.Errorf("the second standalone says %q, want it to name the other process", got)
	}
}

func TestStandaloneListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	p := start(t, "standalone", "--dir", t.TempDir(), "--grpc", "0.0.0.0:0")
	<-p.exited
	if p.err == nil {
		t.Error("standalone listens beyond loopback")
	}
	if got := p.output(); !strings.Contains(got, "loopback") {
		t.Errorf("standalone says %q, want it to name loopback", got)
	}
}

func TestAForeignHostHeaderIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	got := s.call(t, owner, http.MethodGet, "/v1/workspaces/demo/secrets", "", "Host", "attacker.example")
	if got.status < 400 || got.status >= 500 {
		t.Errorf("a request to a foreign host = %d, want a refusal", got.status)
	}
}

func TestAMissingKeyIsNotReplacedByANewOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, p := standalone(t, dir)
	p.stop()
	check(t, os.Remove(filepath.Join(dir, "keys", "vault.kek")))
	again := start(t, "standalone", "--dir", dir, "--grpc", "127.0.0.1:0", "--json", "127.0.0.1:0", "--metrics", "")
	<-again.exited
	if again.err == nil || !strings.Contains(again.output(), "vault.kek is missing") {
		t.Errorf("standalone without its key ended with %v and said %q, want it to name the missing key", again.err, again.output())
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", "vault.kek")); err == nil {
		t.Error("standalone created another key for data that it cannot decrypt")
	}
}
