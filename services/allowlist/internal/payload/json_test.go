package payload_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestContentTypesOfJSON(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"application/json": true, "Application/JSON; charset=UTF-8": true, "application/problem+json": true,
		"application/json;charset=\"utf-8\"": true, "application/json; profile=x": true,
		"": false, "text/plain": false, "application/jsonp": false, "application/json; charset=iso-8859-1": false, "json": false,
		"application/x-www-form-urlencoded": false, "text/plain; x=application/json": false,
	} {
		if got := payload.IsJSON(contentType); got != want {
			t.Errorf("IsJSON(%q) = %v, want %v", contentType, got, want)
		}
	}
}

// opensJSON decrypts a message whose plaintext is JSON.
func (s safe) opensJSON(t testing.TB, p *payload.Pipeline, body string) ([]byte, error) {
	t.Helper()
	out, err := p.Decrypt(payload.Input{Now: now, Keys: s.keys(t, p.DecryptReferences()), Body: []byte(body), JSON: true})
	return out.Body, err
}

func TestAPlaintextThatIsNoJSONDoesNotOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	authentic, bare := legacyPipeline(t, gcm), legacyPipeline(t, cbc)
	for body, opens := range map[string]bool{
		`{"a":1}`: true, ` [1, "ü"] `: true, `"text"`: true, `7`: true, "\ufeff{}": true,
		"": false, "no JSON": false, `{"a":1`: false, `{"a":1}{}`: false, "{\"a\":\"\xff\"}": false, "\ufeff": false,
	} {
		for p, stage := range map[*payload.Pipeline]string{authentic: "value", bare: "decrypt"} {
			sent := string(s.encrypt(t, p, body).Body)
			got, err := s.opensJSON(t, p, sent)
			switch {
			case opens && (err != nil || string(got) != body):
				t.Errorf("Decrypt of %q = %q, %v", body, got, err)
			case !opens && (theAnswer(err) != "" || payload.Stage(err) != stage || got != nil):
				t.Errorf("Decrypt of %q = %q, %v at %q, want the single error at %q", body, got, err, payload.Stage(err), stage)
			}
			if other := open(t, p, payload.Output{Body: []byte(sent)}); other != body {
				t.Errorf("Decrypt of %q without a content type = %q", body, other)
			}
		}
	}
}

