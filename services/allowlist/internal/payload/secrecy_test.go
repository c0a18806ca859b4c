package payload_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// exposures returns configurations that together have a reference in every possible position. They
// send as much as a configuration can.
func exposures() []string {
	hkdf := `derivation { hkdf {} salt { ` + secretAt("secret", "salt", "RAW") + ` } }`
	return []string{
		under("AES_256_CBC", staticIV) + onlyCT,
		under("AES_256_CBC", staticIV) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`,
		under("AES_256_CBC", "iv { source: SOURCE_KEY_PREFIX }") + onlyCT,
		under("AES_256_CBC", "iv { source: SOURCE_IN_PLAINTEXT }") + onlyCT,
		under("AES_256_CTR", "") + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`,
		under("AES_256_ECB", "") + onlyCT,
		under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA512 input: "${data}" `+secretAt("key", "b", "HEX")+` }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "RAW", "MAC") + ` text: "${data}:${m}" }`,
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + hkdf + ` } } `,
		strings.Replace(sharedEVP, `"workspaces/acme/secrets/pass"`, `"workspaces/acme/secrets/a"`, 1) + salted,
		sessionKey("AES_256_CTR", oaep, named("rsa", "PEM")+hkdf+"} "+strings.TrimSuffix(staticIV, "}")) + `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "HEX", "CIPHERTEXT") + ` text: "${k}.${d}" }`,
		sessionKey("AES_128_GCM", aesKW, named("a", "HEX")) + hybrid,
		sessionKey("AES_256_CBC", pkcs1, named("rsa", "PEM")) + wrappedIV,
		sessionKey("AES_256_GCM", oaep+"bytes: 16 derivation { hkdf {} } ", named("rsa", "PEM")) + hashedKey,
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { hkdf {} salt { sent_bytes: 20 } } } iv { source: SOURCE_SALT_SUFFIX } } ` + saltAndCT,
		under("AES_256_CFB", `padding: PADDING_UNSPECIFIED framing { random_bytes: 16 length: true suffix: "id" }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`,
		`cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_P256 ` + named("ec", "PEM") + hkdf + ` } } envelope { ` + blobOf("data", "BASE64", "EPHEMERAL_KEY", "IV", "CIPHERTEXT", "TAG") + `}`,
		`rsa_direct { oaep {} ` + named("rsa", "PEM") + ` }`,
		`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + hkdf + ` }`,
		`jose { key_management: KEY_MANAGEMENT_RSA_OAEP content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("cert", "PEM") + ` header { key: "kid" value: "${certificate_sha256}" } }`,
		`pgp { ` + named("pgp", "RAW") + strings.Replace(named("pgp", "RAW"), "keys", "signing_keys", 1) + secretAt("passphrase", "b", "HEX") + ` }`,
		cmsTo("AES_128_CBC", cmsPKCS1, named("rsa-pair", "PEM")+signers("ec-pair")),
		google("ec"),
		apple("ec"),
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { counter_kdf { counter_after_secret: true } } } } `,
		`fernet { ` + named("a", "HEX") + ` }`,
		`nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + named("b", "HEX") + ` }`,
		`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM compress: true ` + named("a", "HEX") + ` } outer_jws { jws { algorithm: ALGORITHM_HS256 } ` + named("b", "HEX") + ` }`,
		`signing { secret_digest { hash: HASH_SHA512 } ` + named("b", "HEX") + ` input: "${body}${secret}" headers { key: "S" value: "${signature}" } encoding: ENCODING_BASE64 }`,
		`signing { mac { algorithm: ALGORITHM_HMAC_SHA1 } ` + named("b", "HEX") + ` headers { key: "S" value: "${signature}" } }`,
		`signing { asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA1 } ` + named("rsa2", "PEM") + ` headers { key: "S" value: "${signature}" } }`,
	}
}

// plaintext begins with a block that the attacker knows.
const plaintext = "0123456789abcdef and what follows it"

