package payload_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Fragments for the tables below.
var (
	staticIV    = `iv { source: SOURCE_STATIC ` + secretAt("secret", "iv", "HEX") + ` }`
	onlyCT      = `envelope { ` + blobOf("data", "HEX", "CIPHERTEXT") + `} `
	ctAndTag    = `envelope { ` + blobOf("data", "HEX", "CIPHERTEXT", "TAG") + `} `
	sentSalt    = `salt { sent_bytes: 8 } `
	salted      = `envelope { ` + blobOf("data", "BASE64", `"Salted__"`, "SALT", "CIPHERTEXT") + `} `
	evp         = `derivation { evp_bytes_to_key { hash: HASH_SHA256 } ` + sentSalt + `} `
	sharedEVP   = `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + named("pass", "RAW") + evp + ` } iv { source: SOURCE_DERIVED } } `
	twoFields   = fields("", "$.a", "$.b")
	keyInHeader = `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "CIPHERTEXT", "TAG") + ` text: "${d}" headers { key: "X-Key" value: "${k}" } } `
)

func TestIVsComeFromTheirSources(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	profiles := map[string]string{
		"static":                     under("AES_256_CBC", staticIV) + onlyCT,
		"static and sent":            under("AES_256_CBC", staticIV) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`,
		"zero":                       under("AES_256_CBC", "iv { source: SOURCE_ZERO }") + onlyCT,
		"the key's beginning":        under("AES_256_CBC", "iv { source: SOURCE_KEY_PREFIX }") + onlyCT,
		"in the plaintext":           under("AES_256_CBC", "iv { source: SOURCE_IN_PLAINTEXT }") + onlyCT,
		"in the plaintext, 3DES":     strings.Replace(under("TRIPLE_DES_CBC", "iv { source: SOURCE_IN_PLAINTEXT }")+onlyCT, `"workspaces/acme/secrets/a"`, `"workspaces/acme/secrets/key3"`, 1),
		"text":                       under("AES_256_GCM", "iv { source: SOURCE_RANDOM_TEXT }") + `envelope { ` + blobOf("i", "RAW", "IV") + blobOf("d", "BASE64", "CIPHERTEXT", "TAG") + ` json: '["${i}","${d}"]' }`,
		"derived with a salt":        sharedEVP + salted,
		"derived of a session key":   sessionKey("AES_128_GCM", "derivation { hkdf {} } "+oaep, named("rsa", "PEM")+"} iv { source: SOURCE_DERIVED ") + `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "CIPHERTEXT", "TAG") + ` text: "${k}.${d}" }`,
		"zero under a session key":   sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")+"} iv { source: SOURCE_ZERO ") + `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "CIPHERTEXT", "TAG") + ` text: "${k}.${d}" }`,
		"static under a session key": sessionKey("AES_256_CTR", oaep, named("rsa", "PEM")+"} "+strings.TrimSuffix(staticIV, "}")) + `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "CIPHERTEXT") + ` text: "${k}.${d}" }`,
	}
	s = s.with("key3", keyA[:48])
	for name, profile := range profiles {
		p := legacyPipeline(t, profile)
		for _, body := range []string{"", "body", strings.Repeat("0123456789abcdef", 3)} {
			sent := s.encrypt(t, p, body)
			out, err := s.decrypt(t, p, sent)
			if err != nil || string(out.Body) != body {
				t.Errorf("%s: Decrypt(Encrypt(%q)) = %q, %v at %q", name, body, out.Body, err, payload.Stage(err))
			}
			again := s.encrypt(t, p, body)
			if same := string(again.Body) == string(sent.Body); same != (name == "static" || name == "static and sent" || name == "zero" || name == "the key's beginning") {
				t.Errorf("%s: Encrypt twice is the same: %v", name, same)
			}
		}
		if p.ShowsKey() != (name == "the key's beginning") {
			t.Errorf("%s: ShowsKey = %v", name, p.ShowsKey())
		}
	}
	p := legacyPipeline(t, profiles["static"])
	short := s.with("iv", "0011")
	if _, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: short.keys(t, p.EncryptReferences())}); !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Encrypt with an IV of 2 bytes: %v, want KEY_NOT_USABLE", err)
	}
}

func TestTheEndOfAFieldIsTheIV(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	body := `{"ts":"2026-11-22T12:00:00Z","pid":"x"}`
	p := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")+`} iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.ts" } aad { field_suffix { path: "$.ts" bytes: 16 } `)+
		`selection { object { path: "$.pid" } } envelope { `+blobOf("k", "BASE64", "WRAPPED_KEY")+blobOf("d", "BASE64", "CIPHERTEXT", "TAG")+` json: '{"k":"${k}","d":"${d}"}' }`)
	sent := s.encrypt(t, p, body)
	s.opens(t, p, sent, body)
	sent.Body = []byte(strings.Replace(string(sent.Body), "12:00:00Z", "12:00:01Z", 1))
	if _, err := s.decrypt(t, p, sent); payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt with another time stamp: %v", err)
	}
}

