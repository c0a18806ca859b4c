package payload_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// Envelopes for the tables of this package.
var (
	wrappedIV = `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("i", "BASE64", "WRAPPED_IV") + blobOf("d", "BASE64", "CIPHERTEXT") + ` text: "${k}.${i}.${d}" } `
	hashedKey = `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("h", "BASE64", "SESSION_KEY_SHA256") + blobOf("d", "BASE64", "IV", "CIPHERTEXT", "TAG") + ` json: '{"key":"${k}","hash":"${h}","data":"${d}"}' } `
	saltAndCT = `envelope { ` + blobOf("data", "BASE64", "SALT", "CIPHERTEXT", "TAG") + `} `
)

// saltSuffix returns a cipher whose IV is the end of the salt of a derivation.
func saltSuffix(algorithm, derivation string) string {
	return `cipher { algorithm: ALGORITHM_` + algorithm + ` shared_key { ` + named("pass", "RAW") + ` derivation { ` + derivation + ` } } iv { source: SOURCE_SALT_SUFFIX } } `
}

func TestIVsAreWrappedLikeTheSessionKey(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	joined := `envelope { ` + blobOf("d", "BASE64", "WRAPPED_IV", "WRAPPED_KEY", "CIPHERTEXT") + `text: "${d}" } `
	keyOnly := `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY", "WRAPPED_IV") + blobOf("d", "BASE64", "CIPHERTEXT") + `text: "${k}${d}" } `
	perValue := `envelope { ` + blobOf("k", "HEX", "WRAPPED_KEY") + blobOf("d", "HEX", "WRAPPED_IV", "CIPHERTEXT") + `text: "${d}" headers { key: "X-Key" value: "${k}" } } `
	for _, wrap := range []string{oaep, pkcs1, oaep + "form: FORM_BASE64 ", pkcs1 + "form: FORM_HEX ", oaep + "form: FORM_ALPHANUMERIC "} {
		for _, algorithm := range []string{"AES_256_CBC", "AES_128_CTR", "AES_192_OFB"} {
			for name, envelope := range map[string]string{"apart": wrappedIV, "in one blob": joined, "side by side": keyOnly} {
				p := legacyPipeline(t, sessionKey(algorithm, wrap, named("rsa", "PEM"))+envelope)
				for _, body := range []string{"", "body", strings.Repeat("x", 1000)} {
					s.opens(t, p, s.encrypt(t, p, body), body)
				}
				if name == "apart" {
					parts := strings.Split(string(s.encrypt(t, p, "body").Body), ".")
					if iv, err := base64.StdEncoding.DecodeString(parts[1]); err != nil || len(iv) != 256 {
						t.Errorf("%s: the wrapped IV has %d bytes, want those of the RSA key", wrap, len(iv))
					}
				}
			}
		}
		p := legacyPipeline(t, sessionKey("AES_256_CTR", wrap, named("rsa", "PEM"))+twoFields+perValue)
		sent := s.encrypt(t, p, `{"a":"one","b":"two"}`)
		s.opens(t, p, sent, `{"a":"one","b":"two"}`)
		var values map[string]string
		if err := json.Unmarshal(sent.Body, &values); err != nil || values["a"][:512] == values["b"][:512] {
			t.Errorf("%s: two values have the same wrapped IV in %s", wrap, sent.Body)
		}
	}
}

// A wrapped IV that fails to unwrap is a failure like any other.
func TestWrappedIVsThatFailAreOneAnswer(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, wrap := range []string{oaep, pkcs1} {
		p := legacyPipeline(t, sessionKey("AES_128_CBC", wrap, named("rsa", "PEM"))+wrappedIV)
		parts := strings.Split(string(s.encrypt(t, p, "body of one block and more").Body), ".")
		garbage := base64.StdEncoding.EncodeToString(make([]byte, 256))
		messages := map[string]payload.Output{
			"a wrong key":    {Body: []byte(garbage + "." + parts[1] + "." + parts[2])},
			"a wrong cipher": {Body: []byte(parts[0] + "." + parts[1] + "." + parts[2][:24] + garbage[:20])},
		}
		if wrap == oaep {
			// With PKCS #1 v1.5, it is unwrapped to other bytes, which CBC without a MAC does not notice.
			messages["a wrong iv"] = payload.Output{Body: []byte(parts[0] + "." + garbage + "." + parts[2])}
		}
		tells(t, s, p, payload.DecryptionFailed, messages)
	}
}

func TestSessionKeysMustHaveTheirHash(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, wrap := range []string{oaep, pkcs1, aesKW, oaep + "bytes: 16 derivation { hkdf {} } "} {
		key := named("rsa", "PEM")
		if wrap == aesKW {
			key = named("kek", "HEX")
		}
		p := legacyPipeline(t, sessionKey("AES_256_GCM", wrap, key)+hashedKey)
		sent := s.encrypt(t, p, "body")
		s.opens(t, p, sent, "body")
		var parts map[string]string
		if err := json.Unmarshal(sent.Body, &parts); err != nil {
			t.Fatal(err)
		}
		parts["hash"] = base64.StdEncoding.EncodeToString(make([]byte, 32))
		changed, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(sent.Body, &parts); err != nil {
			t.Fatal(err)
		}
		parts["data"] = base64.StdEncoding.EncodeToString(make([]byte, 40))
		cipher, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		tells(t, s, p, payload.DecryptionFailed, map[string]payload.Output{"another hash": {Body: changed}, "another ciphertext": {Body: cipher}})
	}
	header := legacyPipeline(t, sessionKey("AES_256_GCM", oaep, named("rsa", "PEM"))+twoFields+`envelope { `+blobOf("h", "HEX", "WRAPPED_KEY", "SESSION_KEY_SHA256")+blobOf("d", "HEX", "IV", "CIPHERTEXT", "TAG")+`text: "${d}" headers { key: "X-Key" value: "${h}" } }`)
	s.opens(t, header, s.encrypt(t, header, `{"a":"one","b":"two"}`), `{"a":"one","b":"two"}`)
	bare := legacyPipeline(t, sessionKey("AES_256_CBC", pkcs1, named("rsa", "PEM"))+strings.Replace(hashedKey, " parts { slot: SLOT_TAG }", "", 1))
	sent := s.encrypt(t, bare, "body")
	s.opens(t, bare, sent, "body")
	at := strings.Index(string(sent.Body), `"hash":"`) + len(`"hash":"`)
	hash := string(sent.Body[at : at+44])
	tells(t, s, bare, payload.DecryptionFailed, map[string]payload.Output{
		"another hash":       {Body: []byte(strings.Replace(string(sent.Body), hash, base64.StdEncoding.EncodeToString(make([]byte, 32)), 1))},
		"another key":        {Body: []byte(`{"key":"` + base64.StdEncoding.EncodeToString(make([]byte, 256)) + string(sent.Body[strings.Index(string(sent.Body), `","hash`):]))},
		"another ciphertext": {Body: []byte(string(sent.Body[:at+44]) + `","data":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`)},
	})
}

