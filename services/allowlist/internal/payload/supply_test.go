package payload_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// The wraps of session keys.
const (
	oaep  = `rsa_oaep {} `
	pkcs1 = `rsa_pkcs1_v15 {} `
	aesKW = `aes_kw {} `
)

// sessionKey returns a cipher with a session key.
func sessionKey(algorithm, rest, keys string) string {
	return `cipher { algorithm: ALGORITHM_` + algorithm + ` session_key { ` + rest + keys + ` } } `
}

// hybrid is an envelope of three blobs.
var hybrid = `envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "IV", "CIPHERTEXT", "TAG") + ` json: '{"key":"${k}","data":"${d}"}' } `

// hybridCBC is the same without a tag.
var hybridCBC = strings.Replace(hybrid, "parts { slot: SLOT_TAG }", "", 1)

func TestSessionKeysAreWrappedInEachForm(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	wraps := map[string]string{
		oaep: named("rsa", "PEM"), pkcs1: named("rsa", "PEM"), aesKW: named("kek", "HEX"),
		`rsa_oaep { hash: HASH_SHA256 mgf1_hash: HASH_SHA1 label: "x" } `: named("rsa", "PEM"), `rsa_oaep { hash: HASH_SHA512 } `: named("rsa", "PEM"),
	}
	for wrap, key := range wraps {
		for _, form := range []string{"RAW", "ALPHANUMERIC", "BASE64", "HEX"} {
			for _, algorithm := range []string{"AES_128_GCM", "AES_128_CBC", "TRIPLE_DES_CBC"} {
				envelope := hybrid
				if !strings.HasSuffix(algorithm, "GCM") {
					envelope = hybridCBC
				}
				p := legacyPipeline(t, sessionKey(algorithm, `form: FORM_`+form+` `+wrap, key)+envelope)
				one, other := s.encrypt(t, p, "body"), s.encrypt(t, p, "body")
				s.opens(t, p, one, "body")
				if string(one.Body) == string(other.Body) {
					t.Errorf("%s %s %s: two messages are the same", algorithm, form, wrap)
				}
			}
		}
	}
}

// A profile with the partner's public key encrypts, and one with our private key decrypts.
func TestThePublicKeyEncryptsAndThePrivateOneOpens(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	profile := sessionKey("AES_256_GCM", oaep, named("KEY", "PEM")) + hybrid
	ours := legacyPipeline(t, strings.Replace(profile, "KEY", "rsa", 1))
	for _, public := range []string{"rsa-pub", "cert", "rsa"} {
		theirs := legacyPipeline(t, strings.Replace(profile, "KEY", public, 1))
		sent := s.encrypt(t, theirs, "body")
		s.opens(t, ours, sent, "body")
		if _, err := s.decrypt(t, theirs, sent); public != "rsa" && !fault.Is(err, payload.KeyNotUsable) {
			t.Errorf("Decrypt with %s: %v, want KEY_NOT_USABLE", public, err)
		}
	}
	both := legacyPipeline(t, strings.Replace(profile, named("KEY", "PEM"), named("rsa2-pub", "PEM")+named("rsa", "PEM"), 1))
	s.opens(t, both, s.encrypt(t, ours, "body"), "body")
}

func TestAnyOfSeveralKeysUnwraps(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("kek2", keyB[:32])
	for wrap, keys := range map[string][2]string{oaep: {named("rsa", "PEM"), named("rsa2", "PEM")}, aesKW: {named("kek", "HEX"), named("kek2", "HEX")}} {
		second := legacyPipeline(t, sessionKey("AES_128_GCM", wrap, keys[1])+hybrid)
		both := legacyPipeline(t, sessionKey("AES_128_GCM", wrap, keys[0]+keys[1])+hybrid)
		out, err := s.decrypt(t, both, s.encrypt(t, second, "body"))
		if err != nil || string(out.Body) != "body" {
			t.Errorf("%s: Decrypt with the second key = %q, %v", wrap, out.Body, err)
		}
		if diff := cmp.Diff([]payload.UsedKey{{Reference: 1, Version: 1}}, out.Used); diff != "" {
			t.Errorf("%s: used keys (-want +got):\n%s", wrap, diff)
		}
		third := legacyPipeline(t, sessionKey("AES_128_GCM", wrap, keys[0])+hybrid)
		if _, err := s.decrypt(t, third, s.encrypt(t, second, "body")); payload.Stage(err) != "unwrap" {
			t.Errorf("%s: Decrypt with another key: %v at %q, want the stage unwrap", wrap, err, payload.Stage(err))
		}
	}
}

// If a wrapped key fails to unwrap with PKCS #1 v1.5, the error only says that the message fails
// to decrypt.
func TestBadPKCS1IsAnsweredLikeABadBody(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, form := range []string{"RAW", "ALPHANUMERIC", "BASE64", "HEX"} {
		p := legacyPipeline(t, sessionKey("AES_128_GCM", `form: FORM_`+form+` `+pkcs1, named("rsa", "PEM"))+hybrid)
		sent := s.encrypt(t, p, "body")
		// Change the middle of the wrapped key, so that it stays less than the modulus.
		copy(sent.Body[100:], "////")
		_, err := s.decrypt(t, p, sent)
		if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "decrypt" {
			t.Errorf("%s: Decrypt with the wrapped key changed: %v at %q, want the stage decrypt", form, err, payload.Stage(err))
		}
	}
}

func TestAKeyIsChosenByItsFingerprint(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for slot, key := range map[string]string{"PUBLIC_KEY_SHA256": "rsa", "CERTIFICATE_SHA256": "cert"} {
		envelope := strings.Replace(hybrid, `envelope { `, `envelope { `+blobOf("f", "HEX", slot), 1)
		envelope = strings.Replace(envelope, `{"key"`, `{"fingerprint":"${f}","key"`, 1)
		writes := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named(key, "PEM"))+envelope)
		reads := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa2", "PEM")+named("rsa", "PEM"))+envelope)
		sent := s.encrypt(t, writes, "body")
		s.opens(t, reads, sent, "body")
		var members map[string]string
		if err := json.Unmarshal(sent.Body, &members); err != nil || len(members["fingerprint"]) != 64 {
			t.Fatalf("the fingerprint is %q, %v", members["fingerprint"], err)
		}
		changed := strings.Replace(string(sent.Body), members["fingerprint"], strings.Repeat("0", 64), 1)
		_, err := s.decrypt(t, reads, payload.Output{Body: []byte(changed)})
		if wanted := slot == "PUBLIC_KEY_SHA256"; wanted != (payload.Stage(err) == "unwrap") {
			t.Errorf("%s: Decrypt with the fingerprint of no key: %v", slot, err)
		}
	}
	envelope := strings.Replace(hybrid, `envelope { `, `envelope { `+blobOf("f", "HEX", "CERTIFICATE_SHA256"), 1)
	p := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM"))+strings.Replace(envelope, `{"key"`, `{"f":"${f}","key"`, 1))
	_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences())})
	if !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Encrypt with the fingerprint of a missing certificate: %v", err)
	}
}

// A wrapped key is cut by the length of the key that unwraps it, even if other keys have a
// different length.
func TestWrappedKeysAreCutByTheirLength(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("rsa3", rsaKey(t, 3072))
	for _, envelope := range []string{
		`envelope { ` + blobOf("data", "BASE64", "WRAPPED_KEY", "IV", "CIPHERTEXT") + `}`,
		`envelope { ` + blobOf("data", "HEX", "CIPHERTEXT", "IV", "WRAPPED_KEY") + `}`,
		`envelope { ` + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "IV", "CIPHERTEXT") + ` text: "${k}${d}" }`,
	} {
		both := legacyPipeline(t, sessionKey("AES_128_CBC", oaep, named("rsa3", "PEM")+named("rsa", "PEM"))+envelope)
		for _, key := range []string{"rsa", "rsa3"} {
			one := legacyPipeline(t, sessionKey("AES_128_CBC", oaep, named(key, "PEM"))+envelope)
			s.opens(t, both, s.encrypt(t, one, "body"), "body")
		}
	}
}

func TestAgreedKeysOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for curve, key := range map[string]string{"X25519": "x25519", "P256": "ec"} {
		agreed := fmt.Sprintf(`cipher { algorithm: ALGORITHM_AES_256_GCM ecdh { curve: CURVE_%s %s derivation { hkdf { info: "x" } } } iv { source: SOURCE_DERIVED } } `, curve, named(key, "PEM"))
		p := legacyPipeline(t, agreed+`envelope { `+blobOf("data", "BASE64URL", "EPHEMERAL_KEY", "CIPHERTEXT", "TAG")+`}`)
		sent := s.encrypt(t, p, "body")
		s.opens(t, p, sent, "body")
		raw, err := base64.RawURLEncoding.DecodeString(string(sent.Body))
		if err != nil {
			t.Fatal(err)
		}
		clear(raw[:32])
		_, err = s.decrypt(t, p, payload.Output{Body: []byte(base64.RawURLEncoding.EncodeToString(raw))})
		if payload.Stage(err) != "unwrap" {
			t.Errorf("%s: Decrypt with an invalid point: %v at %q, want the stage unwrap", curve, err, payload.Stage(err))
		}
	}
}

// The response to a message is encrypted under its key, whichever side sent the request.
func TestAnswersAreUnderTheKeyOfWhatTheyAnswer(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	request := sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hybrid
	for _, iv := range []string{"", "iv { source: SOURCE_PEER_FLIPPED }"} {
		envelope := ""
		if iv != "" {
			envelope = `envelope { ` + blobOf("data", "BASE64", "CIPHERTEXT", "TAG") + `}`
		}
		c, err := acknowledged(t, "request { "+request+" } response { cipher { algorithm: ALGORITHM_AES_128_GCM exchange_key {} "+iv+" } "+envelope+" }")
		if err != nil {
			t.Fatal(err)
		}
		asks, answers := c.Pipeline(payload.Request), c.Pipeline(payload.Response)
		if asks.NeedsExchange() || !answers.NeedsExchange() || len(answers.EncryptReferences()) != 0 {
			t.Error("the response needs no exchange")
		}
		sent := s.encrypt(t, asks, "question")
		got, err := s.decrypt(t, asks, sent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sent.Exchange, got.Exchange); diff != "" || len(got.Exchange.Key) != 16 || len(got.Exchange.IV) != 12 {
			t.Errorf("the two sides' exchanges differ (-sent +received):\n%s", diff)
		}
		reply, err := answers.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Random: rand.Reader, Body: []byte("answer"), Exchange: &got.Exchange})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := answers.Decrypt(payload.Input{Now: now, Body: reply.Body, Exchange: &sent.Exchange})
		if err != nil || string(opened.Body) != "answer" {
			t.Errorf("Decrypt of the answer = %q, %v", opened.Body, err)
		}
		for _, exchange := range []*payload.Exchange{nil, {}, {Key: []byte("short")}} {
			if _, err := answers.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Exchange: exchange}); err == nil {
				t.Errorf("Encrypt of an answer to nothing, %+v, succeeded", exchange)
			}
			if _, err := answers.Decrypt(payload.Input{Now: now, Body: reply.Body, Exchange: exchange}); err == nil {
				t.Errorf("Decrypt of an answer to nothing, %+v, succeeded", exchange)
			}
		}
	}
	if sent := s.encrypt(t, legacyPipeline(t, request), "question"); sent.Exchange.Key != nil {
		t.Error("a message whose response does not need its key reveals it")
	}
}

// Parts in a header belong to the whole message, and parts in the string of a value to the value.
func TestPartsAreGeneratedPerMessageOrValue(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	body := `{"a":"one","b":"two"}`
	blobs := blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64", "IV", "CIPHERTEXT", "TAG")
	selected := fields("value_form: VALUE_FORM_STRING", "$.a", "$.b")
	header := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM"))+selected+`envelope { `+blobs+`text: "${d}" headers { key: "X-Key" value: "k=${k}" } headers { key: "X-Kid" value: "1" } }`)
	sent := s.encrypt(t, header, body)
	if len(sent.Headers) != 2 || sent.Headers[0].Name != "X-Key" || sent.Headers[1].Value != "1" {
		t.Fatalf("the headers are %v", sent.Headers)
	}
	s.opens(t, header, sent, body)
	for _, headers := range [][]payload.Header{nil, {{Name: "X-Key", Value: "k="}}, {{Name: "X-Key", Value: strings.Replace(sent.Headers[0].Value, "k=", "", 1)}}} {
		if _, err := s.decrypt(t, header, payload.Output{Body: sent.Body, Headers: headers}); payload.Stage(err) == "" {
			t.Errorf("Decrypt with the headers %v: %v", headers, err)
		}
	}

	value := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM"))+selected+`envelope { `+blobs+`text: "${k}.${d}" }`)
	sent = s.encrypt(t, value, body)
	s.opens(t, value, sent, body)
	var members map[string]string
	if err := json.Unmarshal(sent.Body, &members); err != nil {
		t.Fatal(err)
	}
	if one, _, _ := strings.Cut(members["a"], "."); strings.HasPrefix(members["b"], one) {
		t.Error("two values have the same wrapped key in their strings")
	}

	none := legacyPipeline(t, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM"))+fields("missing: MISSING_SKIP", "$.x")+`envelope { `+blobs+`text: "${d}" headers { key: "X-Key" value: "${k}" } }`)
	sent = s.encrypt(t, none, body)
	if string(sent.Body) != body || sent.Headers != nil {
		t.Errorf("a message without a value to encrypt is %s with %v", sent.Body, sent.Headers)
	}
	s.opens(t, none, sent, body)
}
