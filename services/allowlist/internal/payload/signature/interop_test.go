//go:build interop

package signature_test

import (
	"crypto"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// These tests need node, openssl, and the packages that `make interop` installs. They verify the
// output of Sign, and Verify accepts their output.

// A job is one for webhooks.mjs of the partner.
type job struct {
	Op      string            `json:"op"`
	Secret  string            `json:"secret"`
	ID      string            `json:"id"`
	Seconds int64             `json:"seconds"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func TestInteropStandardWebhooks(t *testing.T) {
	t.Parallel()
	const secret, other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	s, m := compile(t, standardWebhooks()), webhook()
	m.Body = []byte(`{"name":"Jörg 🎯","amount":12.50}`)
	m.Time = time.Now() // the library compares with its own clock
	var both []any
	for _, text := range []string{secret, other} {
		key, err := keyform.Decode(keyform.Whsec, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, key)
	}
	sent := sign(t, s, both, m)
	var results []string
	partnertest.Ask(t, "webhooks.mjs", []job{
		{Op: "verify", Secret: secret, Headers: sent, Body: string(m.Body)},
		{Op: "verify", Secret: other, Headers: sent, Body: string(m.Body)},
		{Op: "verify", Secret: secret, Headers: sent, Body: string(m.Body) + " "},
		{Op: "sign", Secret: other, ID: "msg_2", Seconds: m.Time.Unix(), Body: string(m.Body)},
	}, &results)
	for i, want := range []string{"ok", "ok", "No matching signature found"} {
		if results[i] != want {
			t.Errorf("job %d: the partner says %q, want %q", i, results[i], want)
		}
	}
	m.ID = "" // the caller does not know the ID of an incoming message
	theirs := map[string]string{"webhook-id": "msg_2", "webhook-timestamp": sent["webhook-timestamp"], "webhook-signature": results[3]}
	if got, err := s.Verify(both, m, received(theirs)); err != nil || got.Key != 1 || got.ID != "msg_2" {
		t.Errorf("Verify of the partner's signature = %+v, %v, want key 1 and id msg_2", got, err)
	}
}

func TestInteropOpensslSignatures(t *testing.T) {
	t.Parallel()
	keysFolder, err := filepath.Abs("../testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	partnertest.Run(t, folder, nil, "openssl", "genpkey", "-algorithm", "ed25519", "-out", "ed_priv.pem")
	partnertest.Run(t, folder, nil, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384_priv.pem")
	pss := []string{"-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"}
	for _, tt := range []struct {
		name   string
		scheme signature.Scheme
		key    string
		flags  []string
	}{
		{"RSA with SHA-1", signature.RSA{Hash: crypto.SHA1}, keysFolder + "/rsa2_priv.pem", []string{"-digest", "sha1"}},
		{"RSA with SHA-256", signature.RSA{Hash: crypto.SHA256}, keysFolder + "/rsa2_priv.pem", []string{"-digest", "sha256"}},
		{"RSA with SHA-384", signature.RSA{Hash: crypto.SHA384}, keysFolder + "/rsa2_priv.pem", []string{"-digest", "sha384"}},
		{"RSA with SHA-512", signature.RSA{Hash: crypto.SHA512}, keysFolder + "/rsa2_priv.pem", []string{"-digest", "sha512"}},
		{"PSS with SHA-256", signature.RSA{Hash: crypto.SHA256, PSS: true}, keysFolder + "/rsa2_priv.pem", slices.Concat(pss, []string{"-digest", "sha256"})},
		{"PSS with SHA-512", signature.RSA{Hash: crypto.SHA512, PSS: true}, keysFolder + "/rsa2_priv.pem", slices.Concat(pss, []string{"-digest", "sha512"})},
		{"ECDSA with P-256", signature.ECDSA{Hash: crypto.SHA256}, keysFolder + "/ec_priv.pem", []string{"-digest", "sha256"}},
		{"ECDSA with P-384", signature.ECDSA{Hash: crypto.SHA384}, folder + "/p384_priv.pem", []string{"-digest", "sha384"}},
		{"Ed25519", signature.Ed25519{}, folder + "/ed_priv.pem", nil},
	} {
		c := over("${timestamp}.${body}")
		c.Scheme, c.Encoding, c.Headers["X-Time"] = tt.scheme, template.Base64, "${timestamp}"
		checkOpenssl(t, tt.name, compile(t, c), tt.key, tt.flags)
	}
}

// checkOpenssl verifies the output of Sign with openssl, and the output of openssl with Verify.
func checkOpenssl(t *testing.T, name string, s *signature.Signer, key string, flags []string) {
	t.Helper()
	folder, codec := t.TempDir(), template.NewCodec(template.Base64)
	input := append([]byte("1767366245."), webhook().Body...)
	write := func(file string, text []byte) {
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool := func(operation, key string, more ...string) []byte {
		args := append([]string{"pkeyutl", operation, "-rawin", "-inkey", key, "-in", "input"}, more...)
		return partnertest.Run(t, folder, nil, "openssl", append(args, flags...)...)
	}
	private, public := pair(t, key)
	sent, err := s.Sign(rand.Reader, []any{private}, webhook())
	if err != nil {
		t.Fatalf("%s: Sign = %v", name, err)
	}
	ours, _ := codec.AppendDecoded(nil, []byte(sent.Headers[0].Value))
	write("input", input)
	write("signature", ours)
	tool("-verify", key, "-sigfile", "signature") // fails the test if it does not verify
	theirs := codec.AppendEncoded(nil, tool("-sign", key))
	theirsSent := map[string]string{"x-signature": string(theirs), "x-time": "1767366245"}
	if _, err := s.Verify([]any{public}, webhook(), received(theirsSent)); err != nil {
		t.Errorf("%s: Verify of the output of openssl = %v", name, err)
	}
}