// The partner encrypts under a random IV that it does not send, and we decrypt under zeros: all
// but the first block is correct.
func TestAnIVThatIsNotTheirsDoesNotOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	const profile = `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + ref + ` } iv { source: SOURCE_%s } } envelope { blobs { key: "data" value { parts { %s slot: SLOT_CIPHERTEXT } encoding: ENCODING_HEX } } }`
	theirs := legacyPipeline(t, strings.NewReplacer("%s }", "RANDOM }", "%s slot", "slot: SLOT_IV } parts { slot").Replace(profile))
	ours := legacyPipeline(t, strings.NewReplacer("%s }", "ZERO }", "%s slot", "slot").Replace(profile))
	sent := string(s.encrypt(t, theirs, `{"amount":100,"currency":"EUR"}`).Body)[32:]
	if _, err := s.opensJSON(t, ours, sent); theAnswer(err) != "" || payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt = %v at %q", err, payload.Stage(err))
	}
}

// An observer who sees that a message fails cannot tell wrong padding from invalid JSON.
func TestNoJSONIsNoOracle(t *testing.T) {
	t.Parallel()
	s, in := newSafe(t), ciphertexts(t)
	p := legacyPipeline(t, cbc)
	var answers []string
	for _, name := range []string{"bad padding", "no padding", "padding of nothing", "only padding", "no JSON", "no text"} {
		_, err := s.opensJSON(t, p, in[name])
		f, _ := fault.From(err)
		if theAnswer(err) != "" || len(f.Metadata) > 0 {
			t.Errorf("%s: %v", name, err)
		}
		answers = append(answers, err.Error()+payload.Stage(err))
	}
	for _, answer := range answers[1:] {
		if diff := cmp.Diff(answers[0], answer); diff != "" {
			t.Errorf("failures differ (-one +another):\n%s", diff)
		}
	}
	if got, err := s.opensJSON(t, p, in["good"]); err != nil || string(got) != `{"a":1}` {
		t.Errorf("Decrypt of a valid message = %q, %v", got, err)
	}
}

// A signed plaintext that is not JSON fails as a wrong signature, like messages that fail to
// decrypt.
func TestNoJSONUnderASignatureIsAWrongSignature(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, cbc+`signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } `+refB+` input: "${plaintext}" headers { key: "X-Sig" value: "${signature}" } } `)
	sent := s.encrypt(t, p, "no JSON")
	in := payload.Input{Now: now, Keys: s.keys(t, p.DecryptReferences()), Body: sent.Body, Headers: came(sent.Headers), JSON: true}
	if _, err := p.Decrypt(in); !fault.Is(err, payload.SignatureInvalid) || payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt = %v at %q", err, payload.Stage(err))
	}
}

func TestWhatIsNotEncryptedIsNotRead(t *testing.T) {
	t.Parallel()
	p := both(t, gcm, "plain {}").Pipeline(payload.Response)
	if out, err := p.Decrypt(payload.Input{Now: now, Body: []byte("no JSON"), JSON: true}); err != nil || string(out.Body) != "no JSON" {
		t.Errorf("Decrypt = %q, %v", out.Body, err)
	}
}

func TestChangesThatGoUnnoticedAreWarnedOf(t *testing.T) {
	t.Parallel()
	const request, response = "encryption.request.cipher", "encryption.response.cipher"
	text, form := fields("value_form: VALUE_FORM_STRING", "$.a"), `selection { form { names: "a" } } `
	macs := `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + ref + ` } mac { algorithm: ALGORITHM_HMAC_SHA256 ` + secretAt("key", "b", "HEX") + ` input: "${data}" } }
		envelope { ` + blobOf("data", "HEX", "IV", "CIPHERTEXT") + blobOf("mac", "HEX", "MAC") + ` text: "${data}.${mac}" }`
	for _, tt := range []struct {
		name, profiles string
		json           bool
		want           []string
	}{
		{"authenticated", gcm, false, nil},
		{"a MAC", macs, false, nil},
		{"bodies of JSON", cbc, true, nil},
		{"bodies of anything", cbc, false, []string{request}},
		{"values of JSON", cbc + fields("", "$.a"), false, nil},
		{"values of strings", cbc + text, true, []string{request}},
		{"values of a form", cbc + form, true, []string{request}},
		{"an object", cbc + `selection { object { path: "$.a" } } `, false, nil},
		{"the answer", gcm + "} response { " + strings.Replace(cbc, "secrets/a", "secrets/b", 1), false, []string{response}},
		{"both", cbc + "} response { " + cbc, false, []string{request, response}},
		{"signed, and the response is not", cbc + mac, false, []string{request}},
		{"signed, and the response is plain", cbc + mac + "} response { plain {} ", false, nil},
		{"a signature over something else", cbc + strings.Replace(mac, "headers", `input: "${timestamp}" headers`, 1) + "} response { plain {} ", false, []string{request}},
	} {
		c, err := acknowledged(t, "request { "+tt.profiles+" }")
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, w := range c.Warnings(tt.json) {
			got = append(got, w.Field)
			if !strings.HasSuffix(w.Description, ".") {
				t.Errorf("%s: %q is not a sentence", tt.name, w.Description)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: Warnings (-want +got):\n%s", tt.name, diff)
		}
	}
}

func BenchmarkIsThePlaintextJSON(b *testing.B) {
	for name, body := range map[string][]byte{
		"1KiB": []byte(`{"amount":100,"items":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a-4711","n":1.5},`, 40), ",") + `]}`),
		"1MiB": []byte(`{"text":"` + strings.Repeat("a long text ", 87381) + `"}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !payload.ValidJSON(body) {
					b.Fatal("it is JSON")
				}
			}
		})
	}
	if payload.ValidJSON(bytes.Repeat([]byte("["), 1000)) {
		b.Error("too deep JSON is valid")
	}
}