func TestTheEndOfASaltIsTheIV(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, profile := range []string{
		saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }") + saltAndCT,
		saltSuffix("AES_256_GCM", "pbkdf2 { iterations: 1000 } salt { sent_bytes: 64 }") + saltAndCT + twoFields,
		saltSuffix("AES_128_CTR", "evp_bytes_to_key { hash: HASH_SHA256 } salt { sent_bytes: 24 }") + strings.Replace(saltAndCT, " parts { slot: SLOT_TAG }", "", 1),
	} {
		p := legacyPipeline(t, profile)
		body := `{"a":"one","b":"two"}`
		one, other := s.encrypt(t, p, body), s.encrypt(t, p, body)
		s.opens(t, p, one, body)
		if string(one.Body) == string(other.Body) {
			t.Errorf("%s: Encrypt twice is the same", profile)
		}
	}
}

// No part of a blob is sent empty: a part that a configuration does not have is refused.
func TestEachPartIsSentOrRefused(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	kinds := map[string]string{
		"GCM": under("AES_256_GCM", ""), "ECB": under("AES_256_ECB", ""), "a static IV": under("AES_256_CBC", staticIV),
		"a MAC":         under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${data}" }`),
		"an RSA wrap":   sessionKey("AES_256_GCM", oaep, named("cert", "PEM")),
		"an AES wrap":   sessionKey("AES_256_CBC", aesKW, named("kek", "HEX")),
		"an agreed key": `cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_P256 ` + named("ec", "PEM") + ` derivation { hkdf {} } } }`,
		"a salt":        saltSuffix("AES_256_GCM", "hkdf {} salt { sent_bytes: 20 }"),
		"sent data":     under("AES_256_GCM", `aad { sent: "x" }`),
		"Fernet":        `fernet { ` + named("a", "HEX") + ` }`,
		"RSA":           `rsa_direct { oaep {} ` + named("cert", "PEM") + ` }`,
		"OpenPGP":       `pgp { ` + named("pgp-pub", "RAW") + ` }`,
		"a nested JWS":  `nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + named("b", "HEX") + ` }`,
		"only blobs":    "",
	}
	for name, kind := range kinds {
		kind = strings.Replace(kind, "${data}", "${b1}${b2}", 1)
		var required []string
		for slot, place := range describe.Of("request", message(t, "request { "+kind+" envelope {} }").GetRequest()).Envelope.Places {
			if place.Need == describe.Required {
				required = append(required, strings.TrimPrefix(slot.String(), "SLOT_"))
			}
		}
		if !sendsParts(t, s, kind, required) {
			t.Errorf("%s is refused with all parts that it requires", name)
		}
		for slot := range len(allowlistv1.Part_Slot_name) {
			other := strings.TrimPrefix(allowlistv1.Part_Slot(slot).String(), "SLOT_")
			without := slices.DeleteFunc(slices.Clone(required), func(part string) bool { return part == "IV" || part == other })
			sendsParts(t, s, kind, append(slices.Clone(required), other))
			sendsParts(t, s, kind, append(without, other))
		}
	}
}

// sendsParts encrypts with an envelope of these parts, and fails the test if one is empty. It reports
// whether the configuration is accepted.
func sendsParts(t *testing.T, s safe, kind string, parts []string) bool {
	t.Helper()
	var blobs, text string
	for _, part := range parts {
		name := fmt.Sprintf("b%d", allowlistv1.Part_Slot_value["SLOT_"+part])
		blobs += blobOf(name, "HEX", part)
		text += "|${" + name + "}"
	}
	c, err := acknowledged(t, "request { "+kind+" envelope { "+blobs+` text: "`+text+`" } }`)
	if err != nil {
		return false
	}
	p := c.Pipeline(payload.Request)
	sent := s.encrypt(t, p, "body")
	for i, part := range strings.Split(string(sent.Body), "|")[1:] {
		if part == "" {
			t.Errorf("%s sends %s empty", kind, parts[i])
		}
	}
	return true
}
