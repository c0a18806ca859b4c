package payload_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Parse accepts any message or returns a fault. An accepted configuration works in both directions
// and survives storage.
func FuzzParse(f *testing.F) {
	for _, profile := range []string{
		gcmTwo + mac, cbc, gcm + fields("", "$.a", "$.b[*]"), blobs(three + `json: '{"i":"${i}","x":["${t}","${c}"]}'`),
		blobs(three + `text: "${i}:${t}:${c}"`), mac, bareCBC,
		sharedEVP + salted, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hybrid, under("AES_256_CBC", staticIV) + onlyCT,
		under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${data}" }`) + `envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT", "MAC") + `}`,
		`jose { key_management: KEY_MANAGEMENT_A256GCMKW content_encryption: CONTENT_ENCRYPTION_A256GCM ` + ref + ` } nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + refB + ` }`,
		`pgp { ` + named("pgp", "RAW") + ` }`, `rsa_direct { oaep {} ` + named("rsa", "PEM") + ` }`, signs("${json:$.a|sha256|hex}${id}"),
		gcm + `selection { form { names: "a" } }`, gcm + `selection { object { path: "$.b" } } envelope { json: '["${data}"]' encoding: ENCODING_BASE64 }`,
		gcm + `envelope { ` + blobOf("i", "HEX", "IV") + blobOf("d", "BASE64_MIME", "CIPHERTEXT", "TAG") + ` text: "${i}${d}." encoding: ENCODING_BASE64_MIME }`,
	} {
		b, err := proto.Marshal(message(f, "request { "+profile+" }"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pb := new(allowlistv1.Encryption)
		if proto.Unmarshal(b, pb) != nil {
			return
		}
		c, err := payload.Parse(pb, "acme", now)
		if err != nil {
			if _, ok := fault.From(err); !ok {
				t.Errorf("Parse: %v, which is not a fault", err)
			}
			lookAtKeys(t, c)
			return
		}
		stored, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := payload.Load(stored)
		if err != nil {
			t.Fatalf("Load(Marshal): %v", err)
		}
		for _, d := range []payload.Direction{payload.Request, payload.Response} {
			bothWays(t, c.Pipeline(d), loaded.Pipeline(d), []byte(`{"a":1,"b":[2,3]}`))
		}
	})
}

// lookAtKeys compares facts of all kinds with a configuration, which may be malformed.
func lookAtKeys(t *testing.T, c *payload.Config) {
	t.Helper()
	c.References()
	for _, facts := range []payload.Facts{{Bytes: 24}, {Algorithm: "RSA-2048"}, {Algorithm: "EC-P256", Private: true}} {
		err := c.CheckFacts(func(payload.Reference) (payload.Facts, bool) { return facts, true })
		if _, ok := fault.From(err); err != nil && !ok {
			t.Errorf("CheckFacts: %v, which is not a fault", err)
		}
	}
}

// bothWays encrypts with one pipeline and decrypts with the other, if the keys and the body are
// compatible with them.
func bothWays(t *testing.T, to, from *payload.Pipeline, body []byte) {
	t.Helper()
	sent, err := encryptWith(to, now, rand.Reader, resolve(to.EncryptReferences()), body)
	if err != nil {
		if _, ok := fault.From(err); !ok {
			t.Errorf("Encrypt: %v, which is not a fault", err)
		}
		return
	}
	in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: resolve(from.DecryptReferences()), Body: sent.Body, Headers: came(sent.Headers)}
	opened, err := from.Decrypt(in)
	if fault.Is(err, payload.KeyNotUsable) {
		return // the other keys have different decodings
	}
	if err != nil || !bytes.Contains(opened.Body, []byte(`"a":`)) {
		t.Errorf("Decrypt(Encrypt(%s)) = %s, %v", body, opened.Body, err)
	}
}

func FuzzTextTemplate(f *testing.F) {
	for _, seed := range []string{"${i}.${t}.${c}", "v1:${c}:${i}!${t}\n", "${i}${t}${c}", "$${i} {${t}} ${c}$", "${i}:${t}:${c}:${", "\n${c} ${t}\t${i} "} {
		f.Add(seed, "body")
	}
	f.Fuzz(func(t *testing.T, template, body string) { tryTemplate(t, "text", template, body) })
}

func FuzzJSONTemplate(f *testing.F) {
	for _, seed := range []string{`{"i":"${i}","t":"${t}","c":"${c}"}`, `["<${i}>",{"\u0061":"${t}","b":[1e2,null,"\u0024{c}"]},"${c}"]`, `{"${i}":1}`, `"${i} ${t} ${c}"`, `{"a":${i}}`} {
		f.Add(seed, "body")
	}
	f.Fuzz(func(t *testing.T, template, body string) { tryTemplate(t, "json", template, body) })
}

// tryTemplate parses a configuration with a template. An accepted template can read the messages
// that it writes.
func tryTemplate(t *testing.T, kind, template, body string) {
	t.Helper()
	pb := message(t, "request { "+blobs(three)+" }")
	envelope := pb.GetRequest().GetEnvelope()
	if kind == "text" {
		envelope.Body = &allowlistv1.Envelope_Text{Text: template}
	} else {
		envelope.Body = &allowlistv1.Envelope_Json{Json: template}
	}
	c, err := payload.Parse(pb, "acme", now)
	if err != nil {
		return
	}
	p := c.Pipeline(payload.Request)
	if got := decrypt(t, p, string(encrypt(t, p, body).Body)); got != body {
		t.Errorf("Decrypt(Encrypt(%q)) = %q with the template %q", body, got, template)
	}
}

// Decrypt decrypts any message of a partner or returns the single error.
func FuzzDecrypt(f *testing.F) {
	profiles := []string{
		gcm, gcmTwo, cbc, gcm + fields("", "$.a", "$.b[*].c"), cbc + fields("value_form: VALUE_FORM_STRING missing: MISSING_SKIP", "$[*]"),
		blobs(three + `text: "${i}:${t}:${c}"`), blobs(three + `json: '{"i":"${i}","x":[1,"${t}"],"c":"${c}"}'`),
		gcm + `selection { object { path: "$.b" } } envelope { ` + three + ` json: '{"i":"${i}","x":[1,"${t}"],"c":"${c}"}' }`,
		under("AES_256_GCM", `aad { sent: "x" }`) + `envelope { ` + blobOf("c", "BASE64", "CIPHERTEXT") + blobOf("t", "HEX_UPPER", "TAG", "IV", `"v1"`) + blobOf("a", "RAW", "AAD") + ` json: '["${a}","${c}${t}"]' encoding: ENCODING_BASE64URL }`,
		`jose { key_management: KEY_MANAGEMENT_A256GCMKW content_encryption: CONTENT_ENCRYPTION_A128CBC_HS256 ` + ref + ` } nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + refB + ` }`,
		`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM compress: true ` + ref + ` } outer_jws { jws { algorithm: ALGORITHM_HS256 } ` + refB + ` }`,
		`jose { key_management: KEY_MANAGEMENT_A256KW content_encryption: CONTENT_ENCRYPTION_A256GCM compatibility { several_recipients: true } ` + ref + ` } nested_jws { serialization: SERIALIZATION_JSON jws { algorithm: ALGORITHM_HS256 } ` + refB + ` }`,
	}
	pipelines := make([]*payload.Pipeline, len(profiles))
	for i, profile := range profiles {
		pipelines[i] = pipeline(f, profile)
		sent := encrypt(f, pipelines[i], `{"a":"x","b":[{"c":1}]}`)
		f.Add(byte(i), sent.Body)
		f.Add(byte(i), bytes.TrimRight(sent.Body, "=}\""))
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		p := pipelines[int(which)%len(pipelines)]
		before := bytes.Clone(body)
		_, err := decryptWith(p, now, resolve(p.DecryptReferences()), body)
		if err != nil {
			if diff := theAnswer(err); diff != "" {
				t.Errorf("Decrypt(%q): %s", body, diff)
			}
		}
		if !bytes.Equal(before, body) {
			t.Errorf("Decrypt changed its input %q", before)
		}
	})
}

// Encrypt refuses any body of a sender, or Decrypt returns it.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"c":"x"}]}`, ` {"b":[{"c":{}},{"c":[]}],"a":null} `, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `[]`, "{\"a\":\"\u2028\\u0000\"}"} {
		f.Add([]byte(seed))
	}
	p := pipeline(f, gcm+fields("missing: MISSING_SKIP", "$.a", "$.b[*].c"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sent, err := encryptWith(p, now, rand.Reader, resolve(p.EncryptReferences()), body)
		if err != nil {
			if !fault.Is(err, payload.BodyNotEncryptable) {
				t.Errorf("Encrypt(%q): %v", body, err)
			}
			return
		}
		if got := decrypt(t, p, string(sent.Body)); got != string(body) {
			t.Errorf("Decrypt(Encrypt(%q)) = %q", body, got)
		}
	})
}
