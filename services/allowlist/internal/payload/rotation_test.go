package payload_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Messages from before a rotation decrypt after it if the scheme tells a wrong key from a right
// one, and only then.
func TestVersionsBeforeTheRotationOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	macOwn, macOther := `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" }`, `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" `+secretAt("key", "b", "HEX")+` }`
	withMAC := `envelope { ` + blobOf("d", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${d}.${m}" }`
	tests := []struct {
		name, profile, rotated string
		before, after          string
		live                   bool
	}{
		{"GCM", gcm, "a", keyA, keyB, true},
		{"CBC without a MAC", bareCBC, "a", keyA, keyB, false},
		{"CTR without a MAC", under("AES_256_CTR", ""), "a", keyA, keyB, false},
		{"CBC with a MAC", under("AES_256_CBC", macOwn) + withMAC, "a", keyA, keyB, true},
		{"CBC with another key's MAC", under("AES_256_CBC", macOther) + withMAC, "a", keyA, keyB, false},
		{"the MAC's own key", under("AES_256_CBC", macOther) + withMAC, "b", keyA, keyB, true},
		{"a key wrapped with OAEP under CBC", sessionKey("AES_128_CBC", oaep, named("rsa", "PEM")) + hybridCBC, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"a key wrapped with PKCS #1", sessionKey("AES_128_GCM", pkcs1, named("rsa", "PEM")) + hybrid, "rsa", s["rsa"][0], s["rsa2"][0], false},
		{"a key wrapped with AES", sessionKey("AES_128_CBC", aesKW, named("kek", "HEX")) + hybridCBC, "kek", keyA[:32], keyB[:32], true},
		{"RSA itself", `rsa_direct { oaep {} ` + named("rsa", "PEM") + ` }`, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"JWE", `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A128CBC_HS256 ` + named("rsa", "PEM") + ` }`, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"a nested signature", gcm + `nested_jws { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa", "PEM") + ` }`, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"a signature around a JWE", `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` } outer_jws { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa", "PEM") + ` }`, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"a signature", `signing { asymmetric { algorithm: ALGORITHM_RSA_PSS_SHA256 } ` + named("rsa", "PEM") + ` headers { key: "S" value: "${signature}" } }`, "rsa", s["rsa"][0], s["rsa2"][0], true},
		{"a pinned version", strings.Replace(gcm, "decoding", "version: 1 decoding", 1), "a", keyA, keyB, false},
	}
	for _, tt := range tests {
		p := legacyPipeline(t, tt.profile)
		for _, ref := range p.DecryptReferences() {
			if strings.HasSuffix(ref.Secret, "/"+tt.rotated) && ref.Previous != tt.live {
				t.Errorf("%s: live = %v, want %v", tt.name, ref.Previous, tt.live)
			}
		}
		sent := s.with(tt.rotated, tt.before).encrypt(t, p, "body")
		out, err := s.with(tt.rotated, tt.after, tt.before).decrypt(t, p, sent)
		if opened := err == nil && string(out.Body) == "body"; opened != tt.live {
			t.Errorf("%s: Decrypt after the rotation = %q, %v", tt.name, out.Body, err)
		}
		if tt.live && !cmp.Equal(out.Used[len(out.Used)-1].Version, uint32(1)) && !cmp.Equal(out.Used[0].Version, uint32(1)) {
			t.Errorf("%s: used %v, want the first version among them", tt.name, out.Used)
		}
	}
}

// A version before the newest may have been of a different kind.
func TestAnUnusableVersionIsSkipped(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	profiles := map[string]string{
		"a": gcm, "rsa": sessionKey("AES_128_CBC", oaep, named("rsa", "PEM")) + hybridCBC, "kek": sessionKey("AES_128_CBC", aesKW, named("kek", "HEX")) + hybridCBC,
		"b": `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + named("b", "HEX") + ` headers { key: "S" value: "${signature}" } }`,
	}
	for name, profile := range profiles {
		p := legacyPipeline(t, profile)
		sent := s.encrypt(t, p, "body")
		s.with(name, s[name][0], "no key").opens(t, p, sent, "body")
		other := map[string]string{"rsa": s["rsa2"][0], "a": keyB, "b": keyA, "kek": keyB[:32]}[name]
		s.with(name, other, "no key", s[name][0]).opens(t, p, sent, "body")
		if _, err := s.with(name, "no key", s[name][0]).decrypt(t, p, sent); !fault.Is(err, payload.KeyNotUsable) {
			t.Errorf("%s: Decrypt with a newest version that is not a key: %v, want KEY_NOT_USABLE", name, err)
		}
	}
}

// Even if a caller passes several versions, CBC does not try them, because with a wrong key one
// padding in 256 looks right.
func TestCBCNeverTriesAnotherKey(t *testing.T) {
	t.Parallel()
	p := legacyPipeline(t, bareCBC)
	opened := 0
	for i := range 600 {
		sent := newSafe(t).with("a", keyA).encrypt(t, p, fmt.Sprint("body ", i))
		keys := payload.Keys{append(newSafe(t).with("a", keyB).keys(t, p.DecryptReferences())[0], newSafe(t).with("a", keyA).keys(t, p.DecryptReferences())[0]...)}
		out, err := p.Decrypt(payload.Input{Now: now, Keys: keys, Body: sent.Body})
		if err == nil && strings.HasPrefix(string(out.Body), "body") {
			opened++
		}
	}
	if opened > 0 {
		t.Errorf("%d of 600 messages opened with the second version", opened)
	}
}

func TestAllLiveKeysSignAList(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } `+named("a", "HEX")+named("b", "HEX")+` headers { key: "S" value: "${signatures}" } list { item: "v1,${signature}" separator: " " } }`)
	rotated := s.with("a", s["pass"][0]+"00", keyA)
	rotated["a"][0] = keyB[:32]
	sent := rotated.encrypt(t, p, "body")
	if got := strings.Count(sent.Headers[0].Value, "v1,"); got != 3 {
		t.Errorf("there are %d signatures, want those of two versions and of another key: %s", got, sent.Headers[0].Value)
	}
	// A partner that has not rotated yet verifies with the old key.
	s.opens(t, p, sent, "body")
	out, err := p.Verify(payload.Input{Now: now, Keys: s.keys(t, p.VerifyReferences()), Body: sent.Body, Headers: came(sent.Headers)})
	if err != nil || string(out.Body) != "body" || len(out.Used) != 1 {
		t.Errorf("Verify = %+v, %v", out, err)
	}
}

func TestGraceIsAsConfigured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		given *durationpb.Duration
		want  time.Duration
		good  bool
	}{
		{nil, 24 * time.Hour, true},
		{durationpb.New(0), 0, true},
		{durationpb.New(30 * 24 * time.Hour), 720 * time.Hour, true},
		{durationpb.New(30*24*time.Hour + 1), 0, false},
		{durationpb.New(-1), 0, false},
	} {
		pb := message(t, "request { "+gcm+" }")
		pb.RotationGrace = tt.given
		c, err := payload.Parse(pb, "acme", now)
		if (err == nil) != tt.good || tt.good && c.Grace() != tt.want {
			t.Errorf("Parse with a grace of %v: %v", tt.given, err)
		}
	}
}
