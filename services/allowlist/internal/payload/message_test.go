package payload_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// signs returns a signing that signs an input with an HMAC.
func signs(input string) string {
	return `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + refB + ` input: ` + prototextString(input) + ` headers { key: "X-Id" value: "${id}" } headers { key: "X-Time" value: "${timestamp}" } headers { key: "X-Sig" value: "${signature}" } } `
}

// The stage at which a message of the partner fails is reported by name, without any other detail.
func TestEachStageIsReported(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tests := []struct{ name, profile, body, stage string }{
		{"no JSON", gcm + fields("", "$.a"), `no`, "select"},
		{"no member", gcm + `envelope { json: '{"d":"${data}"}' }`, `{"e":""}`, "envelope"},
		{"no base64", gcm, `!!`, "decode"},
		{"too short", gcm, `AAAA`, "decode"},
		{"another literal", `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + ref + ` } } envelope { ` + blobOf("data", "HEX", `"v1"`, "IV", "CIPHERTEXT", "TAG") + `}`, strings.Repeat("00", 40), "decode"},
		{"no key in it", sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hybrid, `{"key":"AAAA","data":"` + strings.Repeat("A", 48) + `"}`, "unwrap"},
		{"no message", gcm, strings.Repeat("A", 48), "decrypt"},
		{"no JWE", `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` }`, `a.b.c.d.e`, "decode"},
		{"no OpenPGP", `pgp { ` + named("pgp", "RAW") + ` }`, `body`, "decode"},
		{"no JWS", `nested_jws { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa", "PEM") + ` }`, `body`, "sign inside"},
		{"no value", `envelope { ` + blobOf("data", "HEX", "CIPHERTEXT") + `} ` + fields("", "$.a"), `{"a":"78"}`, "value"},
		{"no signature", mac, `body`, "signature"},
	}
	for _, tt := range tests {
		p := legacyPipeline(t, tt.profile)
		out, err := s.decrypt(t, p, payload.Output{Body: []byte(tt.body)})
		want := payload.DecryptionFailed
		if tt.stage == "signature" {
			want = payload.SignatureInvalid
		}
		f, _ := fault.From(err)
		if !fault.Is(err, want) || payload.Stage(err) != tt.stage || out.Body != nil || len(f.Metadata) > 0 {
			t.Errorf("%s: Decrypt = %q, %v at %q, want the stage %s", tt.name, out.Body, err, payload.Stage(err), tt.stage)
		}
	}
	for _, err := range []error{nil, errors.New("x"), fault.Field("a", "b")} {
		if payload.Stage(err) != "" {
			t.Errorf("Stage(%v) = %q", err, payload.Stage(err))
		}
	}
}

func TestSignedMessagesAreVerifiedBeforeTheyAreOpened(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, kind := range []string{"", gcm, bareCBC} {
		p := legacyPipeline(t, kind+signs("${id}.${timestamp}.${body}"))
		sent := s.encrypt(t, p, "body")
		if sent.ID == "" || !sent.Time.Equal(now.AddDate(0, 0, 1)) {
			t.Errorf("Encrypt generated the ID %q and took the time %v", sent.ID, sent.Time)
		}
		out, err := s.decrypt(t, p, sent)
		if err != nil || string(out.Body) != "body" || out.ID != sent.ID || !out.Time.Equal(sent.Time.Truncate(time.Second)) {
			t.Errorf("Decrypt = %+v, %v", out, err)
		}
		in := payload.Input{Nonces: payload.Uncounted, Now: now.AddDate(0, 0, 1), Keys: s.keys(t, p.VerifyReferences()), Body: sent.Body, Headers: came(sent.Headers)}
		verified, err := p.Verify(in)
		if err != nil || string(verified.Body) != string(sent.Body) || verified.ID != sent.ID {
			t.Errorf("Verify = %+v, %v", verified, err)
		}
		in.Context.Time = now.AddDate(0, 0, 1).Add(5*time.Minute + time.Second)
		if _, err := p.Verify(in); !fault.Is(err, payload.SignatureInvalid) {
			t.Errorf("Verify 5 minutes later: %v", err)
		}
		for i := range sent.Headers {
			changed := sent
			changed.Headers = slices.Delete(slices.Clone(sent.Headers), i, i+1)
			if _, err := s.decrypt(t, p, changed); !fault.Is(err, payload.SignatureInvalid) {
				t.Errorf("Decrypt without the header %s: %v", sent.Headers[i].Name, err)
			}
		}
		sent.Body = append(sent.Body, ' ')
		if _, err := s.decrypt(t, p, sent); !fault.Is(err, payload.SignatureInvalid) {
			t.Errorf("Decrypt of another body: %v", err)
		}
	}
	if _, err := pipeline(t, gcm).Verify(payload.Input{Now: now}); !fault.Is(err, payload.SignatureInvalid) {
		t.Errorf("Verify of an unsigned message: %v", err)
	}
}

