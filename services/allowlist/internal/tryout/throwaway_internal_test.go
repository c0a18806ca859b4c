package tryout

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/keyform"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// made generates the keys of a profile in proto text, by their fields.
func made(t *testing.T, text string) map[string]snippet.Key {
	t.Helper()
	profile := new(allowlistv1.Profile)
	if err := prototext.Unmarshal([]byte(text), profile); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	all, err := makeKeys(rand.Reader, now, describe.Of("request", profile))
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	byField := make(map[string]snippet.Key)
	for _, key := range all {
		byField[strings.TrimPrefix(key.Field, "request.")] = key
	}
	return byField
}

func TestASharedKeyIsStoredAsItsReferenceDecodesIt(t *testing.T) {
	t.Parallel()
	for decoding, read := range map[string]keyform.Decoding{
		"UNSPECIFIED": keyform.Raw, "RAW": keyform.Raw, "HEX": keyform.Hex, "BASE64": keyform.Base64, "BASE64URL": keyform.Base64URL, "WHSEC": keyform.Whsec,
	} {
		for algorithm, n := range map[string]int{"AES_128_GCM": 16, "AES_192_CBC": 24, "AES_256_CTR": 32, "TRIPLE_DES_ECB": 24} {
			key := made(t, `cipher { algorithm: ALGORITHM_`+algorithm+` shared_key { keys { name: "a" decoding: DECODING_`+decoding+` } } }`)["cipher.shared_key.keys[0]"]
			got, err := keyform.Decode(read, key.Stored)
			if err != nil || len(got) != n || !bytes.Equal(got, key.Bytes) {
				t.Errorf("a key of %s in %s is %q, which decodes to %d bytes (%v), want %d", algorithm, decoding, key.Stored, len(got), err, n)
			}
		}
	}
}

func TestAPairIsStoredAsItsPrivateKey(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nested_jws.keys[0]":  `nested_jws { jws { algorithm: ALGORITHM_ES384 } keys { name: "a" } }`,
		"outer_jws.keys[0]":   `outer_jws { jws { algorithm: ALGORITHM_ES512 } keys { name: "a" } }`,
		"signing.keys[0]":     `signing { asymmetric { algorithm: ALGORITHM_ED25519 } keys { name: "a" decoding: DECODING_PEM } }`,
		"cipher.ecdh.keys[0]": `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_X25519 keys { name: "a" } } }`,
		"jose.keys[0]":        `jose { key_management: KEY_MANAGEMENT_ECDH_ES keys { name: "a" } }`,
		"rsa_direct.keys[0]":  `rsa_direct { pkcs1_v15 {} keys { name: "a" decoding: DECODING_BASE64 } }`,
	}
	for field, profile := range tests {
		key := made(t, profile)[field]
		stored := key.Stored
		if field == "rsa_direct.keys[0]" {
			var err error
			if stored, err = keyform.Decode(keyform.Base64, stored); err != nil {
				t.Errorf("%s: %v", field, err)
			}
		} else if !bytes.HasPrefix(stored, []byte("-----BEGIN PRIVATE KEY-----")) {
			t.Errorf("%s is %q, want PEM", field, stored)
		}
		if _, _, err := keyform.ParsePrivate(stored); err != nil {
			t.Errorf("ParsePrivate of %s: %v", field, err)
		}
		if _, _, err := keyform.ParsePublic(key.Public); err != nil {
			t.Errorf("ParsePublic of the public part of %s: %v", field, err)
		}
	}
}

func TestACertificateIsThereWhereItsFingerprintIsSent(t *testing.T) {
	t.Parallel()
	key := made(t, `jose { key_management: KEY_MANAGEMENT_ECDH_ES keys { name: "a" } header { key: "kid" value: "${certificate_sha256}" } }`)["jose.keys[0]"]
	if _, info, err := keyform.ParsePrivate(key.Stored); err != nil || info.CertificateSHA256 == nil {
		t.Errorf("ParsePrivate = %v, certificate %v", err, info.CertificateSHA256)
	}
}

func TestOneSecretHasOneValue(t *testing.T) {
	t.Parallel()
	got := made(t, `cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "a" } keys { name: "b" } keys { name: "a" version: 2 } } mac { key { name: "a" } } }
		signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "a" } keys { name: "c" } }`)
	first := got["cipher.shared_key.keys[0]"].Stored
	for field, same := range map[string]bool{
		"cipher.mac.key": true, "signing.keys[0]": true, "cipher.shared_key.keys[1]": false, "cipher.shared_key.keys[2]": false, "signing.keys[1]": false,
	} {
		if bytes.Equal(got[field].Stored, first) != same {
			t.Errorf("%s is %q, the other is %q, want equal: %v", field, got[field].Stored, first, same)
		}
	}
}

func TestTwoRunsMakeOtherKeys(t *testing.T) {
	t.Parallel()
	const profile = `cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "a" } } iv { secret { name: "iv" decoding: DECODING_HEX } } }`
	a, b := made(t, profile), made(t, profile)
	for field := range a {
		if bytes.Equal(a[field].Stored, b[field].Stored) {
			t.Errorf("%s is %q twice", field, a[field].Stored)
		}
	}
	if n := len(a["cipher.iv.secret"].Bytes); n != 16 {
		t.Errorf("the IV has %d bytes, want 16", n)
	}
}
