package literal_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/literal"
)

const (
	hex64  = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92"
	std32  = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
	token  = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	armor  = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----"
	serial = "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C"
)

// publics returns a public key and a certificate in PEM.
func publics(t *testing.T) (key, certificate string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "partner"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestStringsWithSecretsAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       literal.Kind
	}{
		{"a private key", armor, literal.PrivateKey},
		{"one in one line", strings.ReplaceAll(armor, "\n", `\n`), literal.PrivateKey},
		{"of OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", literal.PrivateKey},
		{"of OpenPGP", "-----BEGIN PGP PRIVATE KEY BLOCK-----", literal.PrivateKey},
		{"of PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519", literal.PrivateKey},
		{"with an escape", "-----BEGIN%20PRIVATE%20KEY-----", literal.PrivateKey},
		{"inside JSON", `{"a":{"b":["-----BEGIN RSA PRIVATE KEY-----\nMII"]}}`, literal.PrivateKey},
		{"a token", token, literal.Credential},
		{"behind Bearer", "Bearer " + hex64, literal.Credential},
		{"a short one", "bearer hunter2", literal.Credential},
		{"Basic", "Basic YWNtZTpodW50ZXIy", literal.Credential},
		{"hexadecimal", hex64, literal.Material},
		{"of 128 bits", hex64[:32], literal.Material},
		{"upper case", strings.ToUpper(hex64), literal.Material},
		{"with a prefix", "key-" + hex64, literal.Material},
		{"with colons", "8f:0c:1b:5a:2d:9e:47:f3:a6:b1:c0:8d:7e:52:f9:34", literal.Material},
		{"in groups", "8f0c1b5a 2d9e47f3 a6b1c08d 7e52f934", literal.Material},
		{"as bytes of C", "0x8f, 0x0c, 0x1b, 0x5a, 0x2d, 0x9e, 0x47, 0xf3, 0xa6, 0xb1, 0xc0, 0x8d, 0x7e, 0x52, 0xf9, 0x34", literal.Material},
		{"base64", std32, literal.Material},
		{"base64url", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA", literal.Material},
		{"base64 in a URL", "https://a.example/x?k=q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA%3D", literal.Material},
		{"a webhook key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", literal.Material},
		{"an API key", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", literal.Material},
		{"beside a placeholder", "${body}" + hex64 + "${timestamp}", literal.Material},
		{"a secret in a document", `{"apiKey":"` + hex64 + `"}`, literal.Material},
		{"a short one", `{"a":{"apiKey":"k1"}}`, literal.Named},
		{"a password in a document", `{"login":{"password":"hunter2"}}`, literal.Password},
		{"a number", `{"pin":1234}`, literal.Named},
		{"a document in a document", `{"a":"{\"clientSecret\":\"x\"}"}`, literal.Password},
		{"hexadecimal in two lines", hex64[:16] + "\n" + hex64[16:32], literal.Material},
		{"base64 in two lines", std32[:20] + "\r\n" + std32[20:], literal.Material},
		{"an element", "<a><password>hunter2</password></a>", literal.Password},
		{"a pair", "a=1&api_key=hunter2", literal.Named},
		{"another", "x; password: hunter2", literal.Password},
		{"under the label of a public key", "-----BEGIN PUBLIC KEY-----\n" + std32 + "\n-----END PUBLIC KEY-----", literal.Material},
	} {
		if got := literal.Text(tt.text); got != tt.want {
			t.Errorf("%s: Text = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStringsWithoutSecretsPass(t *testing.T) {
	t.Parallel()
	key, certificate := publics(t)
	for _, text := range []string{
		"", "${data}", `{"encryptedData":"${data}"}`, "RSA/ECB/OAEPWithSHA-256AndMGF1Padding", "SHA256withRSAandMGF1Padding",
		"application/x-www-form-urlencoded", "fundingAccountInfo.encryptedPayload", "MERCHANT_UAT_1234567890123456",
		"https://api.partner.example/v2/payments/initiate/transfer", "https://docs.oracle.com/en/java/javase/17/docs/specs/security/standard-names.html",
		"20260102T150405Z/us-east-1/execute-api/aws4_request", "2026-01-02T15-04-05.000Z", "neg-pbkdf2-sha512-210000-key", "YYYYMMDDHHMMSS_TXN_REF_NO", "com.example.mobile.banking.PaymentInitiationService",
		"4f3c2b1a-9d8e-4c7b-a6f5-0e1d2c3b4a59", "00000000000000000000000000000000", key, certificate, strings.ReplaceAll(key, "\n", `\n`),
		`{"certificate":` + quoted(certificate) + `,"publicKey":` + quoted(key) + `}`,
		`WECHATPAY2-SHA256-RSA2048 mchid="1900000001",serial_no="` + serial + `",signature="${signature}"`,
		`{"key":"${key}","token":"","sig":"${*}"}`, "${method}\n${path}\nkey=${secret}", "t=${timestamp},${signatures}",
	} {
		if got := literal.Text(text); got != literal.None {
			t.Errorf("Text(%q) = %v", text, got)
		}
	}
}

func quoted(text string) string { return `"` + strings.ReplaceAll(text, "\n", `\n`) + `"` }

func TestNamesThatCarrySecretsTakeNoValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		want        literal.Kind
	}{
		{"Authorization", "x", literal.Password},
		{"cookie", "a=b", literal.Password},
		{"X-Password", "x", literal.Password},
		{"Password", "x", literal.Password},
		{"dbPassword2", "x", literal.Password},
		{"X-Credential", "x", literal.Password},
		{"X-Bearer", "x", literal.Password},
		{"client_secret", "x", literal.Password},
		{"X-Auth", "x", literal.Named},
		{"X-Api-Key", "x", literal.Named},
		{"apikey", "x", literal.Named},
		{"access_token", "x", literal.Named},
		{"sig", "x", literal.Named},
		{"x-pin", "1234", literal.Named},
		{"X-Api-Key", "hunter2${signature}", literal.Named},
		{"X-Password", "hunter2,${timestamp}", literal.Password},
		{"Authorization", "HMAC hunter2 ${signature}", literal.Password},
		{"X-Partner", "Bearer hunter2", literal.Credential},
		{"X-Partner", "Token abcdef1234", literal.Credential},
		{"X-Api-Key-Prod", "x", literal.Named},
		{"apiKeyV2", "x", literal.Named},
		{"X-Auth-Header", "x", literal.Named},
		{"access-token-2", "x", literal.Named},
		{"X-Authorization", "x", literal.Password},
		{"X-Creds", "x", literal.Password},
		{"client_assertion", "x", literal.Named},
		{"x-" + hex64[:48], "", literal.Material},
		{"X-Thumbprint", hex64, literal.Material},

		{"X-Api-Key", "${signature}", literal.None},
		{"X-Client-Encryption-Key", "key ${k}", literal.None},
		{"X-Auth", "HMAC-SHA256 keyId=k1,signature=${signature}", literal.None},
		{"X-Auth", "hunter2 ${signature}", literal.Named},
		{"X-Api-Key", "", literal.None},
		{"X-Signature", "sha256=${signature}", literal.None},
		{"Authorization", "HMAC ${signature}", literal.None},
		{"Authorization", `Signature keyId="7",algorithm="hmac",signature="${signature}"`, literal.None},
		{"X-Partner", "acme", literal.None},
		{"X-Public-Key", "x", literal.None},
		{"secretary", "x", literal.None},
		{"tokens-used", "7", literal.None},
		{"design", "x", literal.None},
		{"keyboard", "x", literal.None},
		{"shipping", "x", literal.None},
		{"x5t", serial, literal.None},
	} {
		if got := literal.Parameter(tt.name, tt.value); got != tt.want {
			t.Errorf("Parameter(%q, %q) = %v, want %v", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestProseMayTalkOfSecrets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]literal.Kind{
		"The bearer token and the password: see the partner's portal": literal.None,
		"basic authentication, https://partner.example/docs/Spec-2.3": literal.None,
		"the key is " + hex64:           literal.Material,
		"Bearer 4eC39HqLyjWDarjtT1zdp7": literal.Credential,
		"login " + token:                literal.Credential,
		armor:                           literal.PrivateKey,
	} {
		if got := literal.Prose(text); got != want {
			t.Errorf("Prose(%q) = %v, want %v", text, got, want)
		}
	}
}

// Nearly all random keys are found in each encoding, and all in hexadecimal.
func TestRandomKeysAreFound(t *testing.T) {
	t.Parallel()
	for _, size := range []int{16, 24, 32, 64} {
		missed := 0
		for range 1000 {
			key := make([]byte, size)
			if _, err := rand.Read(key); err != nil {
				t.Fatal(err)
			}
			if literal.Text(hex.EncodeToString(key)) == literal.None {
				t.Errorf("%d random bytes in hexadecimal pass", size)
			}
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				if literal.Text(encoding.EncodeToString(key)) == literal.None {
					missed++
				}
			}
		}
		if missed > 40 { // of 2000; it is 8 of 16 bytes
			t.Errorf("%d of 2000 random keys of %d bytes pass in base64", missed, size)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", hex64, std32, token, armor, `{"a":{"key":"x"}}`, "%41%zz", "a=b;c:d", "${x", "Basic ="} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if with := literal.Text(value + " " + armor); with != literal.PrivateKey {
			t.Errorf("Text(%q with a private key) = %v", value, with)
		}
		if got := literal.Parameter(name, value); got < literal.None || got > literal.PrivateKey {
			t.Errorf("Parameter(%q, %q) = %v", name, value, got)
		}
	})
}