// A signature over the plaintext is verified after decryption. The error is the same for bad
// padding and a bad signature. Otherwise, an attacker could decrypt CBC.
func TestSignaturesOfThePlaintextHaveOneAnswer(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, bareCBC+signs("${plaintext}|${json:$.a}"))
	sent := s.encrypt(t, p, `{"a":"x"}`)
	s.opens(t, p, sent, `{"a":"x"}`)
	if len(p.VerifyReferences()) != 2 {
		t.Errorf("Verify needs %v, want the references of Decrypt", p.VerifyReferences())
	}
	messages := map[string]bool{}
	for i := range sent.Body[:len(sent.Body)-2] {
		changed := sent
		changed.Body = slices.Clone(sent.Body)
		changed.Body[i] ^= 1
		out, err := s.decrypt(t, p, changed)
		if f, ok := fault.From(err); !ok || f.Reason != payload.SignatureInvalid || out.Body != nil {
			t.Errorf("Decrypt with byte %d changed = %q, %v", i, out.Body, err)
		} else {
			messages[f.Message] = true
		}
	}
	if len(messages) != 1 {
		t.Errorf("there are %d different errors: %v", len(messages), messages)
	}
}

func TestWhatASignatureCoversMustBeKnown(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for name, input := range map[string]string{"context.method": "${method}", "context.path": "${path}", "context.host": "${host}"} {
		p := pipeline(t, signs(input+"${body}"))
		_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences())})
		if reason, fields := found(t, err); reason != invalid || !cmp.Equal(fields, []string{name}) {
			t.Errorf("Encrypt without %s: %v", name, err)
		}
		_, err = p.Verify(payload.Input{Now: now, Keys: s.keys(t, p.VerifyReferences()), Headers: payload.Headers{"x-id": "1", "x-time": "1", "x-sig": "00"}})
		if reason, fields := found(t, err); reason != invalid || !cmp.Equal(fields, []string{name}) {
			t.Errorf("Verify without %s: %v", name, err)
		}
		in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Context: payload.Context{Method: "POST", Path: "/a", Host: "h", Query: "q=1", ID: "m1"}}
		if out, err := p.Encrypt(in); err != nil || out.ID != "m1" {
			t.Errorf("Encrypt with %s = %+v, %v", name, out, err)
		}
	}
	p := pipeline(t, signs("${json:$.a}"))
	_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(`{"b":1}`)})
	if f, ok := fault.From(err); !ok || f.Reason != payload.BodyNotEncryptable || f.Metadata["path"] != "$.a" {
		t.Errorf("Encrypt without a signed value: %v", err)
	}
}

