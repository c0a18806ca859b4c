package echo_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/services/vault/internal/echo"
)

// A pair is a private key in DER with what is private and public in it.
type pair struct {
	name            string
	der             []byte
	private, public [][]byte
}

func pairs(t testing.TB) []pair {
	t.Helper()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ec, rsa := keyformtest.EC(t, elliptic.P256()), keyformtest.RSA(t, 2048)
	point, scalar := must(ec.PublicKey.Bytes()), must(ec.Bytes())
	ecShown := [][]byte{must(x509.MarshalPKIXPublicKey(ec.Public())), point, point[1:33], point[33:]}
	rsaHidden := [][]byte{rsa.D.Bytes(), rsa.Primes[1].Bytes()}
	rsaShown := [][]byte{must(x509.MarshalPKIXPublicKey(rsa.Public())), x509.MarshalPKCS1PublicKey(&rsa.PublicKey), rsa.N.Bytes()}
	return []pair{
		{"EC in PKCS #8", must(x509.MarshalPKCS8PrivateKey(ec)), [][]byte{scalar}, ecShown},
		{"EC in SEC 1", must(x509.MarshalECPrivateKey(ec)), [][]byte{scalar}, ecShown},
		{"RSA in PKCS #8", must(x509.MarshalPKCS8PrivateKey(rsa)), rsaHidden, rsaShown},
		{"RSA in PKCS #1", x509.MarshalPKCS1PrivateKey(rsa), rsaHidden, rsaShown},
	}
}

// stored are the forms of bare keys that people store.
var stored = []string{"hex", "upper-case hex", inPairs, "base64", "base64url", "wrapped base64", "hex with 0x"}

func storedAs(form string, der []byte) []byte {
	switch form {
	case "wrapped base64":
		block := pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: der})
		lines := bytes.Split(bytes.TrimSpace(block), []byte("\n"))
		return bytes.Join(lines[1:len(lines)-1], []byte("\n"))
	case "hex with 0x":
		return []byte("0x" + hex.EncodeToString(der))
	}
	return []byte(encodings[form](der))
}

func TestOnlyThePublicPartOfABareKeyMayAppear(t *testing.T) {
	t.Parallel()
	for i, key := range pairs(t) {
		forms := stored
		if i >= 2 { // long ones, with which the others would take a minute
			forms = []string{"hex", "base64"}
		}
		for _, form := range forms {
			value := storedAs(form, key.der)
			public := keyform.Look(value).Public
			if public == nil {
				t.Fatalf("%s as %s is not recognized", key.name, form)
			}
			in := func(text string) bool { return echo.Find(value, public, []string{text}).Has(0) }
			for encoding, encode := range encodings {
				for i, part := range key.private {
					for at := range 3 {
						for what, text := range map[string]string{
							"half of it": "abc"[:at] + encode(part[:16]), "another half": "abc"[:at] + encode(part[len(part)-16:]),
							"half of it behind the public key": encode(append(bytes.Clone(key.public[0][at:]), part[:16]...)),
							"half of it between public keys":   encode(slices.Concat(key.public[0][at:], part[:16], key.public[0])),
							"half of it before the public key": encode(slices.Concat(part[len(part)-16-at:], key.public[0])),
						} {
							if !in(text) {
								t.Errorf("%s as %s: of private part %d, %s is not found as %s (%d)", key.name, form, i, what, encoding, at)
							}
						}
					}
				}
				for i, part := range key.public {
					for skip := range 4 {
						if in(encode(part[skip:])) {
							t.Errorf("%s as %s: public part %d is an echo as %s", key.name, form, i, encoding)
						}
					}
				}
			}
			if !in(string(value)) {
				t.Errorf("%s as %s is not found as it is", key.name, form)
			}
		}
	}
}

// Sixteen characters of a bare key are found, wherever they begin. Longer parts that are public are not.
func TestSixteenCharactersOfABareKeyAreFound(t *testing.T) {
	t.Parallel()
	for _, key := range pairs(t)[:2] {
		for _, form := range stored {
			value := storedAs(form, key.der)
			public := keyform.Look(value).Public
			for at := range len(value) - 16 {
				if !echo.Find(value, public, []string{string(value[at : at+16])}).Has(0) {
					t.Errorf("%s as %s: 16 characters at %d are not found", key.name, form, at)
				}
			}
		}
	}
}

// The public key is no part of a bare scalar or seed.
func TestThePublicKeyOfABareScalarMayAppear(t *testing.T) {
	t.Parallel()
	nist, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shown, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]struct{ scalar, public []byte }{
		"P-256": {nist.Bytes(), nist.PublicKey().Bytes()}, "X25519": {x25519.Bytes(), x25519.PublicKey().Bytes()}, "Ed25519": {signer.Seed(), shown},
	} {
		for form, store := range encodings {
			for encoding, encode := range encodings {
				if form == "base64 in lines" {
					continue // its label is that of any PEM
				}
				value := []byte(store(key.scalar))
				what := fmt.Sprintf("%s as %s, shown as %s", name, form, encoding)
				if in(value, encode(key.public)) {
					t.Errorf("%s: the public key is an echo", what)
				}
				if !in(value, encode(key.scalar[:16])) || !in(value, encode(key.scalar)) {
					t.Errorf("%s: the private key is not found", what)
				}
			}
		}
	}
}

func BenchmarkFindBesideABareKey(b *testing.B) {
	text := "the key of the partner, its public part is "
	for _, key := range pairs(b) {
		b.Run(key.name, func(b *testing.B) {
			value := storedAs("hex", key.der)
			public := keyform.Look(value).Public
			description := text + base64.StdEncoding.EncodeToString(public)
			b.ReportAllocs()
			for b.Loop() {
				echo.Find(value, public, []string{"id"}, []string{description}, []string{"reason"})
			}
		})
	}
}