// The bytes of a KEY reach no output: neither as they are, nor encoded, nor in a form from which
// they can be computed with all other secrets and the plaintext. Otherwise, the position takes a
// PARAMETER.
func TestKeysReachNoOutput(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	computed := map[string]bool{}
	for _, profile := range exposures() {
		c, err := acknowledged(t, "request { "+profile+" }")
		if err != nil {
			t.Fatalf("Parse(%s): %v", profile, err)
		}
		s := newSafe(t).with("a", randomHex(32)).with("b", randomHex(32)).with("iv", randomHex(16)).with("salt", randomHex(16))
		p := c.Pipeline(payload.Request)
		sent := s.encrypt(t, p, plaintext)
		outputs := decodings(sent)
		for _, ref := range c.References() {
			place := regexp.MustCompile(`\[\d+\]`).ReplaceAllString(strings.TrimPrefix(ref.Field, "request."), "")
			covered[place] = true
			secret := stored(t, s, ref)
			if ref.Usage == payload.KeyUsage && stands(secret, outputs) {
				t.Errorf("%s: the secret of %s occurs in the output", profile, place)
			}
			var others [][]byte
			for _, other := range c.References() {
				if other.Secret != ref.Secret {
					others = append(others, stored(t, s, other))
				}
			}
			if computable(secret, others, outputs) {
				computed[place] = true
				if ref.Usage == payload.KeyUsage {
					t.Errorf("%s: the secret of %s can be computed", profile, place)
				}
			}
		}
	}
	// The computation works, which is why the IV is a parameter.
	if diff := cmp.Diff(map[string]bool{"cipher.iv.secret": true}, computed); diff != "" {
		t.Errorf("positions whose secret can be computed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(positions())), slices.Sorted(maps.Keys(covered))); diff != "" {
		t.Errorf("tested positions (-want +got):\n%s", diff)
	}
}

func TestParametersAreWhatIsSentOrComputable(t *testing.T) {
	t.Parallel()
	for place := range positions() {
		parameter := strings.HasSuffix(place, "salt.secret") || strings.HasSuffix(place, "iv.secret")
		if got := positions()[place] == payload.ParameterUsage; got != parameter {
			t.Errorf("%s takes a parameter: %v, want %v", place, got, parameter)
		}
	}
}

// positions returns all places below a profile where a reference may occur, found by reflection,
// with the usage that the engine assigns to them.
func positions() map[string]payload.Usage {
	found := map[string]payload.Usage{}
	eachPosition(new(allowlistv1.Encryption).ProtoReflect().Type(), func(m protoreflect.Message, ref *allowlistv1.SecretRef) {
		ref.Name = "workspaces/acme/secrets/x"
		pb := m.Interface().(*allowlistv1.Encryption)
		payload.EachReference(pb, func(path string, _ *allowlistv1.SecretRef) {
			place, ok := strings.CutPrefix(regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, ""), "encryption.request.")
			if ok {
				found[place] = payload.UsageAt(path)
			}
		})
	})
	return found
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// stored returns the bytes of the secret that a reference names. For a private key, it returns the
// end of its DER encoding, which is private.
func stored(t *testing.T, s safe, ref payload.Reference) []byte {
	t.Helper()
	text := []byte(s[strings.TrimPrefix(ref.Secret, "workspaces/acme/secrets/")][0])
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes[max(0, len(block.Bytes)-64):]
	}
	if raw, err := hex.DecodeString(string(text)); err == nil {
		return raw
	}
	if block, err := armor.Decode(bytes.NewReader(text)); err == nil {
		packet, err := io.ReadAll(block.Body)
		if err != nil {
			t.Fatal(err)
		}
		return packet[58:86] // of the scalar of an EdDSA key, after the public point
	}
	return text
}

// decodings returns everything that can be read from a message: its strings, their decoded forms,
// and the decoded forms of the strings in those.
func decodings(sent payload.Output) [][]byte {
	texts := [][]byte{sent.Body}
	for _, h := range sent.Headers {
		texts = append(texts, []byte(h.Value))
	}
	word := regexp.MustCompile(`[A-Za-z0-9+/_=-]{8,}`)
	for i := 0; i < len(texts) && i < 64; i++ {
		for _, text := range word.FindAll(texts[i], -1) {
			bare := strings.TrimRight(string(text), "=")
			for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
				if raw, err := decode(bare); err == nil {
					texts = append(texts, raw)
				}
			}
		}
	}
	return texts
}

// stands reports whether an output contains 8 bytes of a secret, forward or backward.
func stands(secret []byte, outputs [][]byte) bool {
	backwards := bytes.Clone(secret)
	slices.Reverse(backwards)
	for _, way := range [][]byte{secret, backwards} {
		for i := 0; i+8 <= len(way); i++ {
			for _, output := range outputs {
				if bytes.Contains(output, way[i:i+8]) {
					return true
				}
			}
		}
	}
	return false
}

// computable reports whether a secret can be computed from some block of an output, the known
// plaintext, and another secret as a key, like an IV in CBC and a counter in CTR.
func computable(secret []byte, others, outputs [][]byte) bool {
	if len(secret) < aes.BlockSize {
		return false
	}
	known, got := []byte(plaintext[:aes.BlockSize]), make([]byte, aes.BlockSize)
	for _, key := range others {
		block, err := aes.NewCipher(key)
		if err != nil {
			continue
		}
		for _, output := range outputs {
			for i := 0; i+aes.BlockSize <= len(output); i++ {
				if solves(block, output[i:i+aes.BlockSize], known, got, secret) {
					return true
				}
			}
		}
	}
	return false
}

func solves(block cipher.Block, sealed, known, got, secret []byte) bool {
	for _, direction := range []func(dst, src []byte){block.Decrypt, block.Encrypt} {
		mixed := make([]byte, aes.BlockSize)
		subtle.XORBytes(mixed, sealed, known)
		for _, in := range [][]byte{sealed, mixed} {
			direction(got, in)
			if bytes.Contains(secret, got) {
				return true
			}
			subtle.XORBytes(got, got, known)
			if bytes.Contains(secret, got) {
				return true
			}
		}
	}
	return false
}
