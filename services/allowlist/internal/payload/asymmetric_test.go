package payload_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// rsaKey returns a new private key as PEM.
func rsaKey(t testing.TB, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestRSAEncryptsSmallBodiesItself(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	direct := func(padding, keys string) string { return `rsa_direct { ` + padding + ` {} ` + keys + ` } ` }
	for _, padding := range []string{"oaep", "pkcs1_v15"} {
		p := legacyPipeline(t, direct(padding, named("rsa", "PEM")))
		for _, body := range []string{"", `{"a":1}`, strings.Repeat("x", 190)} {
			s.opens(t, p, s.encrypt(t, p, body), body)
		}
		_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: make([]byte, 250)})
		if !fault.Is(err, payload.BodyNotEncryptable) {
			t.Errorf("%s: Encrypt of 250 bytes: %v, want BODY_NOT_ENCRYPTABLE", padding, err)
		}
		other := legacyPipeline(t, direct(padding, named("rsa2", "PEM")))
		if _, err := s.decrypt(t, other, s.encrypt(t, p, "body")); payload.Stage(err) != "decrypt" {
			t.Errorf("%s: Decrypt with another key: %v", padding, err)
		}
	}
	both := legacyPipeline(t, direct("oaep", named("rsa2", "PEM")+named("rsa", "PEM")))
	s.opens(t, both, s.encrypt(t, legacyPipeline(t, direct("oaep", named("rsa-pub", "PEM"))), "body"), "body")
}

func TestEveryJWEOpens(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("a", keyA).with("half", keyA[:32]).with("a64", keyA+keyB)
	keys := map[string]string{
		"DIR": named("a", "HEX"), "A128KW": named("half", "HEX"), "A256KW": named("a", "HEX"), "A256GCMKW": named("a", "HEX"), "A128GCMKW": named("half", "HEX"),
		"RSA_OAEP": named("rsa", "PEM"), "RSA_OAEP_256": named("rsa", "PEM"), "RSA1_5": named("rsa", "PEM"),
		"ECDH_ES": named("ec", "PEM"), "ECDH_ES_A256KW": named("x25519", "PEM"), "ECDH_ES_A128KW": named("ec", "PEM"),
	}
	for alg, key := range keys {
		jwe := `jose { key_management: KEY_MANAGEMENT_` + alg + ` content_encryption: CONTENT_ENCRYPTION_A256GCM ` + key + ` header { key: "typ" value: "JOSE" } issued_at: ISSUED_AT_SECONDS } `
		for name, envelope := range map[string]string{
			"compact": "", "compact in JSON": `envelope { json: '{"d":"${jwe}"}' }`,
			"parts": `envelope { json: '{"h":"${protected}","k":"${encrypted_key}","iv":"${iv}","c":"${ciphertext}","t":"${tag}"}' }`,
		} {
			p := legacyPipeline(t, jwe+envelope)
			sent := s.encrypt(t, p, `{"a":1}`)
			s.opens(t, p, sent, `{"a":1}`)
			sent.Body = []byte(strings.Replace(string(sent.Body), "ey", "fy", 1))
			if _, err := s.decrypt(t, p, sent); !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("%s, %s: Decrypt with another header: %v", alg, name, err)
			}
		}
		p := legacyPipeline(t, jwe+fields("", "$.a", "$.b"))
		s.opens(t, p, s.encrypt(t, p, `{"a":1,"b":"x","c":2}`), `{"a":1,"b":"x","c":2}`)
	}
	derived := legacyPipeline(t, `jose { key_management: KEY_MANAGEMENT_A256GCMKW content_encryption: CONTENT_ENCRYPTION_A256GCM `+named("pass", "RAW")+` derivation { digest { hash: HASH_SHA256 } } }`)
	s.opens(t, derived, s.encrypt(t, derived, "body"), "body")
}

