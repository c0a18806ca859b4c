package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestKeysAreRefusedForWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	const shared = "encryption.request.cipher.shared_key.keys[0]"
	raw := strings.Replace(gcm, "DECODING_HEX", "DECODING_RAW", 1)
	bytes := func(n int) payload.Facts { return payload.Facts{Bytes: n} }
	pair := func(algorithm string) payload.Facts {
		return payload.Facts{Algorithm: algorithm, Private: true, Fingerprint: "f"}
	}
	signed := func(scheme string) string {
		return `signing { ` + scheme + ` ` + named("a", "RAW") + ` headers { key: "S" value: "${signature}" } }`
	}
	const signing, wrapping = "encryption.request.signing.keys[0]", "encryption.request.cipher.session_key.keys[0]"
	tests := []struct {
		name, profile string
		facts         payload.Facts
		field         string
	}{
		{"nothing is known", raw, payload.Facts{}, ""},
		{"the right length", raw, bytes(32), ""},
		{"another length", raw, bytes(16), shared},
		{"another length, but encoded", gcm, bytes(64), ""},
		{"a pair for a cipher", gcm, pair("RSA-2048"), shared},
		{"a pair for a passphrase", strings.Replace(sharedEVP, "keys { name: \"workspaces/acme/secrets/pass\"", "keys { name: \"workspaces/acme/secrets/a\"", 1) + salted, pair("RSA-2048"), ""},
		{"16 bytes for Triple DES", strings.Replace(under("TRIPLE_DES_ECB", "")+onlyCT, "DECODING_HEX", "DECODING_RAW", 1), bytes(16), ""},
		{"32 bytes for Triple DES", strings.Replace(under("TRIPLE_DES_ECB", "")+onlyCT, "DECODING_HEX", "DECODING_RAW", 1), bytes(32), shared},
		{"an RSA key for OAEP", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, pair("RSA-3072"), ""},
		{"a small RSA key for OAEP", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, pair("RSA-1024"), wrapping},
		{"bytes for OAEP", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, bytes(32), wrapping},
		{"an EC key for OAEP", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, pair("EC-P256"), wrapping},
		{"48 bytes for AES Key Wrap", sessionKey("AES_128_GCM", aesKW, named("a", "RAW")) + hybrid, bytes(48), wrapping},
		{"an Ed25519 key for ECDSA", signed(`asymmetric { algorithm: ALGORITHM_ECDSA_P384_SHA384_DER }`), pair("Ed25519"), signing},
		{"a P-384 key for ECDSA", signed(`asymmetric { algorithm: ALGORITHM_ECDSA_P384_SHA384_DER }`), pair("EC-P384"), ""},
		{"a pair for an HMAC", signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 }`), pair("RSA-2048"), signing},
		{"a pair for a JWS with HMAC", signed(`jws { algorithm: ALGORITHM_HS256 }`), pair("RSA-2048"), signing},
		{"a public key that is mirrored", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, payload.Facts{Algorithm: "RSA-2048"}, "encryption.response"},
		{"a public key with another response", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid + "} response { " + strings.Replace(gcm, "secrets/a", "secrets/b", 1), payload.Facts{Algorithm: "RSA-2048"}, ""},
		{"a public key that verifies", signed(`asymmetric { algorithm: ALGORITHM_ED25519 }`), payload.Facts{Algorithm: "Ed25519"}, ""},
	}
	for _, tt := range tests {
		c, err := acknowledged(t, "request { "+tt.profile+" }")
		if err != nil {
			t.Fatalf("%s: Parse: %v", tt.name, err)
		}
		err = c.CheckFacts(func(ref payload.Reference) (payload.Facts, bool) {
			return tt.facts, strings.HasSuffix(ref.Secret, "/a")
		})
		if tt.field == "" {
			if err != nil {
				t.Errorf("%s: CheckFacts: %v", tt.name, err)
			}
			continue
		}
		reason, fields := found(t, err)
		f, _ := fault.From(err)
		if diff := cmp.Diff([]string{tt.field}, fields); diff != "" || reason != payload.KeyNotUsable || "encryption."+f.Metadata["field"] != tt.field {
			t.Errorf("%s: CheckFacts: %v with %v, fields (-want +got):\n%s", tt.name, err, f.Metadata, diff)
		}
	}
}

func TestReferencesTellWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	c, err := acknowledged(t, "request { "+under("AES_256_CBC", staticIV)+onlyCT+mac+" } response { "+strings.Replace(gcm, "secrets/a", "secrets/b", 1)+" }")
	if err != nil {
		t.Fatal(err)
	}
	want := []payload.Reference{
		{Secret: "workspaces/acme/secrets/a", Field: "request.cipher.shared_key.keys[0]"},
		{Secret: "workspaces/acme/secrets/iv", Field: "request.cipher.iv.secret", Usage: payload.ParameterUsage},
		{Secret: "workspaces/acme/secrets/b", Field: "request.signing.keys[0]"},
		{Secret: "workspaces/acme/secrets/b", Field: "response.cipher.shared_key.keys[0]"},
	}
	if diff := cmp.Diff(want, c.References(), anyPurpose); diff != "" {
		t.Errorf("References (-want +got):\n%s", diff)
	}
}
