package publickey_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/services/vault/internal/publickey"
)

func decode(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPublicPartIsThatOfTheStandards takes the keys and answers from RFC 7638 section
// 3.1, RFC 8037 appendix A and RFC 7748 section 6.1.
func TestPublicPartIsThatOfTheStandards(t *testing.T) {
	t.Parallel()
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W" +
		"-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-" +
		"bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	alice, err := hex.DecodeString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().NewPrivateKey(alice)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, value, algorithm, jwk string }{
		{
			"the RSA key of RFC 7638", string(keyformtest.SPKI(&rsa.PublicKey{N: new(big.Int).SetBytes(decode(t, n)), E: 65537})), "RSA-2048",
			`{"e":"AQAB","kid":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs","kty":"RSA","n":"` + n + `"}`,
		},
		{
			"the Ed25519 key of RFC 8037", string(keyformtest.PKCS8(ed25519.NewKeyFromSeed(decode(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")))), "Ed25519",
			`{"crv":"Ed25519","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		},
		{
			"the X25519 key of RFC 7748", string(keyformtest.PKCS8(x25519)), "X25519",
			`{"crv":"X25519","kid":"` + thumbprint(`{"crv":"X25519","kty":"OKP","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`) +
				`","kty":"OKP","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`,
		},
	}
	for _, tt := range tests {
		der := publickey.Of([]byte(tt.value))
		got, err := publickey.Parse(der)
		if err != nil {
			t.Errorf("%s: Parse = %v", tt.name, err)
			continue
		}
		digest := sha256.Sum256(der)
		want := publickey.Key{
			Algorithm: tt.algorithm, JWK: tt.jwk,
			PEM: string(keyformtest.Block("PUBLIC KEY", der, nil)), Fingerprint: hex.EncodeToString(digest[:]),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", tt.name, diff)
		}
	}
}

func thumbprint(canonical string) string {
	digest := sha256.Sum256([]byte(canonical))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

func TestCoordinatesOfAPointHaveTheirFullLength(t *testing.T) {
	t.Parallel()
	for curve, size := range map[elliptic.Curve]int{elliptic.P256(): 32, elliptic.P384(): 48, elliptic.P521(): 66} {
		for tries := 0; ; tries++ { // one key in 128 has a coordinate that begins with a zero byte
			key := keyformtest.EC(t, curve)
			point, err := key.PublicKey.Bytes()
			if err != nil || tries > 10000 {
				t.Fatalf("no key with a short coordinate in %d tries: %v", tries, err)
			}
			if point[1] != 0 && point[1+size] != 0 {
				continue
			}
			got, err := publickey.Parse(publickey.Of([]byte(string(keyformtest.PKCS8(key)))))
			if err != nil {
				t.Fatal(err)
			}
			var jwk struct{ Crv, Kty, Kid, X, Y string }
			if err := json.Unmarshal([]byte(got.JWK), &jwk); err != nil {
				t.Fatal(err)
			}
			x, y := decode(t, jwk.X), decode(t, jwk.Y)
			canonical := `{"crv":"` + jwk.Crv + `","kty":"EC","x":"` + jwk.X + `","y":"` + jwk.Y + `"}`
			if jwk.Kty != "EC" || jwk.Crv != key.Params().Name || jwk.Kid != thumbprint(canonical) ||
				!bytes.Equal(x, point[1:1+size]) || !bytes.Equal(y, point[1+size:]) {
				t.Errorf("the JWK of a %s key is %s", key.Params().Name, got.JWK)
			}
			if want := "EC-P" + jwk.Crv[2:]; got.Algorithm != want {
				t.Errorf("algorithm = %s, want %s", got.Algorithm, want)
			}
			break
		}
	}
}

func TestPublicPartIsFoundInEachForm(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey := keyformtest.RSA(t, 2048), keyformtest.EC(t, elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	traditional := string(keyformtest.Block("EC PRIVATE KEY", sec1, err))
	parameters := string(keyformtest.Block("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, nil))
	pkcs1 := string(keyformtest.Block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil))
	tests := []struct {
		name, value string
		want        any
	}{
		{"PKCS #8", string(keyformtest.PKCS8(ecKey)), ecKey.Public()},
		{"PKCS #1", pkcs1, rsaKey.Public()},
		{"SEC 1", traditional, ecKey.Public()},
		{"SEC 1 after its parameters", parameters + traditional, ecKey.Public()},
		{"a public key", string(keyformtest.SPKI(ecKey.Public())), ecKey.Public()},
		{"a public key of PKCS #1", string(keyformtest.Block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil)), rsaKey.Public()},
		{"a certificate", string(keyformtest.Certificate(rsaKey)), rsaKey.Public()},
		{"a certificate with its authority", string(keyformtest.Certificate(ecKey)) + string(keyformtest.Certificate(rsaKey)), ecKey.Public()},
		{"a key with its certificate", string(keyformtest.PKCS8(rsaKey)) + string(keyformtest.Certificate(rsaKey)), rsaKey.Public()},
		{"Windows line ends", strings.ReplaceAll(pkcs1, "\n", "\r\n"), rsaKey.Public()},
		{"text around it", "Bag Attributes\n  friendlyName: partner\n" + string(keyformtest.PKCS8(ecKey)) + "\n", ecKey.Public()},
	}
	for _, tt := range tests {
		want, err := x509.MarshalPKIXPublicKey(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := publickey.Of([]byte(tt.value)); !bytes.Equal(got, want) {
			t.Errorf("%s: Of = %x, want %x", tt.name, got, want)
		}
	}
}

func TestOtherValuesHaveNoPublicPart(t *testing.T) {
	t.Parallel()
	small := keyformtest.RSA(t, 1024)
	plain := x509.MarshalPKCS1PrivateKey(keyformtest.RSA(t, 2048))
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: plain[7:],
	})
	nist, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"nothing":                            "",
		"a password":                         "correct horse battery staple",
		"an RSA key that is too small":       string(keyformtest.PKCS8(small)),
		"a certificate of a small key":       string(keyformtest.Certificate(small)),
		"a curve that is not shown":          string(keyformtest.PKCS8(keyformtest.EC(t, elliptic.P224()))),
		"an encrypted key":                   string(keyformtest.Block("ENCRYPTED PRIVATE KEY", plain, nil)),
		"a key encrypted in the old way":     string(legacy),
		"a block that is cut short":          string(keyformtest.PKCS8(nist))[:60],
		"a block of another type":            string(keyformtest.Block("CERTIFICATE REQUEST", plain, nil)),
		"an invalid certificate":             string(keyformtest.Block("CERTIFICATE", plain, nil)),
		"an inconsistent RSA key":            string(keyformtest.Block("RSA PRIVATE KEY", append(plain[:len(plain)-1:len(plain)-1], plain[len(plain)-1]^1), nil)),
		"a key longer than the limit":        string(keyformtest.Block("PRIVATE KEY", make([]byte, 5000), nil)),
		"a private key marked as public":     string(keyformtest.Block("PUBLIC KEY", plain, nil)),
		"a public key marked as private":     string(keyformtest.Block("PRIVATE KEY", publickey.Of([]byte(string(keyformtest.PKCS8(keyformtest.RSA(t, 2048))))), nil)),
		"bytes that are not text":            "\x00\xff\xfe-----BEGIN",
		"a broken key before one that is OK": string(keyformtest.Block("PRIVATE KEY", plain[:100], nil)) + string(keyformtest.PKCS8(keyformtest.EC(t, elliptic.P256()))),
	} {
		if got := publickey.Of([]byte(value)); got != nil {
			t.Errorf("%s has the public part %x", name, got)
		}
	}
}

func TestParseRefusesOtherKinds(t *testing.T) {
	t.Parallel()
	p224, err := x509.MarshalPKIXPublicKey(keyformtest.EC(t, elliptic.P224()).Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, spki := range map[string][]byte{"nothing": nil, "no DER": []byte("x"), "a curve that is not shown": p224} {
		if _, err := publickey.Parse(spki); err == nil {
			t.Errorf("Parse of %s succeeds", name)
		}
	}
}

// TestLargestKeyIsRecognized keeps the limit above the size of generated keys.
func TestLargestKeyIsRecognized(t *testing.T) {
	t.Parallel()
	key := keyformtest.RSA(t, 4096)
	for _, value := range []string{string(keyformtest.PKCS8(key)), string(keyformtest.Block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil))} {
		if got, err := publickey.Parse(publickey.Of([]byte(value))); err != nil || got.Algorithm != "RSA-4096" {
			t.Errorf("the public part of an RSA-4096 key is %q, %v", got.Algorithm, err)
		}
	}
}

func FuzzOf(f *testing.F) {
	key := keyformtest.EC(f, elliptic.P256())
	rsaKey := keyformtest.RSA(f, 2048)
	f.Add([]byte(string(keyformtest.PKCS8(key))))
	f.Add([]byte(string(keyformtest.PKCS8(rsaKey))))
	f.Add([]byte(string(keyformtest.SPKI(key.Public()))))
	f.Add([]byte(string(keyformtest.Certificate(key))))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, value []byte) {
		spki := publickey.Of(value)
		if spki == nil {
			return
		}
		got, err := publickey.Parse(spki)
		if err != nil {
			t.Fatalf("Parse of the result of Of = %v", err)
		}
		if keyform.Look([]byte(got.PEM)).Kind != keyform.KindPublicKey {
			t.Fatal("the PEM of the public part contains another key")
		}
		if again := publickey.Of([]byte(got.PEM)); !bytes.Equal(again, spki) {
			t.Fatalf("Of(PEM) = %x, want %x", again, spki)
		}
	})
}
