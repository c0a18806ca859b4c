package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
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
	checkFacts(t, []fact{
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
		{"hexadecimal under BASE64", strings.Replace(gcm, "_HEX", "_BASE64", 1), payload.Facts{Kind: keyform.KindText, Forms: []keyform.Form{{Decoding: keyform.Hex, Bytes: 32}, {Decoding: keyform.Base64, Bytes: 48}}}, shared},
		{"hexadecimal", gcm, payload.Facts{Kind: keyform.KindText, Forms: []keyform.Form{{Decoding: keyform.Base64, Bytes: 48}, {Decoding: keyform.Hex, Bytes: 32}}}, ""},
		{"a string that is not a key", gcm, payload.Facts{Kind: keyform.KindText}, shared},
		{"a final line end", raw, payload.Facts{Kind: keyform.KindBytes, Bytes: 33, LineEnd: true}, shared},
		{"a string for an HMAC", signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 }`), payload.Facts{Kind: keyform.KindText}, ""},
		{"P-521 for ES256", signed(`jws { algorithm: ALGORITHM_ES256 }`), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "EC-P521"}, signing},
		{"P-521 for ES512", signed(`jws { algorithm: ALGORITHM_ES512 }`), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "EC-P521"}, ""},
		{"secp256k1 for ES256K", signed(`jws { algorithm: ALGORITHM_ES256K }`), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "EC-secp256k1"}, ""},
		{"P-256 for ES256K", signed(`jws { algorithm: ALGORITHM_ES256K }`), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "EC-P256"}, signing},
		{"P-256 for ES512", signed(`jws { algorithm: ALGORITHM_ES512 }`), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "EC-P256"}, signing},
		{"an encrypted key", signed(`jws { algorithm: ALGORITHM_RS256 }`), payload.Facts{Kind: keyform.KindText, Problem: "The private key is encrypted."}, signing},
		{"no key", signed(`jws { algorithm: ALGORITHM_RS256 }`), payload.Facts{Kind: keyform.KindText}, signing},
		{"a key once decoded", strings.Replace(signed(`jws { algorithm: ALGORITHM_RS256 }`), "_RAW", "_HEX", 1), payload.Facts{Kind: keyform.KindText}, ""},
		{"a public key that verifies", signed(`asymmetric { algorithm: ALGORITHM_ED25519 }`), payload.Facts{Algorithm: "Ed25519"}, ""},
		{"an OpenPGP key for RSA", signed(`jws { algorithm: ALGORITHM_RS256 }`), payload.Facts{Kind: keyform.KindPGPPrivateKey}, signing},
		{"an OpenPGP key for a cipher", gcm, payload.Facts{Kind: keyform.KindPGPPublicKey}, shared},
	})
}

func TestKeysOfMessageFormatsAreRefusedForWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	checkFacts(t, []fact{
		{"an OpenPGP key", "pgp { " + named("a", "RAW") + " }", payload.Facts{Kind: keyform.KindPGPPrivateKey}, ""},
		{"an RSA key for OpenPGP", "pgp { " + named("a", "RAW") + " }", payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "RSA-2048"}, "encryption.request.pgp.keys[0]"},
		{"a string for OpenPGP", "pgp { " + named("a", "RAW") + " }", payload.Facts{Kind: keyform.KindText}, "encryption.request.pgp.keys[0]"},
		{"a public OpenPGP key that is mirrored", "pgp { " + named("a", "RAW") + " }", payload.Facts{Kind: keyform.KindPGPPublicKey}, "encryption.response"},
		{"a public OpenPGP key with a plain response", "pgp { " + named("a", "RAW") + " } } response { plain {} ", payload.Facts{Kind: keyform.KindPGPPublicKey}, ""},
		{"a certificate that is mirrored", sessionKey("AES_128_GCM", oaep, named("a", "PEM")) + hybrid, payload.Facts{Kind: keyform.KindCertificate, Algorithm: "RSA-2048"}, "encryption.response"},
		{"a public key without a certificate for CMS", cmsTo("AES_256_GCM", cmsOAEP, named("a", "PEM")) + " } response { plain {} ", payload.Facts{Kind: keyform.KindPublicKey, Algorithm: "RSA-2048"}, "encryption.request.cms.keys[0]"},
		{"a certificate for CMS", cmsTo("AES_256_GCM", cmsOAEP, named("a", "PEM")) + " } response { plain {} ", payload.Facts{Kind: keyform.KindCertificate, Algorithm: "RSA-2048"}, ""},
		{"a private key for CMS", cmsTo("AES_256_GCM", cmsOAEP, named("a", "PEM")), payload.Facts{Kind: keyform.KindPrivateKey, Algorithm: "RSA-2048"}, ""},
		{"a public key that verifies CMS", cmsOf(signers("a")), payload.Facts{Kind: keyform.KindPublicKey, Algorithm: "EC-P256"}, ""},
	})
}

// A fact is what is known of the key in the secret `a`, and the field of a profile that it does not
// suit.
type fact struct {
	name, profile string
	facts         payload.Facts
	field         string
}

func checkFacts(t *testing.T, tests []fact) {
	t.Helper()
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

func TestAFitSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	forms := []keyform.Form{{Decoding: keyform.Hex, Bytes: 32}, {Decoding: keyform.Base64, Bytes: 48}}
	for _, tt := range []struct {
		decoding string
		facts    payload.Facts
		want     payload.Fit
	}{
		{"HEX", payload.Facts{Kind: keyform.KindText, Forms: forms}, payload.Fit{}},
		{"BASE64", payload.Facts{Kind: keyform.KindText, Forms: forms}, payload.Fit{
			Cause:    "Read as BASE64, the secret is a key of 48 bytes, but 32 are needed. Read as HEX, it is a key of 32 bytes: set the decoding to HEX.",
			Decoding: "HEX",
		}},
		{"RAW", payload.Facts{Kind: keyform.KindBytes, Bytes: 33, LineEnd: true}, payload.Fit{
			Cause: "Read as RAW, the secret is a key of 33 bytes, but 32 are needed. The value ends with a line break: store it again without the line break, and read it as RAW.",
		}},
		{"RAW", payload.Facts{Kind: keyform.KindText}, payload.Fit{
			Cause: "Read as RAW, the secret is not a key of 32 bytes. Store a key of that length as a new version.",
		}},
		{"RAW", payload.Facts{Kind: keyform.KindPublicKey, Algorithm: "EC-P256"}, payload.Fit{
			Cause: "The secret holds a public key (EC-P256), but a key that both sides share is needed.",
		}},
	} {
		c := config(t, strings.Replace(gcm, "_HEX", "_"+tt.decoding, 1)+mac)
		tt.want.Field, tt.want.Secret = "request.cipher.shared_key.keys[0]", "workspaces/acme/secrets/a"
		other := payload.Fit{Field: "request.signing.keys[0]", Secret: "workspaces/acme/secrets/b"}
		of := func(ref payload.Reference) (payload.Facts, bool) {
			return tt.facts, strings.HasSuffix(ref.Secret, "/a")
		}
		if diff := cmp.Diff([]payload.Fit{tt.want, other}, c.Fits(of)); diff != "" {
			t.Errorf("Fits (-want +got):\n%s", diff)
		}
		if f, refused := fault.From(c.CheckFacts(of)); refused && (f.Metadata["secret"] != tt.want.Secret || f.Metadata["cause"] != tt.want.Cause || f.Violations[0].Description != tt.want.Cause) {
			t.Errorf("CheckFacts = %v with %v", f, f.Metadata)
		}
		if got := c.KeyBytes(tt.want.Secret, 0); !cmp.Equal(got, []int{32}) {
			t.Errorf("KeyBytes = %v", got)
		}
		if got := c.KeyBytes(other.Secret, 0); got != nil {
			t.Errorf("KeyBytes of an HMAC = %v", got)
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
