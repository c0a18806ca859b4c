package jose_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

const sample = `{"customer":"C-1029","note":"naïve ₹ café 🎯","amount":1250.5}`

// secret is the source of shared keys of any length.
var secret = []byte(strings.Repeat("0123456789abcdef", 4))

var contents = []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}

// A pair is the key to write with and the key to read with.
type pair struct {
	name        string
	write, read any
}

// keyRing holds a pair of each kind, generated once.
var keyRing = sync.OnceValue(func() map[string]pair {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	koblitz := must(secp256k1.GenerateKey(rand.Reader))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(ed, err)
	return map[string]pair{
		"RSA":    {"RSA", &rsaKey.PublicKey, rsaKey},
		"P-256":  {"P-256", &p256.PublicKey, p256},
		"P-384":  {"P-384", &p384.PublicKey, p384},
		"P-521":  {"P-521", &p521.PublicKey, p521},
		"K-256":  {"K-256", koblitz.Public(), koblitz},
		"X25519": {"X25519", x25519.PublicKey(), x25519},
		"Ed":     {"Ed25519", ed.Public(), ed},
	}
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// managements returns each `alg` for an `enc` with keys for it.
func managements(enc string) map[string][]pair {
	ring := keyRing()
	size := jose.JWE{Alg: "dir", Enc: enc}.KeyBytes()
	shared := func(n int) []pair { return []pair{{"", secret[:n], secret[:n]}} }
	curves := []pair{ring["P-256"], ring["P-384"], ring["X25519"]}
	return map[string][]pair{
		"dir": shared(size), "A128KW": shared(16), "A256KW": shared(32), "A128GCMKW": shared(16), "A256GCMKW": shared(32),
		"RSA-OAEP": {ring["RSA"]}, "RSA-OAEP-256": {ring["RSA"]}, "RSA1_5": {ring["RSA"]},
		"ECDH-ES": curves, "ECDH-ES+A128KW": curves, "ECDH-ES+A256KW": curves,
	}
}

// signings returns the signing key and the verification key for each `alg`.
func signings() map[string]pair {
	ring := keyRing()
	swap := func(p pair) pair { return pair{p.name, p.read, p.write} }
	return map[string]pair{
		"HS256": {"", secret[:32], secret[:32]}, "HS384": {"", secret[:48], secret[:48]}, "HS512": {"", secret, secret},
		"RS256": swap(ring["RSA"]), "RS384": swap(ring["RSA"]), "RS512": swap(ring["RSA"]),
		"PS256": swap(ring["RSA"]), "PS384": swap(ring["RSA"]), "PS512": swap(ring["RSA"]),
		"ES256": swap(ring["P-256"]), "ES384": swap(ring["P-384"]), "ES512": swap(ring["P-521"]), "ES256K": swap(ring["K-256"]), "EdDSA": swap(ring["Ed"]),
	}
}

// encrypt encrypts the sample.
func encrypt(t testing.TB, j jose.JWE, key any, plaintext string) string {
	t.Helper()
	message, err := j.Encrypt(now, rand.Reader, key, []byte(plaintext))
	if err != nil {
		t.Fatalf("Encrypt with %s, %s: %v", j.Alg, j.Enc, err)
	}
	return string(message)
}

// decrypt decrypts a compact message.
func decrypt(j jose.JWE, message string, keys ...any) (string, int, error) {
	parts, err := jose.Split([]byte(message))
	if err != nil {
		return "", 0, err
	}
	plaintext, which, err := j.Decrypt(keys, parts)
	return string(plaintext), which, err
}

// protected returns a message whose header is replaced.
func protected(message, header string) string {
	_, rest, _ := strings.Cut(message, ".")
	return b64(header) + "." + rest
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// storedKey reads a private key of the shared vectors.
func storedKey(t testing.TB, path string) crypto.PrivateKey {
	t.Helper()
	key, _, err := keyform.ParsePrivate(stored(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func stored(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
