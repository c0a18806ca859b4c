package payload_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
)

// anyPurpose is for tests that check other fields of references.
var anyPurpose = cmpopts.IgnoreFields(payload.Reference{}, "Purpose")

// acknowledge acknowledges flags for a year.
func acknowledge(flags []allowlistv1.LegacyAcknowledgement_Flag) []*allowlistv1.LegacyAcknowledgement {
	var all []*allowlistv1.LegacyAcknowledgement
	for _, flag := range flags {
		all = append(all, &allowlistv1.LegacyAcknowledgement{Flag: flag, Reason: "a test", ExpireTime: timestamppb.New(now.AddDate(1, 0, 0))})
	}
	return all
}

// purposeOf returns the chains of a secret in a configuration.
func purposeOf(t *testing.T, configuration, secret string) []string {
	t.Helper()
	c, err := acknowledged(t, configuration)
	if err != nil {
		t.Fatalf("Parse(%s): %v", configuration, err)
	}
	return c.KeyPurposes()["workspaces/acme/secrets/"+secret].List()
}

func TestChainsSayAllThatIsDoneToAKey(t *testing.T) {
	t.Parallel()
	pbkdf2 := func(salt string) string {
		return `cipher { algorithm: ALGORITHM_AES_256_CBC iv { source: SOURCE_DERIVED } shared_key { ` + named("a", "RAW") +
			` derivation { pbkdf2 { iterations: 1000 } ` + salt + ` } } } `
	}
	checkChains(t, []chain{
		{"a shared key", gcm, "a", "hex > AES-256-GCM(iv=random/12,tag=16)"},
		{
			"the IV rule and the padding", under("AES_256_CBC", "iv { source: SOURCE_ZERO }") + onlyCT, "a",
			"hex > AES-256-CBC(padding=pkcs7,iv=zero/16)",
		},
		{
			"a frame, without its public suffix", under("AES_256_CBC", `padding: PADDING_PKCS7_32 framing { random_bytes: 16 length: true suffix: "corp" }`), "a",
			"hex > AES-256-CBC(padding=pkcs7-32,iv=random/16,frame=random/16+length)",
		},
		{
			"a wrapped IV", sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")) + wrappedIV, "rsa",
			"pem > RSA-OAEP(SHA256) > session(raw/32) > AES-256-CBC(padding=pkcs7,iv=wrapped-random/16)",
		},
		{
			"the hash of a session key", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hashedKey, "rsa",
			"pem > RSA-OAEP(SHA256) > session(raw/16,hash=sent) > AES-128-GCM(iv=random/12,tag=16)",
		},
		{
			"an IV that is the end of the salt", saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }") + saltAndCT, "pass",
			"raw > HKDF-SHA256(salt=sent/20,bytes=32) > AES-256-GCM(iv=salt-suffix/12,tag=16)",
		},
		{"Fernet", `fernet { ` + named("a", "BASE64URL") + ` }`, "a", "base64url > FERNET"},
		{"a mode with feedback", under("AES_256_OFB", ""), "a", "hex > AES-256-OFB(iv=random/16)"},
		{
			"a derivation with its parameters, and a derived IV", pbkdf2(`salt { `+secretAt("secret", "salt", "RAW")+` }`) + onlyCT, "a",
			"raw > PBKDF2-SHA256(salt=secret,bytes=48) > AES-256-CBC(padding=pkcs7,iv=derived/16)",
		},
		{"OpenSSL's", sharedEVP + salted, "pass", "raw > EVP-SHA256(salt=sent/8,bytes=48) > AES-256-CBC(padding=pkcs7,iv=derived/16)"},
		{
			"a wrap", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hybrid, "rsa",
			"pem > RSA-OAEP(SHA256) > session(raw/16) > AES-128-GCM(iv=random/12,tag=16)",
		},
		{"RSA over the bytes themselves", `rsa_direct { oaep { mgf1_hash: HASH_SHA1 } ` + named("rsa", "RAW") + ` }`, "rsa", "pem > RSA-OAEP(SHA256,mgf1=SHA1) > value"},
		{
			"a JWE", `jose { key_management: KEY_MANAGEMENT_A256KW content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` }`, "a",
			"hex > JWE(alg=A256KW,enc=A256GCM)",
		},
		{"a CMS message", cmsTo("AES_256_GCM", cmsOAEP, named("rsa", "PEM")+signers("ec")), "rsa", "pem > RSA-OAEP(SHA256) > CMS(AES-256-GCM)"},
		{"its signature", cmsTo("AES_256_GCM", cmsOAEP, named("rsa", "PEM")+signers("ec")), "ec", "pem > CMS-SIGN-SHA256"},
		{
			"a key that is derived from the ephemeral key, and that of a MAC", google("ec"), "ec",
			"pem > ECDH-P256(ephemeral-first) > HKDF-SHA256(info=ce770667e5f9b0d8,bytes=64) > AES-256-CTR(iv=zero/16) under HMAC-SHA256 of 32 more bytes",
		},
		{
			"a counter", `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { counter_kdf { counter_after_secret: true } } } } `, "a",
			"hex > COUNTER-SHA256(after,bytes=32) > AES-256-GCM(iv=random/12,tag=16)",
		},
		{
			"a JWE with compression", `jose { key_management: KEY_MANAGEMENT_A256KW content_encryption: CONTENT_ENCRYPTION_A256GCM compress: true ` + named("a", "HEX") + ` }`, "a",
			"hex > JWE(alg=A256KW,enc=A256GCM,zip=DEF)",
		},
	})
}

func TestChainsSayWhatASignatureIsOf(t *testing.T) {
	t.Parallel()
	checkChains(t, []chain{
		{
			"a signature around a JWE",
			`jose { key_management: KEY_MANAGEMENT_A256KW content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` } outer_jws { jws { algorithm: ALGORITHM_ES512 } ` + named("p521", "PEM") + ` }`,
			"p521", "pem > JWS-ES512",
		},
		{
			"a MAC with a separate key",
			under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA512 input: "${data}" `+secretAt("key", "b", "HEX")+` }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "RAW", "MAC") + ` text: "${data}:${m}" }`,
			"b", "hex > HMAC-SHA512(of=ciphertext)",
		},
		{
			"a signature", `signing { asymmetric { algorithm: ALGORITHM_RSA_PSS_SHA256 } ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signature}" } }`,
			"rsa", "pem > SIGN-RSA-PSS-SHA256",
		},
		{
			"a digest, by the position of the secret", `signing { secret_digest { hash: HASH_SHA512 } ` + named("b", "RAW") + ` input: "${body}|${secret|hex}|x${timestamp}" headers { key: "S" value: "${signature}" } }`,
			"b", "raw > SECRET-DIGEST-SHA512(*S|hex*)",
		},
		{
			"an encrypted digest", `signing { encrypted_digest { iv: "0123456789abcdef" } ` + named("b", "RAW") + ` headers { key: "S" value: "${signature}" } }`,
			"b", "raw > AES-128-CBC(iv=static,of=digest)",
		},
		{
			"and alone", `signing { secret_digest { hash: HASH_SHA256 } ` + named("b", "RAW") + ` input: "${secret}" headers { key: "S" value: "${signature}" } }`,
			"b", "raw > SECRET-DIGEST-SHA256(S)",
		},
	})
}

