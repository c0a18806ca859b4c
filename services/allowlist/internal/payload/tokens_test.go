package payload_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// The payment tokens of Google and Apple.
const (
	googleKey  = `derivation { hkdf { info: "Google" } } derive_from_ephemeral_key: true `
	googleMAC  = `iv { source: SOURCE_ZERO } mac { algorithm: ALGORITHM_HMAC_SHA256 derived_key_bytes: 32 input: "${data|raw}" } `
	appleKey   = `derivation { counter_kdf { info { counted_text: "id-aes256-GCM" } info { text: "Apple" } info { sha256_of: "merchant.com.example" } } } ephemeral_key_as_spki: true `
	appleIV    = `iv { source: SOURCE_ZERO bytes: 16 } `
	tokenParts = `json: '{"data":"${data}","key":"${key}","tag":"${tag}"}' }`
)

// agreedP256 returns a cipher under a key that is agreed on.
func agreedP256(algorithm, key, name, rest string) string {
	return `cipher { algorithm: ALGORITHM_` + algorithm + ` ecdh { curve: CURVE_P256 ` + key + named(name, "PEM") + ` } ` + rest + ` } `
}

// google returns the profile of Google Pay.
func google(name string) string {
	return agreedP256("AES_256_CTR", googleKey, name, googleMAC) + `envelope { ` + blobOf("data", "BASE64", "CIPHERTEXT") + blobOf("key", "BASE64", "EPHEMERAL_KEY") +
		blobOf("tag", "BASE64", "MAC") + `json: '{"encryptedMessage":"${data}","ephemeralPublicKey":"${key}","tag":"${tag}"}' }`
}

// apple returns the profile of Apple Pay.
func apple(name string) string {
	return agreedP256("AES_256_GCM", appleKey, name, appleIV) + `envelope { ` + blobOf("data", "BASE64", "CIPHERTEXT", "TAG") + blobOf("key", "BASE64", "EPHEMERAL_KEY") +
		`json: '{"version":"EC_v1","data":"${data}","signature":"${*}","header":{"ephemeralPublicKey":"${key}","publicKeyHash":"${*}","transactionId":"${*}"}}' }`
}

// The key of Google's token is a throwaway key of this test.
const googlePrivate = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUJ8y7R8VHwV+ICx/
Wt+jlKIeoqKcL3/OzmKIwpVm5fGhRANCAASm8diRDJWSTcTj6XmYRhoezDLvQu2S
jp+sGtqd+9iNOZF3MwZQRm3APV9AXVKFUXqemVuEieP5Pgq0i20lr7Fd
-----END PRIVATE KEY-----
`

// The tokens were made with Python's cryptography.
func TestPaymentTokensOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("google", googlePrivate)
	for _, tt := range []struct{ name, profile, body, plaintext string }{
		{
			"Google Pay", google("google"),
			`{"encryptedMessage":"w8YevliDiytU+XgzTK4o6ibmq4nRLMTd3jXP8DwrQLD9vIFWH0kTyF2thbt8SGutLmH9H6D20ApjUPyP9w==","ephemeralPublicKey":"BMxsNJgI8pGZnqBsuiODRq7lk1DmcZjo9XjOhd1UB1CNHeun0SHPG/ZYPtrUQaHeZ84U+k7Qh8YA9uBuQ7pyz3I=","tag":"q/gpdNXBMe+1RUSWLzFzunyZhGrbif7DChCSrTwP9TY="}`,
			`{"gatewayMerchantId":"m","messageExpiration":"1800000000000"}`,
		},
		{
			"Apple Pay", apple("ec"),
			`{"version": "EC_v1", "data": "Lqon6ur8S45dhMGXbnCR34bIpJREdjbkjG4APWRl15PISaDzyu9peAAEz1aYroe6KB9C9DtSaSSbI0gouL18y1VMSKZoIdwX2AenFpnr9nm1ckoEfIhRB72tLQ==", "signature": "YSBzaWduYXR1cmUgYnkgQXBwbGU=", "header": {"ephemeralPublicKey": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEp/tV12EGGCZX5vijNohX7/DZ5FsO13TVaACEsJTiOGJNYHg905oSWkz7dTSbbxG9yNQq9LeGKVYRmD4hrPkygg==", "publicKeyHash": "1ml794fOu3lpb2r+wsR2hO271ihdl1UvWUvqR03PxMw=", "transactionId": "31323334353637"}}`,
			`{"applicationPrimaryAccountNumber":"4109370251004320","currencyCode":"840"}`,
		},
	} {
		p := legacyPipeline(t, tt.profile)
		s.opens(t, p, payload.Output{Body: []byte(tt.body)}, tt.plaintext)
		s.opens(t, p, s.encrypt(t, p, tt.plaintext), tt.plaintext)
		// Each part is authenticated, and the key depends on the ephemeral key.
		for _, field := range []string{`"encryptedMessage":"`, `"ephemeralPublicKey":"`, `"ephemeralPublicKey": "`, `"tag":"`, `"data": "`} {
			before, after, found := strings.Cut(tt.body, field)
			if !found {
				continue
			}
			text, rest, _ := strings.Cut(after, `"`)
			bytes, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			for i := range bytes {
				bytes[i] ^= 0x10
				changed := before + field + base64.StdEncoding.EncodeToString(bytes) + `"` + rest
				if _, err := s.decrypt(t, p, payload.Output{Body: []byte(changed)}); !fault.Is(err, payload.DecryptionFailed) {
					t.Errorf("%s: byte %d of %s changed: %v, want DECRYPTION_FAILED", tt.name, i, field, err)
				}
				bytes[i] ^= 0x10
			}
		}
	}
}