// A trace receives each step, in order, with its result.
func TestTracesReceiveTheSteps(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	tests := map[string]string{
		gcm + mac: "select key iv encrypt envelope sign sign",
		sessionKey("AES_128_CBC", "derivation { hkdf {} } "+oaep, named("rsa", "PEM")+`} mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" `) + `envelope { ` + blobOf("k", "HEX", "WRAPPED_KEY") + blobOf("d", "HEX", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${k}.${d}.${m}" }`: "key key derive select iv encrypt mac envelope",
		`jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + ` } nested_jws { jws { algorithm: ALGORITHM_RS256 } ` + named("rsa2", "PEM") + ` }`:                                                                                "select sign inside encrypt envelope",
		gcm + twoFields: "key select iv encrypt envelope select iv encrypt envelope",
	}
	for profile, want := range tests {
		p := legacyPipeline(t, profile)
		var stages []string
		out, err := p.Encrypt(payload.Input{
			Nonces: payload.Uncounted,
			Now:    now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(`{"a":1,"b":2}`),
			Trace: func(stage, detail string, value []byte) {
				if detail == "" || len(value) == 0 {
					t.Errorf("the step %s has the detail %q and %d bytes", stage, detail, len(value))
				}
				stages = append(stages, stage)
			},
		})
		if got := strings.Join(stages, " "); err != nil || out.Body == nil || !sameWords(got, want) {
			t.Errorf("Encrypt under %s traced %s, %v, want %s", profile, got, err, want)
		}
	}
}

func sameWords(a, b string) bool {
	one, other := strings.Fields(a), strings.Fields(b)
	slices.Sort(one)
	slices.Sort(other)
	return slices.Equal(one, other)
}

// The work of a partner's message is bounded, regardless of how many values have a separate
// wrapped key or salt. Each decrypted value costs work, and the first value over the limit is not
// processed.
func TestTheWorkOfManyValuesIsBounded(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	wrapped := legacyPipeline(t, sessionKey("AES_128_CTR", pkcs1, named("rsa", "PEM")+"} iv { source: SOURCE_ZERO ")+fields("value_form: VALUE_FORM_STRING", "$[*]")+`envelope { `+blobOf("k", "HEX", "WRAPPED_KEY")+blobOf("d", "HEX", "CIPHERTEXT")+` text: "${k}:${d}" }`)
	wrapped.LimitWork(8 * 10_000) // private keys
	derived := legacyPipeline(t, `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { `+named("pass", "RAW")+` derivation { pbkdf2 { iterations: 20000 } `+sentSalt+`} } } `+fields("", "$[*]")+`envelope { `+blobOf("data", "HEX", "SALT", "IV", "CIPHERTEXT", "TAG")+`}`)
	derived.LimitWork(8 * 20_000)
	list := func(n int, format string) string {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprintf(format, i)
		}
		return "[" + strings.Join(values, ",") + "]"
	}
	for n, want := range map[int]string{8: "", 9: "decrypt"} {
		if _, err := s.decrypt(t, wrapped, payload.Output{Body: []byte(list(n, `"%0512x:"`))}); payload.Stage(err) != want || (err == nil) != (want == "") {
			t.Errorf("Decrypt of %d wrapped keys: %v, want stage %q", n, err, want)
		}
		_, err := derived.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, derived.EncryptReferences()), Body: []byte(list(n, "%d"))})
		if (err == nil) != (want == "") || err != nil && !fault.Is(err, payload.BodyNotEncryptable) {
			t.Errorf("Encrypt of %d values with a derivation each: %v, want it refused: %v", n, err, want != "")
		}
	}
	// The first value fails to decrypt, which is known after one derivation.
	if _, err := s.decrypt(t, derived, payload.Output{Body: []byte(list(9, `"%072x"`))}); payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt of values that fail to decrypt: %v", err)
	}
}

// A body of 16 MiB takes less than 64 MiB in addition to the result.
func TestLargeBodiesTakeBoundedMemory(t *testing.T) {
	body := []byte(`{"a":"` + strings.Repeat("0123456789abcdef", 1<<20) + `"}`)
	s := newSafe(t)
	for name, profile := range map[string]string{
		"whole": gcm, "fields": gcm + fields("", "$.a"), "object": gcm + `selection { object { path: "$.a" } } envelope { json: '{"d":"${data}"}' }`,
		"MAC":   under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "${d}" }`) + `envelope { ` + blobOf("d", "BASE64", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC") + ` text: "${d}.${m}" }`,
		"outer": gcm + `envelope { encoding: ENCODING_BASE64 }`,
		"lines": gcm + `envelope { ` + blobOf("d", "BASE64_MIME", "IV", "CIPHERTEXT", "TAG") + ` json: '{"d":"${d}"}' }`,
		"JWE":   `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("a", "HEX") + ` }`,
	} {
		p := legacyPipeline(t, profile)
		var sent, opened payload.Output
		encrypt := allocated(func() { sent = s.encrypt(t, p, string(body)) }) - uint64(len(body)) // the conversion
		decrypt := allocated(func() {
			var err error
			if opened, err = s.decrypt(t, p, sent); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		})
		if string(opened.Body) != string(body) {
			t.Errorf("%s: Decrypt gave another body", name)
		}
		if extra := encrypt - uint64(len(sent.Body)); extra > 64<<20 {
			t.Errorf("%s: Encrypt takes %d MiB in addition to the result", name, extra>>20)
		}
		if extra := decrypt - uint64(len(body)); extra > 64<<20 {
			t.Errorf("%s: Decrypt takes %d MiB in addition to the result", name, extra>>20)
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Randomness that ends early is an error for all generated values.
func TestShortRandomnessIsAnError(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, profile := range []string{
		gcm, under("AES_256_GCM", "iv { source: SOURCE_RANDOM_TEXT }"), sharedEVP + salted, sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + hybrid,
		sessionKey("AES_128_GCM", "form: FORM_ALPHANUMERIC "+aesKW, named("kek", "HEX")) + hybrid, signs("${body}"),
	} {
		p := legacyPipeline(t, profile)
		for n := range 8 {
			_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Random: io.LimitReader(rand.Reader, int64(n)), Keys: s.keys(t, p.EncryptReferences()), Body: []byte("body")})
			if err == nil {
				t.Errorf("Encrypt with %d random bytes under %s succeeded", n, profile)
			}
		}
	}
}
