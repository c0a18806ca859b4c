package describe_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// described describes a profile in proto text.
func described(t *testing.T, text string) (*describe.Profile, *allowlistv1.Profile) {
	t.Helper()
	pb := new(allowlistv1.Profile)
	if err := prototext.Unmarshal([]byte(text), pb); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return describe.Of("request", pb), pb
}

// profiles returns profiles that together refer to a secret in every possible place.
func profiles() map[string]string {
	return map[string]string{
		"shared key": `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "a" } keys { name: "b" }
			derivation { pbkdf2 { iterations: 1000 } salt { secret { name: "c" } } } }
			iv { source: SOURCE_STATIC secret { name: "d" } } mac { algorithm: ALGORITHM_HMAC_SHA256 key { name: "e" } input: "${data}" } }`,
		"session key": `cipher { algorithm: ALGORITHM_AES_128_GCM session_key { rsa_oaep {} keys { name: "a" }
			derivation { hkdf {} salt { secret { name: "b" } } } } }`,
		"agreed key": `cipher { algorithm: ALGORITHM_AES_128_GCM ecdh { curve: CURVE_P256 keys { name: "a" }
			derivation { hkdf {} salt { secret { name: "b" } } } } }`,
		"RSA":  `rsa_direct { oaep {} keys { name: "a" } keys { name: "b" } }`,
		"JOSE": `jose { keys { name: "a" } derivation { hkdf {} salt { secret { name: "b" } } } }`,
		"OpenPGP": `pgp { keys { name: "a" } passphrase { name: "b" } signing_keys { name: "c" } }
			signing { mac { algorithm: ALGORITHM_HMAC_SHA1 } keys { name: "d" } }`,
		"CMS": `cms { rsa_oaep {} keys { name: "a" } signing_keys { name: "b" } }`,
		"JWS around a JWE": `jose { keys { name: "a" } } nested_jws { jws { algorithm: ALGORITHM_ES256 } keys { name: "b" } }
			outer_jws { jws { algorithm: ALGORITHM_ES512 } keys { name: "c" } keys { name: "d" } }`,
		"JWS": `nested_jws { jws { algorithm: ALGORITHM_ES256 } keys { name: "a" } } signing { keys { name: "b" } }`,
	}
}