func TestEphemeralKeysTravelInBothForms(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, curve := range []string{"P256", "X25519"} {
		name := map[string]string{"P256": "ec", "X25519": "x25519"}[curve]
		for _, options := range []string{
			"ephemeral_key_as_spki: true", "derive_from_ephemeral_key: true", "derive_from_ephemeral_key: true ephemeral_key_as_spki: true",
		} {
			p := legacyPipeline(t, `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_`+curve+` derivation { hkdf {} } `+options+` `+named(name, "PEM")+` } }
				envelope { `+blobOf("data", "BASE64", "EPHEMERAL_KEY", "IV", "CIPHERTEXT", "TAG")+`}`)
			sent := s.encrypt(t, p, "body")
			s.opens(t, p, sent, "body")
			plain := legacyPipeline(t, `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_`+curve+` derivation { hkdf {} } `+named(name, "PEM")+` } }
				envelope { `+blobOf("data", "BASE64", "EPHEMERAL_KEY", "IV", "CIPHERTEXT", "TAG")+`}`)
			if _, err := s.decrypt(t, plain, sent); !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("%s %s: Decrypt without the options: %v, want DECRYPTION_FAILED", curve, options, err)
			}
		}
	}
}

func TestTheKeyOfAMACMayBeDerived(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, derivation := range []string{
		`hkdf {}`, `counter_kdf { hash: HASH_SHA512 counter_after_secret: true }`, `pbkdf2 { iterations: 1000 } ` + sentSalt,
	} {
		salt := map[bool]string{true: "SALT", false: `"v1"`}[strings.Contains(derivation, "sent_bytes")]
		profile := func(bytes string) string {
			return `cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { ` + named("pass", "RAW") + ` derivation { ` + derivation + ` } }
				mac { algorithm: ALGORITHM_HMAC_SHA512 ` + bytes + ` input: "${data}" } } envelope { ` + blobOf("data", "HEX", salt, "IV", "CIPHERTEXT") + blobOf("mac", "HEX", "MAC") + ` text: "${data}.${mac}" }`
		}
		p, other := legacyPipeline(t, profile("derived_key_bytes: 64")), legacyPipeline(t, profile(""))
		sent := s.encrypt(t, p, "body")
		s.opens(t, p, sent, "body")
		if _, err := s.decrypt(t, other, sent); payload.Stage(err) != "mac" {
			t.Errorf("%s: Decrypt with the key of the cipher: %v, want the stage mac", derivation, err)
		}
	}
}

