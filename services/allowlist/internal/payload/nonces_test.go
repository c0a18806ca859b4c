package payload_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func randomBits(t testing.TB, profile string) int {
	t.Helper()
	return payload.RandomBits(message(t, "request { "+profile+" }").GetRequest())
}

// TestRandomBitsOfEveryAlgorithmAndIV fails for an algorithm or a source that it does not know, so
// that additions to the contract are considered here.
func TestRandomBitsOfEveryAlgorithmAndIV(t *testing.T) {
	t.Parallel()
	// The IV length of each algorithm in bytes.
	ivs := map[string]int{
		"AES_128_GCM": 12, "AES_192_GCM": 12, "AES_256_GCM": 12, "CHACHA20_POLY1305": 12,
		"AES_128_CBC": 16, "AES_192_CBC": 16, "AES_256_CBC": 16, "AES_128_CTR": 16, "AES_192_CTR": 16, "AES_256_CTR": 16,
		"AES_128_CFB": 16, "AES_192_CFB": 16, "AES_256_CFB": 16, "AES_128_OFB": 16, "AES_192_OFB": 16, "AES_256_OFB": 16,
		"AES_128_ECB": 0, "AES_192_ECB": 0, "AES_256_ECB": 0, "TRIPLE_DES_CBC": 8, "TRIPLE_DES_ECB": 0, "UNSPECIFIED": 0,
	}
	// The random bits of each source, by IV length.
	all, none := map[int]int{0: 0, 8: 64, 12: 96, 16: 128}, map[int]int{}
	sources := map[string]map[int]int{
		"UNSPECIFIED": all, "RANDOM": all, "IN_PLAINTEXT": all,
		"RANDOM_TEXT": {8: 47, 12: 71, 16: 95}, // 5.95 bits a character
		"STATIC":      none, "ZERO": none, "KEY_PREFIX": none, "DERIVED": none, "FIELD_SUFFIX": none, "PEER_FLIPPED": none, "SALT_SUFFIX": none,
	}
	for _, algorithm := range allowlistv1.Cipher_Algorithm_name {
		algorithm = strings.TrimPrefix(algorithm, "ALGORITHM_")
		iv, known := ivs[algorithm]
		if !known {
			t.Errorf("the algorithm %s is not known here", algorithm)
		}
		for _, source := range allowlistv1.Iv_Source_name {
			bits, known := sources[strings.TrimPrefix(source, "SOURCE_")]
			if !known {
				t.Errorf("the source %s is not known here", source)
			}
			if got := randomBits(t, under(algorithm, "iv { source: "+source+" }")); got != bits[iv] {
				t.Errorf("RandomBits of %s with an IV %s = %d, want %d", algorithm, source, got, bits[iv])
			}
		}
	}
}