func TestJOSEHeadersCarryFingerprints(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	jwe := func(key, member string) string {
		return `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named(key, "PEM") + ` header { key: "kid" value: "` + member + `" } }`
	}
	for _, member := range []string{"${public_key_sha256}", "${certificate_sha256}"} {
		p := legacyPipeline(t, jwe("cert", member))
		header, _, _ := strings.Cut(string(s.encrypt(t, p, "body").Body), ".")
		if kid := string(unbase64(t, header)); strings.Contains(kid, "${") || len(kid) < 64 {
			t.Errorf("with %s the header is %s", member, kid)
		}
	}
	p := legacyPipeline(t, jwe("rsa", "${certificate_sha256}"))
	if _, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences())}); !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Encrypt with the fingerprint of a missing certificate: %v", err)
	}
}

func TestWhatIsSignedInsideIsVerified(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	inside := func(alg, key, decoding string) string {
		return `nested_jws { jws { algorithm: ALGORITHM_` + alg + ` } ` + named(key, decoding) + ` } `
	}
	for alg, key := range map[string][2]string{"RS256": {"rsa2", "PEM"}, "PS512": {"rsa2", "PEM"}, "ES256": {"ec", "PEM"}, "HS256": {"b", "HEX"}} {
		for name, kind := range map[string]string{"alone": "", "in GCM": gcm, "in a JWE": `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + ` } `, "in fields": gcm + fields("", "$.a", "$.b")} {
			p := legacyPipeline(t, kind+inside(alg, key[0], key[1]))
			body := `{"a":1,"b":"x"}`
			sent := s.encrypt(t, p, body)
			s.opens(t, p, sent, body)
			another := s.with(key[0], s["a"][0])
			switch key[0] {
			case "rsa2":
				another = s.with("rsa2", s["rsa"][0])
			case "ec":
				continue
			}
			if _, err := another.decrypt(t, p, sent); payload.Stage(err) != "sign inside" {
				t.Errorf("%s %s: Decrypt of a message signed by another key: %v at %q", alg, name, err, payload.Stage(err))
			}
		}
	}
	bare, signed := legacyPipeline(t, gcm), legacyPipeline(t, gcm+inside("RS256", "rsa2", "PEM"))
	if _, err := s.decrypt(t, signed, s.encrypt(t, bare, "body")); payload.Stage(err) != "sign inside" {
		t.Errorf("Decrypt of an unsigned message: %v at %q", err, payload.Stage(err))
	}
}

func TestOpenPGPMessagesOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, rest := range []string{"", "binary: true ", strings.Replace(named("pgp", "RAW"), "keys", "signing_keys", 1)} {
		p := legacyPipeline(t, `pgp { `+named("pgp", "RAW")+rest+` }`)
		sent := s.encrypt(t, p, "body")
		s.opens(t, p, sent, "body")
		if armored := strings.HasPrefix(string(sent.Body), "-----BEGIN PGP MESSAGE-----"); armored != !strings.Contains(rest, "binary") {
			t.Errorf("with %q the message is %.40q", rest, sent.Body)
		}
		sent.Body = sent.Body[:len(sent.Body)/2]
		if _, err := s.decrypt(t, p, sent); payload.Stage(err) == "" {
			t.Errorf("Decrypt of half a message: %v", err)
		}
	}
	writes := legacyPipeline(t, `pgp { `+named("pgp-pub", "RAW")+` }`)
	s.opens(t, legacyPipeline(t, `pgp { `+named("pgp", "RAW")+` }`), s.encrypt(t, writes, "body"), "body")
	if _, err := s.decrypt(t, writes, s.encrypt(t, writes, "body")); !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Decrypt with a public key: %v, want KEY_NOT_USABLE", err)
	}
}

func TestBytesMayOnlyBeWritten(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tests := map[string]string{
		`{"request":"eyJhIjoxfQ=="}`: `envelope { json: '{"request":"${data}"}' }`,
		`7b2261223a317d`:             `envelope { ` + blobOf("data", "HEX", "CIPHERTEXT") + `}`,
		`v1:{"a":1}`:                 `envelope { ` + blobOf("data", "RAW", "CIPHERTEXT") + `text: "v1:${data}" }`,
		`djE6eyJhIjoxfQ==`:           `envelope { ` + blobOf("data", "RAW", `"v1:"`, "CIPHERTEXT") + `encoding: ENCODING_BASE64 }`,
	}
	for want, profile := range tests {
		p := legacyPipeline(t, profile)
		sent := s.encrypt(t, p, `{"a":1}`)
		if string(sent.Body) != want {
			t.Errorf("Encrypt = %s, want %s", sent.Body, want)
		}
		s.opens(t, p, sent, `{"a":1}`)
	}
}