// Two values never have the same key and IV in a mode that this would break. If CBC merely reveals
// equal beginnings, it must be acknowledged.
func TestKeyAndIVAreNotUsedTwice(t *testing.T) {
	t.Parallel()
	sessionGCM := func(iv string) string { return sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")+"} "+iv) }
	tests := []struct {
		name, profile string
		refused       bool
	}{
		{"a static IV under GCM", under("AES_256_GCM", staticIV) + ctAndTag, true},
		{"a zero IV under CTR", under("AES_256_CTR", "iv { source: SOURCE_ZERO }") + onlyCT, true},
		{"a static IV under CFB", under("AES_256_CFB", staticIV) + onlyCT, true},
		{"a zero IV under OFB", under("AES_128_OFB", "iv { source: SOURCE_ZERO }") + onlyCT, true},
		{"the beginning of the key under CFB", under("AES_256_CFB", "iv { source: SOURCE_KEY_PREFIX }") + onlyCT, true},
		{"a zero IV under ChaCha20", under("CHACHA20_POLY1305", "iv { source: SOURCE_ZERO }") + ctAndTag, true},
		{"a zero IV under a key for each value", sessionGCM("iv { source: SOURCE_ZERO ") + `envelope { ` + blobOf("data", "BASE64", "WRAPPED_KEY", "CIPHERTEXT", "TAG") + `}`, false},
		{"a zero IV under a key in a header, one value", sessionGCM("iv { source: SOURCE_ZERO ") + keyInHeader, false},
		{"a zero IV under a key in a header, two values", sessionGCM("iv { source: SOURCE_ZERO ") + twoFields + keyInHeader, true},
		{"the end of a field, two values", sessionGCM(`iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.ts" `) + twoFields + keyInHeader, true},
		{"a random IV in a header, one value", under("AES_256_GCM", "") + `envelope { ` + blobOf("i", "HEX", "IV") + blobOf("d", "HEX", "CIPHERTEXT", "TAG") + `text: "${d}" headers { key: "X-Iv" value: "${i}" } }`, false},
		{"a random IV in a header, two values", under("AES_256_GCM", "") + twoFields + `envelope { ` + blobOf("i", "HEX", "IV") + blobOf("d", "HEX", "CIPHERTEXT", "TAG") + `text: "${d}" headers { key: "X-Iv" value: "${i}" } }`, true},
		{"an IV derived without a salt", `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + ` derivation { hkdf {} } } iv { source: SOURCE_DERIVED } } ` + ctAndTag, true},
		{"an IV derived with a salt", `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + ` derivation { hkdf {} ` + sentSalt + `} } iv { source: SOURCE_DERIVED } } envelope { ` + blobOf("data", "BASE64", "SALT", "CIPHERTEXT", "TAG") + `}`, false},
		{"the end of a salt", saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }") + saltAndCT, false},
		{"the end of a salt in a header, two values", saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }") + twoFields + `envelope { ` + blobOf("s", "HEX", "SALT") + blobOf("d", "HEX", "CIPHERTEXT", "TAG") + `text: "${d}" headers { key: "X-Salt" value: "${s}" } }`, true},
		{"a wrapped IV in a header, two values", sessionKey("AES_128_CTR", oaep, named("rsa", "PEM")) + twoFields + `envelope { ` + blobOf("k", "HEX", "WRAPPED_KEY") + blobOf("i", "HEX", "WRAPPED_IV") + blobOf("d", "HEX", "CIPHERTEXT") + `text: "${d}" headers { key: "X-Key" value: "${k}" } headers { key: "X-Iv" value: "${i}" } }`, true},
		{"a wrapped IV for each value under one key", sessionKey("AES_128_CTR", oaep, named("rsa", "PEM")) + twoFields + `envelope { ` + blobOf("k", "HEX", "WRAPPED_KEY") + blobOf("i", "HEX", "WRAPPED_IV") + blobOf("d", "HEX", "CIPHERTEXT") + `text: "${i}.${d}" headers { key: "X-Key" value: "${k}" } }`, false},
		{"a zero IV with a salt", `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + ` derivation { hkdf {} ` + sentSalt + `} } iv { source: SOURCE_ZERO } } envelope { ` + blobOf("data", "BASE64", "SALT", "CIPHERTEXT", "TAG") + `}`, true},
		{"the beginning of the key under GCM", under("AES_256_GCM", "iv { source: SOURCE_KEY_PREFIX }") + ctAndTag, true},
	}
	for _, tt := range tests {
		_, err := acknowledged(t, "request { "+tt.profile+" }")
		if refused := err != nil; refused != tt.refused || refused && !strings.Contains(err.Error(), "encryption.request.cipher.iv.source") {
			t.Errorf("%s: Parse: %v, want it refused: %v", tt.name, err, tt.refused)
		}
	}
}

func TestUnsafeChoicesAreFound(t *testing.T) {
	t.Parallel()
	derived := func(derivation string) string {
		return `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + ` derivation { ` + derivation + ` } } }`
	}
	signed := func(scheme string) string { return `signing { ` + scheme + ` ` + named("a", "RAW") + ` }` }
	salt := `salt { ` + secretAt("secret", "salt", "RAW") + ` }`
	tests := map[string]string{
		gcm: "", under("AES_256_CBC", ""): "UNAUTHENTICATED_CBC", under("AES_256_CTR", ""): "UNAUTHENTICATED_CTR", under("AES_256_ECB", ""): "ECB",
		under("AES_256_CFB", ""): "UNAUTHENTICATED_CTR", under("AES_128_OFB", ""): "UNAUTHENTICATED_CTR", under("AES_256_OFB", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "x" }`): "",
		under("AES_256_CBC", `padding: PADDING_PKCS7_32 framing { random_bytes: 16 length: true }`): "UNAUTHENTICATED_CBC",
		under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "x" }`):                 "", under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_MD5 input: "x" }`): "WEAK_DIGEST",
		under("AES_256_CBC", `iv { source: SOURCE_FIELD_SUFFIX } mac { algorithm: ALGORITHM_HMAC_SHA256 input: "x" }`): "UNAUTHENTICATED_CBC STATIC_IV",
		under("TRIPLE_DES_CBC", ""): "UNAUTHENTICATED_CBC TRIPLE_DES", under("TRIPLE_DES_ECB", ""): "ECB TRIPLE_DES",
		under("AES_256_CBC", "iv { source: SOURCE_ZERO }"): "UNAUTHENTICATED_CBC ZERO_IV", under("AES_256_CBC", staticIV): "UNAUTHENTICATED_CBC STATIC_IV",
		under("AES_256_CBC", "iv { source: SOURCE_KEY_PREFIX }"): "UNAUTHENTICATED_CBC IV_FROM_KEY", under("AES_256_CBC", "iv { source: SOURCE_IN_PLAINTEXT }"): "UNAUTHENTICATED_CBC",
		under("AES_256_CBC", "padding: PADDING_ZERO"): "UNAUTHENTICATED_CBC ZERO_PADDING", under("AES_256_GCM", "tag_bytes: 12"): "SHORT_TAG", under("AES_256_GCM", "tag_bytes: 16"): "",
		derived("digest { hash: HASH_MD5 }"): "MD5_KDF", derived("digest { hash: HASH_SHA256 }"): "", derived("hkdf {} " + salt): "",
		derived("evp_bytes_to_key { hash: HASH_MD5 } " + sentSalt): "MD5_KDF WEAK_KDF_ITERATIONS", derived("evp_bytes_to_key { hash: HASH_SHA256 }"): "STATIC_SALT WEAK_KDF_ITERATIONS",
		derived("pbkdf2 { iterations: 600000 } " + sentSalt): "", derived("pbkdf2 { iterations: 599999 } " + sentSalt): "WEAK_KDF_ITERATIONS", derived("pbkdf2 { iterations: 600000 } " + salt): "STATIC_SALT",
		derived("scrypt { n: 16384 } " + sentSalt): "", derived("scrypt { n: 8192 } " + salt): "STATIC_SALT WEAK_KDF_ITERATIONS",
		sessionKey("AES_128_GCM", pkcs1, named("rsa", "PEM")): "RSA_PKCS1V15_ENCRYPTION", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")): "", `rsa_direct { pkcs1_v15 {} }`: "RSA_PKCS1V15_ENCRYPTION",
		`jose { key_management: KEY_MANAGEMENT_RSA1_5 }`: "RSA_PKCS1V15_ENCRYPTION", `jose { derivation { digest { hash: HASH_MD5 } } }`: "MD5_KDF",
		signed("secret_digest { hash: HASH_SHA256 }"): "SECRET_DIGEST", signed("secret_digest { hash: HASH_SHA1 }"): "SECRET_DIGEST WEAK_DIGEST", signed("mac { algorithm: ALGORITHM_HMAC_SHA1 }"): "",
		signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 } input: "${body|md5|hex}"`): "WEAK_DIGEST", signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 } input: "${id}.${plaintext|base64|sha1}"`): "WEAK_DIGEST",
		signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 } input: "${body|sha256|hex}"`): "", signed(`mac { algorithm: ALGORITHM_HMAC_SHA256 } input: "${body|md5"`): "",
		signed("mac { algorithm: ALGORITHM_HMAC_MD5 }"): "WEAK_DIGEST", signed("asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA1 }"): "WEAK_DIGEST",
		under("AES_256_CBC", "") + twoFields + `envelope { ` + blobOf("i", "HEX", "IV") + ` headers { key: "X" value: "${i}" } }`: "UNAUTHENTICATED_CBC STATIC_IV",
		sharedEVP: "UNAUTHENTICATED_CBC WEAK_KDF_ITERATIONS", strings.Replace(sharedEVP, sentSalt, "", 1): "UNAUTHENTICATED_CBC STATIC_IV STATIC_SALT WEAK_KDF_ITERATIONS",
	}
	for profile, want := range tests {
		var got []string
		for _, flag := range payload.UnsafeChoices(message(t, "request { "+profile+" }").GetRequest()) {
			got = append(got, strings.TrimPrefix(flag.String(), "FLAG_"))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("UnsafeChoices(%s) (-want +got):\n%s", profile, diff)
		}
	}
	if got := payload.UnsafeChoices(nil); got != nil {
		t.Errorf("UnsafeChoices of nothing = %v", got)
	}
}