func TestRandomBitsOfKeysThatAreFresh(t *testing.T) {
	t.Parallel()
	derived := func(algorithm, salt, iv string) string {
		return `cipher { algorithm: ALGORITHM_` + algorithm + ` shared_key { ` + named("pass", "RAW") + ` derivation { hkdf {} salt { ` + salt + ` } } } iv { source: SOURCE_` + iv + ` } }`
	}
	secretSalt := secretAt("secret", "salt", "HEX")
	tests := []struct {
		name, profile string
		want          int
	}{
		{"GCM with an IV of 16 bytes", under("AES_256_GCM", "iv { bytes: 16 }"), 128},
		{"text of 16 bytes", under("AES_256_GCM", "iv { bytes: 16 source: SOURCE_RANDOM_TEXT }"), 95},
		{"a static salt adds nothing", derived("AES_256_GCM", secretSalt, "RANDOM"), 96},
		{"a salt that is sent adds its bits", derived("AES_256_GCM", "sent_bytes: 8", "RANDOM"), 160},
		{"a derived IV has the bits of its salt", derived("AES_256_CBC", "sent_bytes: 8", "DERIVED"), 64},
		{"so has a static one", derived("AES_256_CBC", "sent_bytes: 16", "ZERO"), 128},
		{"a derived IV with a static salt has none", derived("AES_256_CBC", secretSalt, "DERIVED"), 0},
		{"a long salt makes no more keys than there are", derived("AES_128_CBC", "sent_bytes: 64", "ZERO"), 128},
		{"it makes keys with IVs", derived("AES_128_CBC", "sent_bytes: 32", "DERIVED"), 256},
		{"more than 256 are 256", derived("AES_256_CBC", "sent_bytes: 64", "RANDOM"), 256},
		{"an IV that is the end of a salt", saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }"), 160},
		{"a salt that is an IV only in part", saltSuffix("AES_128_CBC", "hkdf {} salt { sent_bytes: 64 }"), 256},
		{"OpenSSL's salt", sharedEVP + salted, 64},
		{"a session key under AES Key Wrap", sessionKey("AES_128_GCM", aesKW, named("kek", "HEX")), 224},
		{"one of 22 characters", sessionKey("AES_256_GCM", aesKW+`bytes: 22 form: FORM_ALPHANUMERIC derivation { hkdf {} } `, named("kek", "HEX")), 226},
		{"a session key under RSA", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")), 0},
		{"one under PKCS #1 v1.5", sessionKey("AES_128_GCM", pkcs1, named("rsa", "PEM")), 0},
		{"an agreed key", `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_P256 ` + named("ec", "PEM") + ` derivation { hkdf {} } } }`, 0},
		{"the key of the exchange", `cipher { algorithm: ALGORITHM_AES_256_GCM exchange_key {} }`, 0},
		{"RSA itself", `rsa_direct { ` + named("rsa", "PEM") + ` oaep {} }`, 0},
		{"OpenPGP", `pgp { ` + named("pgp", "RAW") + ` }`, 0},
		{"CMS", cmsTo("AES_256_GCM", cmsOAEP, named("rsa", "PEM")), 0},
		{"Fernet", `fernet { ` + named("a", "HEX") + ` }`, 128},
		{"a signature alone", mac, 0},
		{"nothing", "", 0},
	}
	for _, tt := range tests {
		if got := randomBits(t, tt.profile); got != tt.want {
			t.Errorf("%s: RandomBits = %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := payload.RandomBits(nil); got != 0 {
		t.Errorf("RandomBits of no profile = %d", got)
	}
}

func TestRandomBitsOfEveryJSONWebEncryption(t *testing.T) {
	t.Parallel()
	// The random bits of the IV and of the key of each content encryption.
	contents := map[string][2]int{
		"A128GCM": {96, 128}, "A192GCM": {96, 192}, "A256GCM": {96, 256},
		"A128CBC_HS256": {128, 256}, "A192CBC_HS384": {128, 256}, "A256CBC_HS512": {128, 256},
	}
	managements := map[string]func(iv, key int) int{
		"DIR":    func(iv, _ int) int { return iv },
		"A128KW": func(iv, key int) int { return min(iv+key, 256) }, "A256KW": func(iv, key int) int { return min(iv+key, 256) },
		"A128GCMKW": func(int, int) int { return 96 }, "A256GCMKW": func(int, int) int { return 96 },
	}
	public := []string{"UNSPECIFIED", "RSA_OAEP", "RSA_OAEP_256", "RSA1_5", "ECDH_ES", "ECDH_ES_A128KW", "ECDH_ES_A256KW"}
	for _, management := range allowlistv1.Jose_KeyManagement_name {
		management = strings.TrimPrefix(management, "KEY_MANAGEMENT_")
		bits, known := managements[management]
		if !known && !slices.Contains(public, management) {
			t.Errorf("the key management %s is not known here", management)
		}
		for _, content := range allowlistv1.Jose_ContentEncryption_name {
			content = strings.TrimPrefix(content, "CONTENT_ENCRYPTION_")
			sizes, there := contents[content]
			if !there && content != "UNSPECIFIED" {
				t.Errorf("the content encryption %s is not known here", content)
			}
			want := 0
			if known && there {
				want = bits(sizes[0], sizes[1])
			}
			got := randomBits(t, fmt.Sprintf("jose { key_management: KEY_MANAGEMENT_%s content_encryption: CONTENT_ENCRYPTION_%s }", management, content))
			if there && got != want {
				t.Errorf("RandomBits of %s with %s = %d, want %d", management, content, got, want)
			}
		}
	}
	wide := `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM compatibility { gcm_iv_bytes: 16 } }`
	if got := randomBits(t, wide); got != 128 {
		t.Errorf("RandomBits of GCM with an IV of 16 bytes = %d, want 128", got)
	}
}

// A taken records values that were taken from a budget.
type taken struct {
	Use          payload.UsedKey
	Bits, Values int
}

func TestEncryptTakesEachValueFromTheBudgetOfItsKey(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	dir := func(management string) string {
		return `jose { key_management: KEY_MANAGEMENT_` + management + ` content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` }`
	}
	body := `{"a":"1","b":"2"}`
	tests := []struct {
		name, profile string
		want          []taken
	}{
		{"a body is one value", gcm, []taken{{Bits: 96, Values: 1}}},
		{"two fields are two", gcm + twoFields, []taken{{Bits: 96, Values: 2}}},
		{"missing fields do not count", gcm + fields("missing: MISSING_SKIP", "$.x"), nil},
		{"two fields in CBC", under("AES_256_CBC", "") + twoFields, []taken{{Bits: 128, Values: 2}}},
		{"two JSON Web Encryptions", dir("DIR") + twoFields, []taken{{Bits: 96, Values: 2}}},
		{"two wrapped keys", dir("A256GCMKW") + twoFields, []taken{{Bits: 96, Values: 2}}},
		{"no budget", dir("A256KW") + twoFields, nil},
		{"a signature", mac, nil},
	}
	for _, tt := range tests {
		var got []taken
		p := legacyPipeline(t, tt.profile)
		_, err := p.Encrypt(payload.Input{
			Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body),
			Nonces: func(use payload.UsedKey, bits, values int) error {
				got = append(got, taken{use, bits, values})
				return nil
			},
		})
		for i := range tt.want {
			tt.want[i].Use.Version = 1
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: Encrypt = %v; taken (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestNothingIsEncryptedWithoutABudget(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	spent := errors.New("used up")
	for _, profile := range []string{
		gcm, under("AES_256_CBC", ""), gcm + twoFields,
		`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` }`,
	} {
		p := legacyPipeline(t, profile)
		in := payload.Input{Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(`{"a":"1","b":"2"}`)}
		if out, err := p.Encrypt(in); err == nil || out.Body != nil {
			t.Errorf("%s: without a budget Encrypt = %q, %v", profile, out.Body, err)
		}
		in.Nonces = func(payload.UsedKey, int, int) error { return spent }
		if out, err := p.Encrypt(in); !errors.Is(err, spent) || out.Body != nil {
			t.Errorf("%s: with an exhausted budget Encrypt = %q, %v", profile, out.Body, err)
		}
	}
}
