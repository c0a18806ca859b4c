//go:build interop

package secret_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// nodeJWK prints the JWK of a public key from standard input.
const nodeJWK = `process.stdout.write(JSON.stringify(require("crypto").createPublicKey(require("fs").readFileSync(0)).export({format: "jwk"})))`

// pipe runs another program with an input.
func pipe(t testing.TB, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader([]byte(input))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.String())
	}
	return string(out)
}

// wantPublic compares a public key with the one that openssl and node derive from a private key.
func wantPublic(t testing.TB, what, private string, got *vaultv1.PublicKey) {
	t.Helper()
	if diff := cmp.Diff(pipe(t, private, "openssl", "pkey", "-pubout"), got.GetPem()); diff != "" {
		t.Errorf("%s: PEM differs (-openssl +got):\n%s", what, diff)
	}
	var want, jwk map[string]string
	if err := json.Unmarshal([]byte(pipe(t, got.GetPem(), "node", "-e", nodeJWK)), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got.GetJwk()), &jwk); err != nil {
		t.Fatal(err)
	}
	delete(jwk, "kid")
	if diff := cmp.Diff(want, jwk); diff != "" {
		t.Errorf("%s: JWK differs (-node +got):\n%s", what, diff)
	}
}

// TestInteropOpensslReadsGeneratedKeys has openssl and node derive the public part of each
// generated kind.
func TestInteropOpensslReadsGeneratedKeys(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for kind, algorithm := range asymmetric {
		k.Owner.Create(t, algorithm, &vaultv1.Secret{Value: vaulttest.Generate(kind)})
		wantPublic(t, algorithm, opened(t, k, algorithm, 0), k.Owner.Get(t, algorithm).GetPublicKey())
	}
}

// TestInteropKeysOfOpensslAreRecognised imports keys that openssl generates, in old and new forms.
func TestInteropKeysOfOpensslAreRecognised(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for name, args := range map[string][]string{
		"rsa-2048":       {"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
		"rsa-pkcs1":      {"genrsa", "-traditional", "2048"},
		"p256":           {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"p384-sec1":      {"ecparam", "-genkey", "-name", "secp384r1"},
		"p256-sec1-bare": {"ecparam", "-genkey", "-noout", "-name", "prime256v1"},
		"ed25519":        {"genpkey", "-algorithm", "ed25519"},
		"x25519":         {"genpkey", "-algorithm", "x25519"},
	} {
		private := pipe(t, "", "openssl", args...)
		k.Owner.Create(t, name, &vaultv1.Secret{Value: vaulttest.Text(private)})
		wantPublic(t, name, private, k.Owner.Get(t, name).GetPublicKey())
	}
	encrypted := pipe(t, "", "openssl", "genpkey", "-algorithm", "ed25519", "-aes-256-cbc", "-pass", "pass:x")
	_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "encrypted", Secret: &vaultv1.Secret{Value: vaulttest.Text(encrypted)}})
	vaulttest.WantError(t, "CreateSecret of an encrypted key", err, codes.InvalidArgument, notUsable)
}