func TestAcknowledgementsMayBeForDecryptionOnly(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	sent := s.encrypt(t, legacyPipeline(t, bareCBC), "body")
	c, err := acknowledged(t, "request { "+strings.Replace(cbc, `reason`, `decrypt_only: true reason`, 1)+" }")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pipeline(payload.Request)
	s.opens(t, p, sent, "body")
	_, err = p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences())})
	if f, ok := fault.From(err); !ok || f.Reason != payload.LegacyNotAcknowledged || f.Metadata["flags"] != "UNAUTHENTICATED_CBC" {
		t.Errorf("Encrypt: %v, want LEGACY_NOT_ACKNOWLEDGED", err)
	}
	want := []payload.UnsafeChoice{{Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Expires: c.Legacy()[0].Expires, DecryptOnly: true}}
	if diff := cmp.Diff(want, c.Legacy()); diff != "" || c.Legacy()[0].Expires.Unix() != 1798761600 {
		t.Errorf("Legacy (-want +got):\n%s", diff)
	}
}

// The MAC is checked first: a changed ciphertext never reaches the padding.
func TestTheMACIsCheckedBeforeDecryption(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	macOf := func(algorithm, key string) string {
		return `mac { algorithm: ALGORITHM_` + algorithm + ` input: "v1.${i}|${c|raw}" ` + key + ` }`
	}
	for _, algorithm := range []string{"HMAC_SHA1", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512", "HMAC_MD5"} {
		for _, key := range []string{"", secretAt("key", "b", "HEX")} {
			for _, suite := range []string{"AES_256_CBC", "AES_256_CTR", "AES_256_CFB", "AES_256_OFB"} {
				p := legacyPipeline(t, under(suite, macOf(algorithm, key))+`envelope { `+blobOf("i", "BASE64", "IV")+blobOf("c", "HEX_UPPER", "CIPHERTEXT")+blobOf("m", "HEX", "MAC")+` text: "${i}.${c}.${m}" }`)
				sent := s.encrypt(t, p, strings.Repeat("body", 2000))
				s.opens(t, p, sent, strings.Repeat("body", 2000))
				parts := strings.Split(string(sent.Body), ".")
				for i := range parts {
					changed := append([]string(nil), parts...)
					changed[i] = flipped(changed[i])
					_, err := s.decrypt(t, p, payload.Output{Body: []byte(strings.Join(changed, "."))})
					if payload.Stage(err) != "mac" {
						t.Errorf("%s, %s: Decrypt with part %d changed: %v at %q, want the stage mac", suite, algorithm, i, err, payload.Stage(err))
					}
				}
			}
		}
	}
}

// flipped changes the third character of a string within its encoding.
func flipped(text string) string {
	b := []byte(text)
	if b[2] == '0' {
		b[2] = '1'
	} else {
		b[2] = '0'
	}
	return string(b)
}

func TestTextIVsAreLettersAndDigits(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, under("AES_256_GCM", "iv { source: SOURCE_RANDOM_TEXT bytes: 16 }")+`envelope { `+blobOf("d", "HEX", "IV", "CIPHERTEXT", "TAG")+` text: "${d}" }`)
	seen := map[byte]int{}
	for range 400 {
		iv, err := hex.DecodeString(string(s.encrypt(t, p, "").Body[:32]))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range iv {
			seen[c]++
		}
	}
	for c := range 256 {
		letter := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if letter != (seen[byte(c)] > 20) || !letter && seen[byte(c)] != 0 {
			t.Errorf("%q occurs %d times in 6400 characters", rune(c), seen[byte(c)])
		}
	}
}
