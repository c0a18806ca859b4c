package payload_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// refused checks that profiles are refused with these fields although they are acknowledged.
func refused(t *testing.T, tests []mistake) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := acknowledged(t, "request { "+test.profile+" }")
			reason, fields := found(t, err)
			for i := range test.fields {
				test.fields[i] = request + "." + test.fields[i]
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" || reason != invalid {
				t.Errorf("Parse: %v, fields (-want +got):\n%s", err, diff)
			}
		})
	}
}

// numbered repeats a string, with a number in place of #.
func numbered(text string, n int) string {
	all := ""
	for i := range n {
		all += strings.ReplaceAll(text, "#", strconv.Itoa(i))
	}
	return all
}

func TestParseNamesWhatIsWrongWithKeys(t *testing.T) {
	t.Parallel()
	shared := func(derivation, rest string) string {
		return `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + named("pass", "RAW") + ` derivation { ` + derivation + ` } } ` + rest + ` } `
	}
	const derivation = "cipher.shared_key.derivation"
	salt := `salt { ` + secretAt("secret", "salt", "RAW") + ` } `
	refused(t, []mistake{
		{name: "a derivation without a function", profile: shared("", ""), fields: []string{derivation}},
		{name: "PBKDF2 without a salt", profile: shared("pbkdf2 { iterations: 1000 }", ""), fields: []string{derivation + ".salt"}},
		{name: "scrypt without a salt", profile: shared("scrypt { n: 1024 }", ""), fields: []string{derivation + ".salt"}},
		{name: "a digest with a salt", profile: shared("digest { hash: HASH_SHA256 } "+salt, ""), fields: []string{derivation + ".salt"}},
		{name: "a digest of another length", profile: shared("digest { hash: HASH_SHA1 }", ""), fields: []string{derivation + ".digest.take"}},
		{name: "a digest that is truncated too much", profile: shared("digest { hash: HASH_SHA512 take: 16 }", ""), fields: []string{derivation + ".digest.take"}},
		{name: "a digest without a hash", profile: shared("digest {}", ""), fields: []string{derivation + ".digest.hash"}},
		{name: "PBKDF2 with MD5", profile: shared("pbkdf2 { hash: HASH_MD5 iterations: 1000 } "+salt, ""), fields: []string{derivation + ".pbkdf2.hash"}},
		{name: "PBKDF2 without iterations", profile: shared("pbkdf2 {} "+salt, ""), fields: []string{derivation + ".pbkdf2.iterations"}},
		{name: "scrypt of more than 64 MiB", profile: shared("scrypt { n: 65536 r: 16 } "+salt, ""), fields: []string{derivation + ".scrypt.n"}},
		{name: "scrypt with a cost that is not a power of two", profile: shared("scrypt { n: 1000 } "+salt, ""), fields: []string{derivation + ".scrypt.n"}},
		{name: "a salt that is too short", profile: shared("hkdf {} salt { sent_bytes: 4 }", "") + `envelope { ` + blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT") + ` }`, fields: []string{derivation + ".salt.sent_bytes"}},
		{name: "a salt that is not sent", profile: shared("hkdf {} "+sentSalt, ""), fields: []string{"envelope.blobs"}},
		{name: "a missing salt", profile: shared("hkdf {}", "") + `envelope { ` + blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT") + ` }`, fields: []string{"envelope.blobs"}},
		{name: "a session key with a separate length", profile: sessionKey("AES_128_GCM", "bytes: 32 "+oaep, named("rsa", "PEM")) + hybrid, fields: []string{"cipher.session_key.bytes"}},
		{name: "a session key that is too short to derive from", profile: sessionKey("AES_128_GCM", "bytes: 8 derivation { hkdf {} } "+oaep, named("rsa", "PEM")) + hybrid, fields: []string{"cipher.session_key.bytes"}},
		{name: "a session key that is not wrapped", profile: sessionKey("AES_128_GCM", "", named("rsa", "PEM")) + hybrid, fields: []string{"cipher.session_key"}},
		{name: "a session key that is not sent", profile: sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")), fields: []string{"envelope.blobs"}},
		{name: "two keys under PKCS #1", profile: sessionKey("AES_128_GCM", pkcs1, named("rsa", "PEM")+named("rsa2", "PEM")) + hybrid, fields: []string{"cipher.session_key.keys"}},
		{name: "a form that AES cannot wrap", profile: sessionKey("AES_256_GCM", "form: FORM_BASE64 "+aesKW, named("kek", "HEX")) + hybrid, fields: []string{"cipher.session_key.form"}},
		{name: "OAEP with MD5", profile: sessionKey("AES_256_GCM", "rsa_oaep { hash: HASH_MD5 mgf1_hash: HASH_MD5 } ", named("rsa", "PEM")) + hybrid, fields: []string{"cipher.session_key.rsa_oaep.hash", "cipher.session_key.rsa_oaep.mgf1_hash"}},
		{name: "an agreed key without a derivation", profile: `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_X25519 ` + named("x25519", "PEM") + ` } } envelope { ` + blobOf("data", "HEX", "EPHEMERAL_KEY", "IV", "CIPHERTEXT", "TAG") + `}`, fields: []string{"cipher.ecdh.derivation"}},
		{name: "an agreed key without a curve", profile: `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { derivation { hkdf {} } ` + named("x25519", "PEM") + ` } } envelope { ` + blobOf("data", "HEX", "EPHEMERAL_KEY", "IV", "CIPHERTEXT", "TAG") + `}`, fields: []string{"cipher.ecdh.curve"}},
		{name: "an exchange key in a request", profile: `cipher { algorithm: ALGORITHM_AES_256_GCM exchange_key {} }`, fields: []string{"cipher.exchange_key"}},
		{name: "RSA without padding", profile: `rsa_direct { ` + named("rsa", "PEM") + ` }`, fields: []string{"rsa_direct"}},
		{name: "two keys for RSA and PKCS #1", profile: `rsa_direct { pkcs1_v15 {} ` + named("rsa", "PEM") + named("rsa2", "PEM") + ` }`, fields: []string{"rsa_direct.keys"}},
	})
}

func TestParseNamesWhatIsWrongWithCiphers(t *testing.T) {
	t.Parallel()
	macOf := func(input string) string {
		return under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "`+input+`" }`) + `envelope { ` + blobOf("d", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${d}.${m}" }`
	}
	refused(t, []mistake{
		{name: "padding for GCM", profile: under("AES_256_GCM", "padding: PADDING_PKCS7"), fields: []string{"cipher.padding"}},
		{name: "padding for CTR", profile: under("AES_256_CTR", "padding: PADDING_NONE"), fields: []string{"cipher.padding"}},
		{name: "padding for CFB", profile: under("AES_256_CFB", "padding: PADDING_PKCS7_32"), fields: []string{"cipher.padding"}},
		{name: "an IV of 12 bytes for OFB", profile: under("AES_256_OFB", "iv { bytes: 12 }"), fields: []string{"cipher.iv.bytes"}},
		{name: "an IV in the plaintext of CFB", profile: under("AES_256_CFB", `iv { source: SOURCE_IN_PLAINTEXT }`) + onlyCT, fields: []string{"cipher.iv.source"}},
		{name: "a frame of 65 random bytes", profile: under("AES_256_CBC", "framing { random_bytes: 65 }"), fields: []string{"cipher.framing.random_bytes"}},
		{name: "a suffix without a length", profile: under("AES_256_CBC", `framing { random_bytes: 16 suffix: "id" }`), fields: []string{"cipher.framing.suffix"}},
		{name: "a suffix of 129 bytes", profile: under("AES_256_CBC", `framing { length: true suffix: "`+strings.Repeat("id ", 43)+`" }`), fields: []string{"cipher.framing.suffix"}},
		{name: "a tag of 11 bytes", profile: under("AES_256_GCM", "tag_bytes: 11"), fields: []string{"cipher.tag_bytes"}},
		{name: "a tag length for CBC", profile: under("AES_256_CBC", "tag_bytes: 16"), fields: []string{"cipher.tag_bytes"}},
		{name: "a short tag with a long IV", profile: under("AES_256_GCM", "tag_bytes: 12 iv { bytes: 16 }"), fields: []string{"cipher.tag_bytes"}},
		{name: "an IV for ECB", profile: under("AES_256_ECB", "iv {}"), fields: []string{"cipher.iv"}},
		{name: "an IV of 16 bytes for ChaCha20", profile: under("CHACHA20_POLY1305", "iv { bytes: 16 }"), fields: []string{"cipher.iv.bytes"}},
		{name: "an IV of 16 bytes for Triple DES", profile: under("TRIPLE_DES_CBC", "iv { bytes: 16 }"), fields: []string{"cipher.iv.bytes"}},
		{name: "a static IV without a secret", profile: under("AES_256_CBC", "iv { source: SOURCE_STATIC }") + onlyCT, fields: []string{"cipher.iv.secret"}},
		{name: "a secret for a random IV", profile: under("AES_256_CBC", strings.Replace(staticIV, "STATIC", "RANDOM", 1)), fields: []string{"cipher.iv.secret"}},
		{name: "a path for a random IV", profile: under("AES_256_CBC", `iv { field_suffix: "$.a" }`), fields: []string{"cipher.iv.field_suffix"}},
		{name: "the end of a field of a whole body", profile: under("AES_256_CBC", `iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.a" }`) + onlyCT, fields: []string{"cipher.iv.field_suffix"}},
		{name: "the end of what is encrypted", profile: under("AES_256_CBC", `iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.a.b" }`) + onlyCT + fields("", "$.a"), fields: []string{"cipher.iv.field_suffix"}},
		{name: "the end of many fields", profile: under("AES_256_CBC", `iv { source: SOURCE_FIELD_SUFFIX field_suffix: "$.b[*]" }`) + onlyCT + fields("", "$.a"), fields: []string{"cipher.iv.field_suffix"}},
		{name: "a derived IV without a derivation", profile: under("AES_256_CBC", `iv { source: SOURCE_DERIVED }`) + onlyCT, fields: []string{"cipher.iv.source"}},
		{name: "the peer's IV without its key", profile: under("AES_256_CBC", `iv { source: SOURCE_PEER_FLIPPED }`) + onlyCT, fields: []string{"cipher.iv.source"}},
		{name: "an IV in the plaintext of CTR", profile: under("AES_256_CTR", `iv { source: SOURCE_IN_PLAINTEXT }`) + onlyCT, fields: []string{"cipher.iv.source"}},
		{name: "a sent IV that is the beginning of the key", profile: under("AES_256_CBC", `iv { source: SOURCE_KEY_PREFIX }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a sent IV that is in the plaintext", profile: under("AES_256_CBC", `iv { source: SOURCE_IN_PLAINTEXT }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a sent IV that is derived with a salt that is not sent", profile: strings.ReplaceAll(sharedEVP, sentSalt, `salt { `+secretAt("secret", "salt", "HEX")+` } `) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "associated data for CBC", profile: under("AES_256_CBC", `aad { text: "x" }`), fields: []string{"cipher.aad"}},
		{name: "associated data without a source", profile: under("AES_256_GCM", `aad {}`), fields: []string{"cipher.aad"}},
		{name: "too long associated data", profile: under("AES_256_GCM", `aad { text: "`+strings.Repeat("x", 1025)+`" }`), fields: []string{"cipher.aad"}},
		{name: "associated data of the end of a field that is too long", profile: under("AES_256_GCM", `aad { field_suffix { path: "$.b" bytes: 65 } }`) + fields("", "$.a"), fields: []string{"cipher.aad.field_suffix.bytes"}},
		{name: "associated data that is not sent", profile: under("AES_256_GCM", `aad { sent: "" }`), fields: []string{"envelope.blobs"}},
		{name: "a MAC for GCM", profile: under("AES_256_GCM", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" }`) + `envelope { ` + blobOf("d", "HEX", "IV", "CIPHERTEXT", "TAG", "MAC") + ` text: "${d}" }`, fields: []string{"cipher.mac", "cipher.mac.input"}},
		{name: "a wrapped IV under AES Key Wrap", profile: sessionKey("AES_256_CBC", aesKW, named("kek", "HEX")) + wrappedIV, fields: []string{"envelope.blobs", "envelope.blobs"}},
		{name: "a wrapped IV under a shared key", profile: under("AES_256_CBC", "") + `envelope { ` + blobOf("data", "HEX", "WRAPPED_IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs", "envelope.blobs"}},
		{name: "a wrapped IV beside the IV", profile: sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")) + strings.Replace(wrappedIV, "CIPHERTEXT }", "IV } parts { slot: SLOT_CIPHERTEXT }", 1), fields: []string{"envelope.blobs"}},
		{name: "a wrapped IV of zeros", profile: sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")+"} iv { source: SOURCE_ZERO ") + wrappedIV, fields: []string{"envelope.blobs"}},
		{name: "a MAC without its wrapped IV", profile: sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")+`} mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" `) + strings.Replace(wrappedIV, `text: "`, blobOf("m", "HEX", "MAC")+`text: "${m}.`, 1), fields: []string{"cipher.mac.input"}},
		{name: "the hash of a key in another form", profile: sessionKey("AES_256_GCM", oaep+"form: FORM_HEX ", named("rsa", "PEM")) + hashedKey, fields: []string{"envelope.blobs"}},
		{name: "the hash of a key that is hashed", profile: sessionKey("AES_256_GCM", oaep+"derivation { digest { hash: HASH_SHA256 } } ", named("rsa", "PEM")) + hashedKey, fields: []string{"envelope.blobs"}},
		{name: "the hash of a key that EVP_BytesToKey hashes", profile: sessionKey("AES_256_GCM", oaep+"derivation { evp_bytes_to_key { hash: HASH_SHA256 } } ", named("rsa", "PEM")) + hashedKey, fields: []string{"envelope.blobs"}},
		{name: "the hash of one of several keys in a header", profile: sessionKey("AES_256_GCM", oaep, named("rsa", "PEM")) + twoFields + `envelope { ` + blobOf("h", "HEX", "SESSION_KEY_SHA256") + blobOf("d", "HEX", "WRAPPED_KEY", "IV", "CIPHERTEXT", "TAG") + `text: "${d}" headers { key: "X-Hash" value: "${h}" } }`, fields: []string{`envelope.blobs["h"]`}},
		{name: "the hash of a shared key", profile: under("AES_256_GCM", "") + `envelope { ` + blobOf("data", "HEX", "SESSION_KEY_SHA256", "IV", "CIPHERTEXT", "TAG") + `}`, fields: []string{"envelope.blobs"}},
		{name: "an IV of a salt that is too short", profile: saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 19 }") + saltAndCT, fields: []string{"cipher.iv.source"}},
		{name: "an IV of a salt that is not sent", profile: saltSuffix("AES_256_GCM", "hkdf {} salt { "+secretAt("secret", "salt", "RAW")+" }") + ctAndTag, fields: []string{"cipher.iv.source", "cipher.iv.source"}},
		{name: "a short IV under PKCS #1 v1.5", profile: sessionKey("AES_256_GCM", pkcs1, named("rsa", "PEM")) + strings.Replace(wrappedIV, "CIPHERTEXT }", "CIPHERTEXT } parts { slot: SLOT_TAG }", 1), fields: []string{"cipher.iv.bytes"}},
		{name: "an IV of no salt", profile: under("AES_256_GCM", "iv { source: SOURCE_SALT_SUFFIX }") + ctAndTag, fields: []string{"cipher.iv.source", "cipher.iv.source"}},
		{name: "an IV of a salt, sent again", profile: saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }") + `envelope { ` + blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT", "TAG") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a MAC without the salt that has the IV", profile: strings.Replace(saltSuffix("AES_256_CBC", "hkdf {} salt { sent_bytes: 24 }"), "iv {", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${c}" } iv {`, 1) + `envelope { ` + blobOf("s", "HEX", "SALT") + blobOf("c", "HEX", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${s}.${c}.${m}" }`, fields: []string{"cipher.mac.input"}},
		{name: "a MAC over itself", profile: macOf("${d}${m}"), fields: []string{"cipher.mac.input"}},
		{name: "a MAC over nothing", profile: macOf("x"), fields: []string{"cipher.mac.input"}},
		{name: "a MAC over an unknown blob", profile: macOf("${x}"), fields: []string{"cipher.mac.input"}},
		{name: "a MAC without its IV", profile: under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${c}" }`) + `envelope { ` + blobOf("c", "HEX", "CIPHERTEXT") + blobOf("i", "HEX", "IV") + blobOf("m", "HEX", "MAC") + ` text: "${c}.${i}.${m}" }`, fields: []string{"cipher.mac.input"}},
		{name: "a MAC with its own key that lacks the wrapped key", profile: sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")+`} mac { algorithm: ALGORITHM_HMAC_SHA256 `+secretAt("key", "b", "HEX")+` input: "${d}"`) + `envelope { ` + blobOf("k", "HEX", "WRAPPED_KEY") + blobOf("d", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${k}.${d}.${m}" }`, fields: []string{"cipher.mac.input"}},
		{name: "a MAC without an algorithm", profile: strings.Replace(macOf("${d}"), "algorithm: ALGORITHM_HMAC_SHA256 ", "", 1), fields: []string{"cipher.mac.algorithm"}},
		{name: "a MAC that is not sent", profile: under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${data}" }`), fields: []string{"envelope.blobs"}},
	})
}

func TestParseNamesWhatIsWrongWithOtherKinds(t *testing.T) {
	t.Parallel()
	jwe := func(rest string) string {
		return `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + rest + ` } `
	}
	const rs256 = "algorithm: ALGORITHM_RS256 "
	const several = `compatibility { several_recipients: true }`
	outer := `outer_jws { jws { ` + rs256 + `} ` + named("rsa2", "PEM") + ` } `
	nested := func(rest string) string {
		return `nested_jws { jws { ` + rest + ` } ` + named("rsa", "PEM") + ` }`
	}
	refused(t, []mistake{
		{name: "a JWE without an algorithm", profile: `jose { content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + ` }`, fields: []string{"jose"}},
		{name: "a JWE without keys", profile: `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM }`, fields: []string{"jose.keys"}},
		{name: "a JWE with blobs", profile: jwe("") + `envelope { ` + blobOf("d", "HEX", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a JWE that is not written", profile: jwe("") + `envelope { text: "x" }`, fields: []string{"envelope"}},
		{name: "a JWE twice", profile: jwe("") + `envelope { text: "${jwe}:${tag}" }`, fields: []string{"envelope"}},
		{name: "a JWE without its tag", profile: jwe("") + `envelope { text: "${protected}.${encrypted_key}.${iv}.${ciphertext}" }`, fields: []string{"envelope"}},
		{name: "a pair with a derivation", profile: jwe("derivation { digest { hash: HASH_SHA256 take: 1 } }"), fields: []string{"jose.derivation"}},
		{name: "a JWE with a salt that is sent", profile: `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` derivation { hkdf {} ` + sentSalt + ` } }`, fields: []string{"jose.derivation.salt"}},
		{name: "a header member of the RFC", profile: jwe(`header { key: "zip" value: "DEF" }`), fields: []string{"jose"}},
		{name: "a bad name of a member", profile: jwe(`header { key: "a b" value: "x" }`), fields: []string{"jose.header"}},
		{name: "another placeholder in a member", profile: jwe(`header { key: "kid" value: "${x}" }`), fields: []string{`jose.header["kid"]`}},
		{name: "the fingerprint of a shared key", profile: `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` header { key: "kid" value: "${public_key_sha256}" } }`, fields: []string{`jose.header["kid"]`}},
		{name: "a nested signature without an algorithm", profile: nested(""), fields: []string{"nested_jws.jws"}},
		{name: "a nested signature of an unencoded payload", profile: nested(rs256 + "unencoded_payload: true"), fields: []string{"nested_jws.jws.unencoded_payload"}},
		{name: "Fernet without keys", profile: `fernet {}`, fields: []string{"fernet.keys"}},
		{name: "Fernet tokens of no age", profile: `fernet { max_age {} ` + named("a", "HEX") + ` }`, fields: []string{"fernet.max_age"}},
		{name: "Fernet tokens of two years", profile: `fernet { max_age { seconds: 63072000 } ` + named("a", "HEX") + ` }`, fields: []string{"fernet.max_age"}},
		{name: "Fernet with an IV", profile: `fernet { ` + named("a", "HEX") + ` } envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "OpenPGP without keys", profile: `pgp {}`, fields: []string{"pgp.keys"}},
		{name: "OpenPGP with an IV", profile: `pgp { ` + named("pgp", "RAW") + ` } envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a salt where only bytes are", profile: `envelope { ` + blobOf("data", "HEX", "SALT", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "a signature around a cipher", profile: gcm + outer, fields: []string{"outer_jws"}},
		{name: "a signature around a plain body", profile: "plain {} " + mac + outer, fields: []string{"outer_jws"}},
		{name: "a signature around the parts of a JWE", profile: jwe("") + outer + `envelope { json: '{"h":"${protected}","k":"${encrypted_key}","iv":"${iv}","c":"${ciphertext}","t":"${tag}"}' }`, fields: []string{"outer_jws"}},
		{name: "a signature in JSON around a JWE", profile: jwe("") + strings.Replace(outer, "{", "{ serialization: SERIALIZATION_COMPACT ", 1), fields: []string{"outer_jws.serialization"}},
		{name: "an unencoded signature around a JWE", profile: jwe("") + strings.Replace(outer, rs256, rs256+"unencoded_payload: true ", 1), fields: []string{"outer_jws.jws.unencoded_payload"}},
		{name: "a signature around a JWE without an algorithm", profile: jwe("") + strings.Replace(outer, rs256, "", 1), fields: []string{"outer_jws.jws"}},
		{name: "a signature around a JWE without keys", profile: jwe("") + `outer_jws { jws { ` + rs256 + ` } }`, fields: []string{"outer_jws.keys"}},
		{name: "several recipients of a field", profile: jwe(several) + fields("", "$.a"), fields: []string{"jose.compatibility.several_recipients"}},
		{name: "several recipients inside a signature", profile: jwe(several) + outer, fields: []string{"jose.compatibility.several_recipients"}},
		{name: "several recipients in base64", profile: jwe(several) + `envelope { text: "${jwe}" encoding: ENCODING_BASE64 }`, fields: []string{"jose.compatibility.several_recipients"}},
		{name: "five keys inside", profile: `nested_jws { jws { ` + rs256 + ` } ` + strings.Repeat(named("rsa", "PEM"), 5) + ` }`, fields: []string{"nested_jws.keys"}},
	})
}

func TestParseNamesWhatIsWrongWithHeadersAndEncodings(t *testing.T) {
	t.Parallel()
	split := `envelope { ` + blobOf("i", "HEX", "IV") + blobOf("d", "HEX", "CIPHERTEXT", "TAG")
	refused(t, []mistake{
		{name: "raw bytes in JSON", profile: gcm + `envelope { ` + blobOf("data", "RAW", "IV", "CIPHERTEXT", "TAG") + ` json: '{"a":"${data}"}' }`, fields: []string{`envelope.blobs["data"].encoding`}},
		{name: "raw bytes in fields", profile: gcm + twoFields + `envelope { ` + blobOf("data", "RAW", "IV", "CIPHERTEXT", "TAG") + ` }`, fields: []string{`envelope.blobs["data"].encoding`}},
		{name: "raw bytes in a header", profile: gcm + `envelope { ` + blobOf("i", "RAW", "IV") + blobOf("d", "HEX", "CIPHERTEXT", "TAG") + ` text: "${d}" headers { key: "X" value: "${i}" } }`, fields: []string{`envelope.blobs["i"].encoding`}},
		{name: "a header that frames the message", profile: gcm + split + `text: "${d}" headers { key: "Host" value: "${i}" } }`, fields: []string{"envelope.headers"}},
		{name: "a header with a line break", profile: gcm + split + `text: "${d}" headers { key: "X" value: "${i}\n" } }`, fields: []string{`envelope.headers["X"]`}},
		{name: "a header of signing in the envelope", profile: gcm + split + `text: "${d}" headers { key: "X-SIGNATURE" value: "${i}" } }` + mac, fields: []string{`signing.headers["X-Signature"]`}},
		{name: "a blob in a header and in the body", profile: gcm + split + `text: "${i}.${d}" headers { key: "X" value: "${i}" } }`, fields: []string{"envelope"}},
		{name: "the ciphertext of two values in a header", profile: gcm + twoFields + split + `text: "${i}" headers { key: "X" value: "${d}" } }`, fields: []string{`envelope.blobs["d"]`, `envelope.blobs["d"]`}},
		{name: "an outer encoding of fields", profile: gcm + twoFields + `envelope { encoding: ENCODING_BASE64 }`, fields: []string{"envelope.encoding"}},
		{name: "nine headers", profile: gcm + `envelope { ` + numbered(`headers { key: "X#" value: "x" } `, 9) + `}`, fields: []string{"envelope.headers"}},
		{name: "nine blobs", profile: gcm + `envelope { ` + numbered(`blobs { key: "b#" value { parts { slot: SLOT_IV } } } `, 9) + `}`, fields: []string{"envelope.blobs", "envelope.blobs", "envelope.blobs", "envelope.blobs", "envelope.text"}},
		{name: "a literal of 65 bytes", profile: gcm + `envelope { ` + blobOf("data", "HEX", `"`+strings.Repeat("x", 65)+`"`, "IV", "CIPHERTEXT", "TAG") + `}`, fields: []string{`envelope.blobs["data"].parts[0].literal`}},
		{name: "two parts of variable length", profile: under("AES_256_GCM", `aad { sent: "x" }`) + `envelope { ` + blobOf("data", "HEX", "IV", "AAD", "CIPHERTEXT", "TAG") + `}`, fields: []string{`envelope.blobs["data"].parts`}},
		{name: "a tolerance of two days", profile: mac[:len(mac)-2] + ` tolerance { seconds: 172800 } }`, fields: []string{"signing.tolerance"}},
		{name: "an encoding of a JWS", profile: `signing { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signature}" } encoding: ENCODING_HEX }`, fields: []string{"signing.encoding"}},
		{name: "one key's fingerprint in a list", profile: `signing { jws { algorithm: ALGORITHM_RS256 header { key: "kid" value: "${public_key_sha256}" } } ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signatures}" } list { item: "${signature}" separator: "," } }`, fields: []string{"signing.jws.header"}},
		{name: "an asymmetric signature without an algorithm", profile: `signing { asymmetric {} ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signature}" } }`, fields: []string{"signing.asymmetric.algorithm"}},
		{name: "a digest without a hash", profile: `signing { secret_digest {} ` + named("a", "RAW") + ` input: "${secret}" headers { key: "S" value: "${signature}" } }`, fields: []string{"signing.secret_digest.hash"}},
	})
}

func TestAnAnswerNeedsAKeyToAnswerWith(t *testing.T) {
	t.Parallel()
	answer := `response { cipher { algorithm: ALGORITHM_AES_128_GCM exchange_key {} %s } }`
	tests := []struct {
		name, request, iv, field string
	}{
		{"a request with a shared key", gcm, "", "encryption.response.cipher.exchange_key"},
		{"a request that is only signed", mac, "", "encryption.response.cipher.exchange_key"},
		{"a request with several keys", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + twoFields + strings.Replace(hybrid, `json: '{"key":"${k}","data":"${d}"}'`, `text: "${k}.${d}"`, 1), "", "encryption.response.cipher.exchange_key"},
		{"a request with a longer key", sessionKey("AES_256_GCM", oaep, named("rsa", "PEM")) + hybrid, "", "encryption.response.cipher.exchange_key"},
	}
	for _, tt := range tests {
		_, err := acknowledged(t, "request { "+tt.request+" } "+strings.Replace(answer, "%s", tt.iv, 1))
		if _, fields := found(t, err); !cmp.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: Parse: %v", tt.name, err)
		}
	}
	pb := message(t, `preset { id: "stripe" }`)
	if _, err := payload.Parse(pb, "acme", now); !fault.Is(err, fault.InvalidField) {
		t.Errorf("Parse of a preset: %v", err)
	}
}
