package payload_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// The key transports of CMS.
const (
	cmsOAEP  = `rsa_oaep {} `
	cmsPKCS1 = `rsa_pkcs1_v15 {} `
)

// cmsOf returns a profile of a CMS message.
func cmsOf(rest string) string { return `cms { ` + rest + ` }` }

// cmsTo returns an encrypted CMS message.
func cmsTo(algorithm, transport, keys string) string {
	return cmsOf(`content_encryption: CONTENT_ENCRYPTION_` + algorithm + ` ` + transport + keys)
}

// signers returns references for the keys of a signature.
func signers(name string) string {
	return strings.Replace(named(name, "PEM"), "keys", "signing_keys", 1)
}

// openssl returns the messages that openssl wrote, by name.
func openssl(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/cms/known.json")
	if err != nil {
		t.Fatal(err)
	}
	var known map[string]string
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	return known
}

// cmsPlaintext is what the messages of openssl say.
const cmsPlaintext = `{"pan":"5413339000001513"}`

// cmsProfiles returns the profiles of the messages of openssl, by their names.
func cmsProfiles() map[string]string {
	profiles := map[string]string{
		"oaep sha1":                     cmsTo("AES_256_CBC", `rsa_oaep { hash: HASH_SHA1 } `, named("rsa", "PEM")),
		"oaep sha256 mgf1 sha1":         cmsTo("AES_256_CBC", `rsa_oaep { mgf1_hash: HASH_SHA1 } `, named("rsa", "PEM")),
		"oaep sha512":                   cmsTo("AES_256_CBC", `rsa_oaep { hash: HASH_SHA512 } `, named("rsa", "PEM")),
		"indefinite lengths":            cmsTo("AES_256_CBC", cmsPKCS1, named("rsa", "PEM")),
		"key identifier":                cmsTo("AES_256_CBC", cmsPKCS1, named("rsa-pair", "PEM")),
		"several recipients":            cmsTo("AES_256_CBC", cmsPKCS1, named("rsa-pair", "PEM")),
		"several recipients oaep":       cmsTo("AES_256_CBC", cmsOAEP, named("rsa", "PEM")),
		"rsa sha256":                    cmsOf(signers("cert")),
		"rsa sha384 indefinite lengths": cmsOf(signers("ec-cert") + signers("rsa-pub") + `digest: HASH_SHA384`),
		"rsa sha512 without attributes": cmsOf(signers("rsa-pub") + `digest: HASH_SHA512`),
		"rsa sha1":                      cmsOf(signers("rsa-pub") + `digest: HASH_SHA1`),
		"ec sha256":                     cmsOf(signers("ec")),
		"ec sha256 key identifier":      cmsOf(signers("ec-cert")),
		"signed inside":                 cmsTo("AES_256_GCM", cmsOAEP, named("rsa", "PEM")+signers("ec-cert")),
	}
	for name, algorithm := range map[string]string{
		"aes-128-cbc": "AES_128_CBC", "aes-192-cbc": "AES_192_CBC", "aes-256-cbc": "AES_256_CBC", "des3": "TRIPLE_DES_CBC",
		"aes-128-gcm": "AES_128_GCM", "aes-256-gcm": "AES_256_GCM",
	} {
		profiles[name+" pkcs1"] = cmsTo(algorithm, cmsPKCS1, named("rsa", "PEM"))
		profiles[name+" oaep sha256"] = cmsTo(algorithm, cmsOAEP, named("rsa", "PEM"))
	}
	return profiles
}

func TestCMSMessagesOfOpenSSLOpen(t *testing.T) {
	t.Parallel()
	s, known, profiles := newSafe(t), openssl(t), cmsProfiles()
	for name, text := range known {
		if profiles[name] == "" {
			t.Errorf("%s has no profile", name)
			continue
		}
		s.opens(t, legacyPipeline(t, profiles[name]), payload.Output{Body: []byte(text)}, cmsPlaintext)
	}
	if len(known) != len(profiles) {
		t.Errorf("openssl wrote %d messages, want %d", len(known), len(profiles))
	}
}

func TestCMSMessagesOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, tt := range []string{
		cmsTo("AES_128_CBC", cmsPKCS1, named("rsa-pair", "PEM")),
		cmsTo("AES_192_CBC", cmsOAEP, named("rsa-pair", "PEM")),
		cmsTo("TRIPLE_DES_CBC", cmsOAEP, named("rsa-pair", "PEM")),
		cmsTo("AES_128_GCM", cmsPKCS1, named("rsa-pair", "PEM")),
		cmsTo("AES_256_GCM", `rsa_oaep { hash: HASH_SHA1 label: "partner" } `, named("rsa-pair", "PEM")),
		cmsTo("AES_256_GCM", `rsa_oaep { hash: HASH_SHA384 mgf1_hash: HASH_SHA256 } `, named("rsa-pair", "PEM")),
		cmsTo("AES_256_GCM", cmsOAEP, named("rsa-pair", "PEM")+signers("rsa-pair")+`digest: HASH_SHA512`),
		cmsTo("AES_256_CBC", cmsPKCS1, named("rsa-pair", "PEM")+signers("ec-pair")),
		cmsOf(signers("rsa-pair") + `digest: HASH_SHA1`),
		cmsOf(signers("ec-pair") + `digest: HASH_SHA384`),
	} {
		p := legacyPipeline(t, tt)
		for _, body := range []string{"", cmsPlaintext, strings.Repeat("x", 70_000)} {
			s.opens(t, p, s.encrypt(t, p, body), body)
		}
	}
}

func TestCMSMessagesNeedACertificate(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, tt := range []string{
		cmsTo("AES_256_GCM", cmsOAEP, named("rsa-pub", "PEM")),
		cmsTo("AES_256_GCM", cmsOAEP, named("rsa", "PEM")),
		cmsOf(signers("ec")),
		cmsOf(signers("ec-cert")),
	} {
		p := legacyPipeline(t, tt)
		_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte("body")})
		if !fault.Is(err, payload.KeyNotUsable) || !payload.OneSided(err) {
			t.Errorf("%s: Encrypt: %v, want KEY_NOT_USABLE for a key of the other side", tt, err)
		}
	}
}

// The algorithms that a message names select nothing.
func TestCMSMessagesWithOtherChoicesAreRefused(t *testing.T) {
	t.Parallel()
	s, known := newSafe(t), openssl(t)
	rsa := named("rsa-pair", "PEM")
	for _, tt := range []struct{ name, message, profile, stage string }{
		{"another padding of the key", "aes-256-gcm pkcs1", cmsTo("AES_256_GCM", cmsOAEP, rsa), "unwrap"},
		{"another hash of OAEP", "oaep sha1", cmsTo("AES_256_CBC", cmsOAEP, rsa), "decrypt"},
		{"another hash of MGF1", "oaep sha256 mgf1 sha1", cmsTo("AES_256_CBC", cmsOAEP, rsa), "decrypt"},
		{"another length of the key", "aes-128-gcm oaep sha256", cmsTo("AES_256_GCM", cmsOAEP, rsa), "decode"},
		{"no authentication", "aes-256-cbc oaep sha256", cmsTo("AES_256_GCM", cmsOAEP, rsa), "decode"},
		{"no encryption", "ec sha256", cmsTo("AES_256_GCM", cmsOAEP, rsa), "decode"},
		{"no signature", "aes-256-gcm oaep sha256", cmsTo("AES_256_GCM", cmsOAEP, rsa+signers("ec-cert")), "sign inside"},
		{"a signature by another key", "signed inside", cmsTo("AES_256_GCM", cmsOAEP, rsa+signers("cert")), "sign inside"},
		{"another digest", "signed inside", cmsTo("AES_256_GCM", cmsOAEP, rsa+signers("ec-cert")+`digest: HASH_SHA384`), "sign inside"},
		{"another recipient", "aes-256-gcm oaep sha256", cmsTo("AES_256_GCM", cmsOAEP, named("rsa2", "PEM")), "unwrap"},
		{"several recipients without a way to tell", "several recipients", cmsTo("AES_256_CBC", cmsPKCS1, named("rsa", "PEM")), "decrypt"},
	} {
		_, err := s.decrypt(t, legacyPipeline(t, tt.profile), payload.Output{Body: []byte(known[tt.message])})
		if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != tt.stage {
			t.Errorf("%s: Decrypt: %v at stage %q, want %q", tt.name, err, payload.Stage(err), tt.stage)
		}
	}
}