// A chain is what a profile does to the key of a secret.
type chain struct{ name, profile, secret, want string }

func checkChains(t *testing.T, chains []chain) {
	t.Helper()
	for _, tt := range chains {
		if got := purposeOf(t, "request { "+tt.profile+" }", tt.secret); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Public parts may be corrected at any time, because they do not change a purpose.
func TestPublicPartsAreNoPartOfAPurpose(t *testing.T) {
	t.Parallel()
	signing := func(input, header string) string {
		return `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + named("b", "RAW") + ` input: "` + input + `" headers { key: "` + header + `" value: "${signature}" } } }`
	}
	want := purposeOf(t, signing("${body}", "S"), "b")
	if got := purposeOf(t, signing("${method}\\n${path}\\n${body|sha256|hex}", "X-Sig"), "b"); !slices.Equal(got, want) || len(got) != 1 {
		t.Errorf("another input has the purpose %q, want %q", got, want)
	}
}

// chains returns one or more chains of each kind: those of all exposures of a KEY, and the chains
// of further algorithms.
func chains(t *testing.T) []string {
	t.Helper()
	var all []string
	more := []string{
		gcm, under("AES_256_CBC", "iv { source: SOURCE_ZERO } padding: PADDING_NONE") + onlyCT, under("CHACHA20_POLY1305", ""),
		`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + named("b", "HEX") + ` headers { key: "S" value: "${signature}" } }`,
		`signing { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signature}" } }`,
		`rsa_direct { pkcs1_v15 {} ` + named("rsa", "PEM") + ` }`,
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { digest { hash: HASH_SHA256 } } } }`,
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { pbkdf2 { iterations: 1000 } salt { sent_bytes: 16 } } } } ` + saltedGCM,
		`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("a", "HEX") + ` derivation { scrypt { n: 16384 } salt { sent_bytes: 16 } } } } ` + saltedGCM,
	}
	for _, profile := range append(exposures(), more...) {
		c, err := acknowledged(t, "request { "+profile+" }")
		if err != nil {
			t.Fatalf("Parse(%s): %v", profile, err)
		}
		for _, p := range c.KeyPurposes() {
			all = append(all, p.List()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const saltedGCM = `envelope { ` + `blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } }`

// TestEveryPairOfChainsIsRefusedOrHarmless checks all pairs. If two configurations use one KEY,
// the vault refuses the second unless its purpose is the same string, so it is enough here that no
// two chains are equal strings. In a single configuration, a pair needs a super admin's
// acknowledgement unless there is a recorded reason why it is harmless.
func TestEveryPairOfChainsIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	all := chains(t)
	if len(all) < 20 {
		t.Fatalf("the model has %d chains only: %q", len(all), all)
	}
	conflicts := 0
	for i, a := range all {
		if !purpose.IsChain(a) {
			t.Errorf("%s has no class", a)
		}
		for _, b := range all[i+1:] {
			if purpose.Conflict(a, b) != purpose.Conflict(b, a) {
				t.Errorf("%s and %s conflict in one order only", a, b)
			}
			if !purpose.Conflict(a, b) {
				if reason := purpose.Harmless(a, b); len(reason) < 20 {
					t.Errorf("%s and %s do not conflict, without a reason", a, b)
				}
				continue
			}
			conflicts++
		}
	}
	if conflicts < len(all) {
		t.Errorf("%d pairs of %d chains conflict", conflicts, len(all))
	}
	for _, pair := range [][2]string{ // the attacks that purposes prevent
		{"hex > AES-256-GCM(iv=random/12,tag=16)", "hex > AES-256-CBC(padding=none,iv=zero/16)"},
		{"raw > HMAC-SHA256(of=message)", "raw > SCRYPT(r=8,p=1,salt=secret,bytes=32) > AES-256-GCM(iv=random/12,tag=16)"},
		{"raw > HMAC-SHA256(of=message)", "raw > PBKDF2-SHA256(salt=secret,bytes=32) > AES-256-GCM(iv=random/12,tag=16)"},
		{"raw > DIGEST-SHA256(bytes=32) > AES-256-GCM(iv=random/12,tag=16)", "raw > SECRET-DIGEST-SHA256(S)"},
		{"pem > RSA-OAEP(SHA256) > session(raw/32) > AES-256-GCM(iv=random/12,tag=16)", "pem > RSA-PKCS1V15 > value"},
		{"pem > RSA-PKCS1V15 > value", "pem > SIGN-RSA-PKCS1V15-SHA256"},
		{"raw > HMAC-SHA256(of=message)", "raw > SECRET-DIGEST-SHA256(S)"},                          // of a key longer than a block
		{"raw > AES-128-CBC(iv=static,of=digest)", "raw > AES-128-CBC(padding=pkcs7,iv=static/16)"}, // encrypts any digest
		{"raw > PBKDF2-SHA256(salt=secret,bytes=48) > AES-256-CBC(padding=pkcs7,iv=derived/16)", "raw > PBKDF2-SHA256(salt=secret,bytes=64) > AES-256-CBC(padding=pkcs7,iv=random/16)"},
	} {
		if !purpose.Conflict(pair[0], pair[1]) {
			t.Errorf("%s and %s do not conflict", pair[0], pair[1])
		}
	}
}

func TestConflictingUsesInOneConfigurationAreAcknowledged(t *testing.T) {
	t.Parallel()
	both := "request { " + gcm + " } response { " + under("AES_256_CBC", "") + cbcEnvelope + " }"
	pb := message(t, both)
	pb.Response.AllowLegacy = acknowledge(payload.UnsafeChoices(pb.GetResponse()))
	_, err := payload.Parse(pb, "acme", now)
	if reason, fields := found(t, err); reason != payload.LegacyNotAcknowledged || !slices.Equal(fields, []string{"encryption.request.allow_legacy"}) {
		t.Errorf("two modes under one key = %v", err)
	}
	conflict := allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES
	pb.Request.AllowLegacy = acknowledge([]allowlistv1.LegacyAcknowledgement_Flag{conflict})
	c, err := payload.Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("acknowledged: %v", err)
	}
	if !slices.Contains(payload.OfSuperAdmins(), conflict) {
		t.Errorf("an owner may acknowledge it")
	}
	stored, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := payload.Load(stored); err != nil {
		t.Errorf("Load = %v", err)
	}
}

const cbcEnvelope = `envelope { blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } } } }`

func TestDeclaredUsesBelongToThePurpose(t *testing.T) {
	t.Parallel()
	with := func(secret, chain string) string {
		return `request { ` + gcm + ` } also_used_for { key { name: "workspaces/acme/secrets/` + secret + `" } chains: "` + chain + `" }`
	}
	want := []string{"hex > AES-256-GCM(iv=random/12,tag=16)", "hex > HMAC-SHA256(of=message)"}
	if diff := cmp.Diff(want, purposeOf(t, with("a", want[1]), "a")); diff != "" {
		t.Errorf("the purpose (-want +got):\n%s", diff)
	}
	// The endpoint with the other use declares this one, and has the same purpose.
	other := `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + named("a", "HEX") + ` headers { key: "S" value: "${signature}" } } }` +
		` also_used_for { key { name: "workspaces/acme/secrets/a" } chains: "` + want[0] + `" }`
	if diff := cmp.Diff(want, purposeOf(t, other, "a")); diff != "" {
		t.Errorf("the purpose in the other configuration (-want +got):\n%s", diff)
	}
	for what, configuration := range map[string]string{
		"encryption.also_used_for[0].key":       with("b", want[1]),
		"encryption.also_used_for[0].chains[0]": with("a", "hex > ROT13"),
	} {
		_, err := payload.Parse(message(t, configuration), "acme", now)
		if _, fields := found(t, err); !slices.Contains(fields, what) {
			t.Errorf("%s: fields %v", configuration, fields)
		}
	}
	_, err := payload.Parse(message(t, with("a", "hex > AES-256-CBC(padding=none,iv=zero/16)")), "acme", now)
	if reason, _ := found(t, err); reason != payload.LegacyNotAcknowledged {
		t.Errorf("a declared use that is an oracle for another = %v", err)
	}
}
