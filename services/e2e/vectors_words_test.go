package e2e

import (
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// word looks up a word of the vocabulary, ignoring case. Some things have several words.
func word[T any](t testing.TB, what, text string, known map[string]T) T {
	t.Helper()
	value, ok := known[strings.ToLower(text)]
	if !ok {
		t.Fatalf("the vocabulary has no %s %q", what, text)
	}
	return value
}

func decodingOf(t testing.TB, text string) allowlistv1.Decoding {
	t.Helper()
	return word(t, "decode", text, map[string]allowlistv1.Decoding{
		"": allowlistv1.Decoding_DECODING_RAW, "utf8": allowlistv1.Decoding_DECODING_RAW, "raw": allowlistv1.Decoding_DECODING_RAW,
		"ascii": allowlistv1.Decoding_DECODING_RAW, "text": allowlistv1.Decoding_DECODING_RAW,
		"hex": allowlistv1.Decoding_DECODING_HEX, "base64": allowlistv1.Decoding_DECODING_BASE64,
		"base64url": allowlistv1.Decoding_DECODING_BASE64URL, "whsec": allowlistv1.Decoding_DECODING_WHSEC,
		"pem": allowlistv1.Decoding_DECODING_PEM, "pemfile": allowlistv1.Decoding_DECODING_PEM,
		"pgp": allowlistv1.Decoding_DECODING_RAW, "pgpfile": allowlistv1.Decoding_DECODING_RAW,
	})
}

func hashOf(t testing.TB, text string) allowlistv1.Hash {
	t.Helper()
	return word(t, "hash", strings.NewReplacer("-", "", "_", "").Replace(text), map[string]allowlistv1.Hash{
		"": 0, "md5": allowlistv1.Hash_HASH_MD5, "sha1": allowlistv1.Hash_HASH_SHA1, "sha256": allowlistv1.Hash_HASH_SHA256,
		"sha384": allowlistv1.Hash_HASH_SHA384, "sha512": allowlistv1.Hash_HASH_SHA512,
	})
}

func encodingOf(t testing.TB, text string) allowlistv1.Encoding {
	t.Helper()
	return word(t, "encoding", text, map[string]allowlistv1.Encoding{
		"": 0, "base64": allowlistv1.Encoding_ENCODING_BASE64, "b64": allowlistv1.Encoding_ENCODING_BASE64,
		"base64url": allowlistv1.Encoding_ENCODING_BASE64URL, "b64url": allowlistv1.Encoding_ENCODING_BASE64URL,
		"base64_mime": allowlistv1.Encoding_ENCODING_BASE64_MIME, "base64mime": allowlistv1.Encoding_ENCODING_BASE64_MIME,
		"mime": allowlistv1.Encoding_ENCODING_BASE64_MIME, "base64_lines": allowlistv1.Encoding_ENCODING_BASE64_MIME,
		"hex": allowlistv1.Encoding_ENCODING_HEX, "hexlower": allowlistv1.Encoding_ENCODING_HEX, "hex_lower": allowlistv1.Encoding_ENCODING_HEX,
		"hexupper": allowlistv1.Encoding_ENCODING_HEX_UPPER, "hex_upper": allowlistv1.Encoding_ENCODING_HEX_UPPER,
		"utf8": allowlistv1.Encoding_ENCODING_RAW, "raw": allowlistv1.Encoding_ENCODING_RAW, "none": allowlistv1.Encoding_ENCODING_RAW,
	})
}

// functionOf maps the encoding of a body's digest in the signed string. The default is
// hexadecimal.
func functionOf(t testing.TB, text string) string {
	t.Helper()
	return word(t, "encoding", text, map[string]string{
		"": "hex", "hex": "hex", "hexupper": "hex_upper", "hex_upper": "hex_upper", "b64": "base64", "base64": "base64", "b64url": "base64url", "base64url": "base64url",
	})
}

func paddingOf(t testing.TB, text string) allowlistv1.Cipher_Padding {
	t.Helper()
	return word(t, "padding", text, map[string]allowlistv1.Cipher_Padding{
		"": 0, "pkcs7": allowlistv1.Cipher_PADDING_PKCS7, "pkcs5": allowlistv1.Cipher_PADDING_PKCS7,
		"none": allowlistv1.Cipher_PADDING_NONE, "nopadding": allowlistv1.Cipher_PADDING_NONE,
		"zero": allowlistv1.Cipher_PADDING_ZERO, "zeros": allowlistv1.Cipher_PADDING_ZERO,
	})
}

func formOf(t testing.TB, text string) allowlistv1.SessionKey_Form {
	t.Helper()
	const letters = allowlistv1.SessionKey_FORM_ALPHANUMERIC // on input, any string
	return word(t, "form", text, map[string]allowlistv1.SessionKey_Form{
		"": 0, "raw": allowlistv1.SessionKey_FORM_RAW,
		"ascii": letters, "ascii_alnum": letters, "alnum": letters, "alphanumeric": letters, "ascii_digits": letters, "digits": letters, "text": letters,
		"base64": allowlistv1.SessionKey_FORM_BASE64, "base64_text": allowlistv1.SessionKey_FORM_BASE64,
		"hex": allowlistv1.SessionKey_FORM_HEX, "hex_text": allowlistv1.SessionKey_FORM_HEX,
	})
}

func curveOf(t testing.TB, text string) allowlistv1.Ecdh_Curve {
	t.Helper()
	return word(t, "curve", text, map[string]allowlistv1.Ecdh_Curve{
		"x25519": allowlistv1.Ecdh_CURVE_X25519, "curve25519": allowlistv1.Ecdh_CURVE_X25519,
		"p-256": allowlistv1.Ecdh_CURVE_P256, "p256": allowlistv1.Ecdh_CURVE_P256, "prime256v1": allowlistv1.Ecdh_CURVE_P256, "secp256r1": allowlistv1.Ecdh_CURVE_P256,
	})
}

func ivSourceOf(t testing.TB, text string) allowlistv1.Iv_Source {
	t.Helper()
	return word(t, "iv source", text, map[string]allowlistv1.Iv_Source{
		"random": allowlistv1.Iv_SOURCE_RANDOM, "random_ascii": allowlistv1.Iv_SOURCE_RANDOM_TEXT, "random_text": allowlistv1.Iv_SOURCE_RANDOM_TEXT,
		"zero": allowlistv1.Iv_SOURCE_ZERO, "zeros": allowlistv1.Iv_SOURCE_ZERO, "key_prefix": allowlistv1.Iv_SOURCE_KEY_PREFIX,
		"kdf": allowlistv1.Iv_SOURCE_DERIVED, "from_kdf": allowlistv1.Iv_SOURCE_DERIVED, "derived": allowlistv1.Iv_SOURCE_DERIVED,
		"peer_flipped": allowlistv1.Iv_SOURCE_PEER_FLIPPED,
	})
}

func slotOf(t testing.TB, text string) allowlistv1.Part_Slot {
	t.Helper()
	return word(t, "part", text, map[string]allowlistv1.Part_Slot{
		"iv": allowlistv1.Part_SLOT_IV, "nonce": allowlistv1.Part_SLOT_IV, "ct": allowlistv1.Part_SLOT_CIPHERTEXT, "ciphertext": allowlistv1.Part_SLOT_CIPHERTEXT,
		"tag": allowlistv1.Part_SLOT_TAG, "salt": allowlistv1.Part_SLOT_SALT, "wrapped_key": allowlistv1.Part_SLOT_WRAPPED_KEY,
		"mac": allowlistv1.Part_SLOT_MAC, "aad": allowlistv1.Part_SLOT_AAD,
		"ephemeral": allowlistv1.Part_SLOT_EPHEMERAL_KEY, "ephemeral_key": allowlistv1.Part_SLOT_EPHEMERAL_KEY, "epk": allowlistv1.Part_SLOT_EPHEMERAL_KEY,
		"certificate_sha256": allowlistv1.Part_SLOT_CERTIFICATE_SHA256, "cert_sha256": allowlistv1.Part_SLOT_CERTIFICATE_SHA256,
		"public_key_sha256": allowlistv1.Part_SLOT_PUBLIC_KEY_SHA256, "key_sha256": allowlistv1.Part_SLOT_PUBLIC_KEY_SHA256,
		"fingerprint": allowlistv1.Part_SLOT_PUBLIC_KEY_SHA256,
	})
}

// The ways to wrap a key.
const (
	wrapOAEP = iota
	wrapPKCS1
	wrapAES
)

func wrapOf(t testing.TB, text string) int {
	t.Helper()
	return word(t, "wrap", text, map[string]int{
		"rsa-oaep": wrapOAEP, "rsaes-oaep": wrapOAEP, "rsa-oaep-1": wrapOAEP, "rsa-oaep-256": wrapOAEP, "rsa-oaep-384": wrapOAEP, "rsa-oaep-512": wrapOAEP,
		"rsa-pkcs1v15": wrapPKCS1, "rsa-pkcs1": wrapPKCS1, "rsaes-pkcs1-v1_5": wrapPKCS1, "rsa1_5": wrapPKCS1,
		"aes-kw": wrapAES, "aeskw": wrapAES, "a128kw": wrapAES, "a192kw": wrapAES, "a256kw": wrapAES,
	})
}

func asymmetricOf(t testing.TB, text string) allowlistv1.Asymmetric_Algorithm {
	t.Helper()
	return word(t, "alg", strings.ReplaceAll(strings.ToLower(text), "_", "-"), map[string]allowlistv1.Asymmetric_Algorithm{
		"rsa-sha1": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1, "sha1withrsa": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1,
		"rsa-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256, "rs256": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256,
		"sha256withrsa": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256, "rsa-pkcs1v15-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256,
		"rsa-sha384": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA384, "rs384": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA384,
		"rsa-sha512": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512, "rs512": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512,
		"sha512withrsa":  allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512,
		"rsa-pss-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256, "ps256": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256,
		"rsa-pss-sha512": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512, "ps512": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512,
		"ecdsa-sha256": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER, "ecdsa-p256-sha256": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER,
		"ecdsa-p256-sha256-der": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER, "sha256withecdsa": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER,
		"ecdsa-sha256-p1363": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363, "ecdsa-p256-sha256-p1363": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363,
		"es256":        allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363,
		"ecdsa-sha384": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER, "ecdsa-p384-sha384": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER,
		"sha384withecdsa": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER,
		"ed25519":         allowlistv1.Asymmetric_ALGORITHM_ED25519, "eddsa": allowlistv1.Asymmetric_ALGORITHM_ED25519,
	})
}