// Each byte of an authenticated message, and of a signed one, matters, or is not of this message:
// the certificate, names, and the encoding of lengths.
func TestChangedCMSMessagesAreRefused(t *testing.T) {
	t.Parallel()
	s, known := newSafe(t), openssl(t)
	for _, name := range []string{"aes-256-gcm oaep sha256", "ec sha256 key identifier", "signed inside"} {
		p := legacyPipeline(t, cmsProfiles()[name])
		der, err := base64.StdEncoding.DecodeString(known[name])
		if err != nil {
			t.Fatal(err)
		}
		for i := range der {
			for _, changed := range [][]byte{der[:i], append(append(append([]byte(nil), der[:i]...), der[i]^1), der[i+1:]...)} {
				out, err := s.decrypt(t, p, payload.Output{Body: base64.StdEncoding.AppendEncode(nil, changed)})
				if err == nil && string(out.Body) != cmsPlaintext {
					t.Errorf("%s: byte %d changed: Decrypt = %q", name, i, out.Body)
				}
				if len(changed) == i && err == nil {
					t.Errorf("%s: %d bytes decrypt", name, i)
				}
				if err != nil && !fault.Is(err, payload.DecryptionFailed) {
					t.Errorf("%s: byte %d changed: %v, want DECRYPTION_FAILED", name, i, err)
				}
			}
		}
	}
}

// Neither the padding of the content nor that of its key shows, even around a signature.
func TestCMSWithoutAuthenticationStopsAtOneStage(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, rest := range []string{"", signers("ec-pair")} {
		p := legacyPipeline(t, cmsTo("AES_128_CBC", cmsPKCS1, named("rsa-pair", "PEM")+rest)+fields("", "$.v"))
		sent := string(s.encrypt(t, p, `{"v":"a value of some length, in more than one block"}`).Body)
		der, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(sent, `{"v":"`), `"}`))
		if err != nil {
			t.Fatal(err)
		}
		key := strings.Index(string(der), "\x04\x82\x01\x00") + 4
		messages := make(map[string]payload.Output)
		for name, at := range map[string]int{"the key": key + 20, "the content": key + 256 + 60, "the padding": len(der) - 17, "the last block": len(der) - 1} {
			changed := append([]byte(nil), der...)
			changed[at] ^= 0x40
			messages[name] = payload.Output{Body: []byte(`{"v":"` + base64.StdEncoding.EncodeToString(changed) + `"}`)}
		}
		tells(t, s, p, payload.DecryptionFailed, messages)
	}
}

func TestACMSKeyRotates(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, cmsTo("AES_256_GCM", cmsOAEP, named("rsa-pair", "PEM")))
	sent := s.encrypt(t, p, "body")
	s.with("rsa-pair", s["rsa2"][0], s["rsa-pair"][0]).opens(t, p, sent, "body")
}

func TestParseNamesWhatIsWrongWithCMS(t *testing.T) {
	t.Parallel()
	rsa := named("rsa", "PEM")
	refused(t, []mistake{
		{name: "CMS without keys", profile: `cms {}`, fields: []string{"cms"}},
		{name: "CMS without a cipher", profile: cmsOf(cmsOAEP + rsa), fields: []string{"cms.content_encryption"}},
		{name: "CMS without a key transport", profile: cmsTo("AES_256_GCM", "", rsa), fields: []string{"cms"}},
		{name: "CMS with OAEP of MD5", profile: cmsTo("AES_256_GCM", "rsa_oaep { hash: HASH_MD5 } ", rsa), fields: []string{"cms.rsa_oaep.hash"}},
		{name: "two keys with PKCS #1 v1.5", profile: cmsTo("AES_256_GCM", cmsPKCS1, rsa+rsa), fields: []string{"cms.keys"}},
		{name: "five keys of CMS", profile: cmsTo("AES_256_GCM", cmsOAEP, strings.Repeat(rsa, 5)), fields: []string{"cms.keys"}},
		{name: "five signing keys of CMS", profile: cmsOf(strings.Repeat(signers("rsa"), 5)), fields: []string{"cms.signing_keys"}},
		{name: "a cipher without keys of CMS", profile: cmsTo("AES_256_GCM", "", signers("rsa")), fields: []string{"cms.content_encryption"}},
		{name: "a key transport without keys of CMS", profile: cmsOf(cmsOAEP + signers("rsa")), fields: []string{"cms"}},
		{name: "a digest without a signature", profile: cmsTo("AES_256_GCM", cmsOAEP, rsa+"digest: HASH_SHA512"), fields: []string{"cms.digest"}},
		{name: "a signature with MD5", profile: cmsOf(signers("rsa") + "digest: HASH_MD5"), fields: []string{"cms.digest"}},
		{name: "CMS with an IV", profile: cmsTo("AES_256_GCM", cmsOAEP, rsa) + ` envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + `}`, fields: []string{"envelope.blobs"}},
		{name: "CMS as text", profile: cmsTo("AES_256_GCM", cmsOAEP, rsa) + ` envelope { ` + blobOf("data", "RAW", "CIPHERTEXT") + ` json: '"${data}"' }`, fields: []string{`envelope.blobs["data"].encoding`}},
	})
}
