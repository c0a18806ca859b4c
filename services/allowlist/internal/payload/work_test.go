package payload_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A small body can have many values. If each needs a separate key or signature, fewer are allowed.
func TestMessagesWhoseValuesCostTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	inText := `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "IV", "CIPHERTEXT", "TAG") + ` text: "${k}.${d}" } `
	jwe := `jose { key_management: KEY_MANAGEMENT_RSA_OAEP content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa-pub", "PEM") + ` }`
	tests := []struct {
		name, profile string
		most          int
	}{
		{"a nested signature", gcm + ` nested_jws { jws { algorithm: ALGORITHM_ES256 } ` + named("ec", "PEM") + ` }`, 20},
		{"OpenPGP", `pgp { ` + named("pgp-pub", "RAW") + ` }`, 2},
		{"CMS", cmsTo("AES_256_GCM", cmsOAEP, named("rsa-pair", "PEM")), 200},
		{"signed CMS", cmsOf(signers("rsa-pair")), 20},
		{"a wrapped key", sessionKey("AES_128_GCM", oaep, named("rsa-pub", "PEM")) + inText, 200},
		{"a JWE", jwe, 200},
		{"a signature around a JWE", jwe + `outer_jws { jws { algorithm: ALGORITHM_ES256 } ` + named("ec", "PEM") + ` }`, 18},
	}
	for _, tt := range tests {
		p := legacyPipeline(t, tt.profile+` selection { fields { paths: "$.a[*]" } } `)
		p.LimitWork(200_000)
		for values, refused := range map[int]bool{tt.most: false, tt.most + 1: true} {
			body := `{"a":[` + strings.Repeat("0,", values-1) + `0]}`
			_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now.AddDate(0, 0, 1), Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body)})
			if fault.Is(err, payload.BodyNotEncryptable) != refused || !refused && err != nil {
				t.Errorf("%s: Encrypt of %d values: %v, want it refused: %v", tt.name, values, err, refused)
			}
		}
	}
}

// Verifying a signature on P-521 takes much longer than on other curves.
func TestSignaturesOnP521CountAsMuchWork(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := pipeline(t, gcm+` nested_jws { jws { algorithm: ALGORITHM_ES512 } `+named("p521", "PEM")+` } selection { fields { paths: "$.a[*]" } } `)
	for values, refused := range map[int]bool{10: false, 11: true} {
		p.LimitWork(0)
		sent := s.encrypt(t, p, `{"a":[`+strings.Repeat("0,", values-1)+`0]}`)
		p.LimitWork(150_000)
		if _, err := s.decrypt(t, p, sent); fault.Is(err, payload.DecryptionFailed) != refused || !refused && err != nil {
			t.Errorf("Decrypt of %d values: %v, want it refused: %v", values, err, refused)
		}
	}
	detached := pipeline(t, strings.Replace(trueLayer, "KEY", "p521", 1))
	detached.LimitWork(10_000)
	if _, err := detached.Verify(payload.Input{Now: now, Keys: s.keys(t, detached.VerifyReferences())}); !fault.Is(err, payload.SignatureInvalid) {
		t.Errorf("Verify with little work: %v, want SIGNATURE_INVALID", err)
	}
}

// If the signature covers the plaintext, the caller gets the same error whether or not the message
// decrypts.
func TestWhetherAMessageOpensDoesNotShowBeforeItsSignature(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, under("AES_256_CBC", "")+`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } `+named("b", "HEX")+` input: "${path}.${plaintext}" headers { key: "S" value: "${signature}" } }`)
	sent, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("body"), Context: payload.Context{Path: "/a"}})
	if err != nil {
		t.Fatal(err)
	}
	opens := func(body []byte, path string, keys payload.Keys) error {
		_, err := p.Decrypt(payload.Input{Now: now, Keys: keys, Body: body, Headers: came(sent.Headers), Context: payload.Context{Path: path}})
		return err
	}
	keys := s.keys(t, p.DecryptReferences())
	broken := append([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), sent.Body[32:]...)[:64]
	for name, tt := range map[string]struct {
		path string
		keys payload.Keys
		want fault.Reason
	}{
		"another path":    {"/b", keys, payload.SignatureInvalid},
		"no path":         {"", keys, fault.InvalidField},
		"an unusable key": {"/a", s.with("b", "").keys(t, p.DecryptReferences()), payload.KeyNotUsable},
	} {
		for _, body := range [][]byte{sent.Body, broken} {
			if err := opens(body, tt.path, tt.keys); !fault.Is(err, tt.want) {
				t.Errorf("%s: Decrypt of %d bytes: %v, want %s", name, len(body), err, tt.want)
			}
		}
	}
	if err := opens(sent.Body, "/a", keys); err != nil {
		t.Errorf("Decrypt: %v", err)
	}
}