func TestParseNamesWhatIsWrongWithTokens(t *testing.T) {
	t.Parallel()
	token := func(key, rest string) string {
		return agreedP256("AES_256_CTR", key, "ec", rest) + `envelope { ` + blobOf("data", "BASE64", "CIPHERTEXT") + blobOf("key", "BASE64", "EPHEMERAL_KEY") + blobOf("tag", "BASE64", "MAC") + tokenParts
	}
	derived := func(bytes string) string {
		return `iv { source: SOURCE_ZERO } mac { algorithm: ALGORITHM_HMAC_SHA256 derived_key_bytes: ` + bytes + ` input: "${data}" } `
	}
	const counter = `derivation { counter_kdf {} } `
	refused(t, []mistake{
		{name: "a counter before an ephemeral key", profile: token(counter+"derive_from_ephemeral_key: true ", derived("32")), fields: []string{"cipher.ecdh.derive_from_ephemeral_key"}},
		{name: "a counter with SHA-1", profile: token(`derivation { counter_kdf { hash: HASH_SHA1 } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.counter_kdf.hash"}},
		{name: "a counter with MD5", profile: token(`derivation { counter_kdf { hash: HASH_MD5 } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.counter_kdf.hash"}},
		{name: "a counter with a salt", profile: token(`derivation { counter_kdf {} salt { `+secretAt("secret", "salt", "RAW")+` } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.salt"}},
		{name: "a piece of nothing", profile: token(`derivation { counter_kdf { info { text: "a" } info {} } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.counter_kdf.info[1]"}},
		{name: "a long piece", profile: token(`derivation { counter_kdf { info { counted_text: "`+strings.Repeat("x", 129)+`" } } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.counter_kdf.info[0]"}},
		{name: "nine pieces", profile: token(`derivation { counter_kdf { `+strings.Repeat(`info { counted_text: "`+strings.Repeat("x y ", 32)+`" } `, 9)+` } } `, derived("32")), fields: []string{"cipher.ecdh.derivation.counter_kdf.info"}},
		{name: "a short key of a MAC", profile: token(counter, derived("15")), fields: []string{"cipher.mac.derived_key_bytes"}},
		{name: "a long key of a MAC", profile: token(counter, derived("65")), fields: []string{"cipher.mac.derived_key_bytes"}},
		{
			name: "a MAC with two keys", profile: token(counter, strings.Replace(strings.Replace(derived("32"), "input", secretAt("key", "b", "HEX")+" input", 1), "${data}", "${data}${key}", 1)),
			fields: []string{"cipher.mac.derived_key_bytes"},
		},
		{
			name: "a key of a MAC without a derivation", profile: under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 derived_key_bytes: 32 input: "${data}" }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + blobOf("mac", "HEX", "MAC") + ` text: "${data}.${mac}" }`,
			fields: []string{"cipher.mac.derived_key_bytes"},
		},
		{name: "a key of a MAC beside a derived IV", profile: token(counter, strings.Replace(derived("32"), "SOURCE_ZERO", "SOURCE_DERIVED", 1)), fields: []string{"cipher.mac.derived_key_bytes"}},
		{name: "an encoding without encryption", profile: `plaintext_encoding: ENCODING_BASE64 nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + refB + ` }`, fields: []string{"plaintext_encoding"}},
		{name: "an encoding in lines", profile: gcm + `plaintext_encoding: ENCODING_BASE64_MIME`, fields: []string{"plaintext_encoding"}},
		{name: "an encoding of nothing", profile: `plain {} plaintext_encoding: ENCODING_BASE64 ` + mac, fields: []string{"plaintext_encoding"}},
	})
}

func TestPlaintextsAreEncodedBeforeTheyAreEncrypted(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, kind := range []string{
		gcm, `rsa_direct { oaep {} ` + named("rsa", "PEM") + ` }`, `pgp { ` + named("pgp", "RAW") + ` }`,
		`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + ref + ` }`,
	} {
		bare := legacyPipeline(t, kind+fields("", "$.a[*]"))
		for encoding, want := range map[string]string{"BASE64": `{"a":"WzFd"}`, "BASE64URL": `{"a":"WzFd"}`, "HEX": `{"a":"5b315d"}`, "HEX_UPPER": `{"a":"5B315D"}`} {
			p := legacyPipeline(t, kind+`plaintext_encoding: ENCODING_`+encoding+` `+fields("", "$.a"))
			sent := s.encrypt(t, p, `{"a":[1]}`)
			s.opens(t, p, sent, `{"a":[1]}`)
			s.opens(t, legacyPipeline(t, kind+fields("value_form: VALUE_FORM_STRING", "$.a")), sent, want)
			several := legacyPipeline(t, kind+`plaintext_encoding: ENCODING_`+encoding+` `+fields("", "$.a[*]"))
			s.opens(t, several, s.encrypt(t, several, `{"a":[1,"two",3]}`), `{"a":[1,"two",3]}`)
			_, err := s.decrypt(t, several, s.encrypt(t, bare, `{"a":["?"]}`))
			if stage := map[bool]string{false: "value", true: "decrypt"}[strings.HasPrefix(kind, "pgp")]; !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != stage {
				t.Errorf("%s %s: Decrypt of bytes that are not encoded: %v", kind, encoding, err)
			}
		}
	}
	nested := legacyPipeline(t, gcm+`plaintext_encoding: ENCODING_BASE64 nested_jws { jws { algorithm: ALGORITHM_HS256 } `+refB+` }`)
	s.opens(t, nested, s.encrypt(t, nested, "body"), "body")
	// Under CBC alone, an encoding is one more way to fail that must not show.
	cbc := legacyPipeline(t, under("AES_256_CBC", "iv { source: SOURCE_ZERO }")+`plaintext_encoding: ENCODING_BASE64 envelope { `+blobOf("data", "BASE64", "CIPHERTEXT")+`}`)
	tells(t, s, cbc, payload.DecryptionFailed, bodies("%", ciphertexts(t), "good", "bad padding", "no padding", "only padding", "no JSON", "no text"))
}