func TestEachReferenceIsDescribed(t *testing.T) {
	t.Parallel()
	for name, text := range profiles() {
		got, pb := described(t, text)
		var fields, want []string
		for _, key := range got.Keys {
			fields = append(fields, key.Field)
		}
		payload.EachReference(&allowlistv1.Encryption{Request: pb}, func(path string, _ *allowlistv1.SecretRef) {
			want = append(want, path[len("encryption."):])
		})
		slices.Sort(fields)
		slices.Sort(want)
		if diff := cmp.Diff(want, fields); diff != "" {
			t.Errorf("%s: keys differ from the references (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatAKeyHasToBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, profile, field string
		want                 keyfit.Requirement
		usual                int
	}{
		{
			"the key of a cipher has the cipher's length",
			`cipher { algorithm: ALGORITHM_AES_192_GCM shared_key { keys { name: "a" } } }`, "cipher.shared_key.keys[0]",
			keyfit.Requirement{Symmetric: true, Bytes: []int{24}},
			24,
		},
		{
			"a key of Triple DES may be short",
			`cipher { algorithm: ALGORITHM_TRIPLE_DES_CBC shared_key { keys { name: "a" } } }`, "cipher.shared_key.keys[0]",
			keyfit.Requirement{Symmetric: true, Bytes: []int{24, 16}},
			24,
		},
		{
			"a key for a derivation has no requirement",
			`cipher { algorithm: ALGORITHM_AES_192_GCM shared_key { keys { name: "a" } derivation { hkdf {} } } }`, "cipher.shared_key.keys[0]",
			keyfit.Requirement{},
			0,
		},
		{
			"a session key is wrapped with RSA",
			`cipher { session_key { rsa_pkcs1_v15 {} keys { name: "a" } } }`, "cipher.session_key.keys[0]", keyfit.AnyRSA(), 0,
		},
		{
			"AES Key Wrap takes three lengths",
			`cipher { session_key { aes_kw {} keys { name: "a" } } }`, "cipher.session_key.keys[0]",
			keyfit.Requirement{Symmetric: true, Bytes: []int{16, 24, 32}},
			32,
		},
		{
			"an IV has the cipher's length",
			`cipher { algorithm: ALGORITHM_AES_128_CBC iv { source: SOURCE_STATIC secret { name: "a" } } }`, "cipher.iv.secret",
			keyfit.Requirement{},
			16,
		},
		{
			"a JWE has the key of its algorithm",
			`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256CBC_HS512 keys { name: "a" } }`, "jose.keys[0]",
			keyfit.Requirement{Symmetric: true, Bytes: []int{64}},
			64,
		},
		{
			"a JWS may have a longer key than a new one",
			`nested_jws { jws { algorithm: ALGORITHM_HS384 } keys { name: "a" } }`, "nested_jws.keys[0]",
			keyfit.Requirement{Symmetric: true},
			48,
		},
		{
			"ECDSA needs its curve",
			`signing { asymmetric { algorithm: ALGORITHM_ECDSA_P384_SHA384_DER } keys { name: "a" } }`, "signing.keys[0]",
			keyfit.Requirement{Pairs: []string{"EC-P384"}},
			0,
		},
		{"CMS decrypts with RSA", `cms { keys { name: "a" } }`, "cms.keys[0]", keyfit.Requirement{Pairs: []string{"RSA"}, Certificate: true}, 0},
		{"CMS signs with any pair", `cms { signing_keys { name: "a" } }`, "cms.signing_keys[0]", keyfit.Requirement{Pairs: []string{"EC-P256", "EC-P384", "RSA"}}, 0},
		{"OpenPGP has its own kind of keys", `pgp { keys { name: "a" } }`, "pgp.keys[0]", keyfit.Requirement{PGP: true}, 0},
	}
	for _, test := range tests {
		p, _ := described(t, test.profile)
		got, ok := p.Key(test.field)
		if !ok {
			t.Errorf("%s: there is no key at %s", test.name, test.field)
			continue
		}
		if diff := cmp.Diff(test.want, got.Requirement); diff != "" || got.Usual != test.usual {
			t.Errorf("%s: usual length %d, want %d; requirement (-want +got):\n%s", test.name, got.Usual, test.usual, diff)
		}
	}
}

func TestADerivationMakesTheKeyAndTheIV(t *testing.T) {
	t.Parallel()
	p, _ := described(t, `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "a" }
		derivation { evp_bytes_to_key { hash: HASH_MD5 } salt { sent_bytes: 8 } } } iv { source: SOURCE_DERIVED } }`)
	d := p.Derivation()
	if d == nil || d.KeyBytes != 32 || d.Bytes != 48 || d.SentSalt != 8 || d.SecretSalt || d.Iterations != 1 ||
		d.Field != "request.cipher.shared_key.derivation" {
		t.Errorf("Derivation() = %+v, want 32 of 48 bytes, with one iteration and a salt of 8 bytes", d)
	}
}

func TestTheDefaultEnvelope(t *testing.T) {
	t.Parallel()
	p, _ := described(t, `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "a" } } }`)
	want := []describe.Blob{{Name: "data", Encoding: template.Base64, Parts: []describe.Part{
		{Slot: describe.SlotIV, Size: 12}, {Slot: describe.SlotCiphertext, Size: describe.Unknown}, {Slot: describe.SlotTag, Size: 16},
	}}}
	if diff := cmp.Diff(want, p.Envelope.Blobs); diff != "" || p.Envelope.Body != "${data}" {
		t.Errorf("the envelope is %q with blobs (-want +got):\n%s", p.Envelope.Body, diff)
	}
}

func TestAResponseThatIsNotConfiguredIsAnUnsignedRequest(t *testing.T) {
	t.Parallel()
	_, pb := described(t, profiles()["OpenPGP"])
	request, response := describe.Directions(&allowlistv1.Encryption{Request: pb})
	if request.Signing == nil || response.Signing != nil || response.Path != "request" || response.PGP == nil {
		t.Errorf("the response is %+v, want the request at its own path and without a signing", response)
	}
	if pb.GetSigning() == nil {
		t.Error("Directions changed the configuration")
	}
}
