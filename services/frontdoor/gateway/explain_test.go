package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func TestAnAnswerSaysWhichFieldIsWrongAndWhatThereIs(t *testing.T) {
	t.Parallel()
	e := start(t)
	cipher := func(text string) string { return `{"encryption":{"request":{"cipher":{` + text + `}}}}` }
	for _, c := range []struct{ name, body, position, field, description string }{
		{"a misspelled field", `{"desciption":"x"}`, "1:2", "endpoint", "unknown field desciption; available: description, "},
		{"a field of another message", cipher("\n\"encoding\":1"), "2:1", "endpoint.encryption.request.cipher", "unknown field encoding; available: "},
		{"a name that may be a secret", `{"` + canary + `":1}`, "1:2", "endpoint", "unknown field; available: "},
		{"a long name", `{"` + strings.Repeat("name", 20) + `":1}`, "1:2", "endpoint", "unknown field; available: "},
		{"a misspelled enum value", cipher(`"algorithm":"AES_256_GMC"`), "1:49", "endpoint.encryption.request.cipher.algorithm", "must be one of AES_256_GCM, "},
		{"an enum value in the wrong case", cipher(`"algorithm":"aes_256_gcm"`), "1:49", "endpoint.encryption.request.cipher.algorithm", "must be one of AES_256_GCM, "},
		{"an enum value of another kind", cipher(`"algorithm":true`), "1:49", "endpoint.encryption.request.cipher.algorithm", "must be one of AES_128_GCM, "},
		{"two alternatives of a choice", cipher(`"sharedKey":{},"sessionKey":{}`), "1:52", "endpoint.encryption.request.cipher.session_key", "must not be combined with sharedKey; choose one of sharedKey, sessionKey, "},
		{"a field twice", `{"url":"a","url":"b"}`, "1:12", "endpoint.url", "must not be repeated"},
		{"a string for an object", `{"encryption":"` + canary + `"}`, "1:15", "endpoint.encryption", "must be an object"},
		{"an object for a list", `{"methods":{}}`, "1:12", "endpoint.methods", "must be a list"},
		{"a string for a list", `{"methods":"` + canary + `"}`, "1:12", "endpoint.methods", "must be a list"},
		{"a number in a list of strings", `{"methods":["POST", 7]}`, "1:21", "endpoint.methods[1]", "must be a string"},
		{"a number in a map", `{"labels":{"` + canary + `":7}}`, "1:31", "endpoint.labels", "must be a string"},
		{"a string for a number", cipher(`"tagBytes":"` + canary + `"`), "1:48", "endpoint.encryption.request.cipher.tag_bytes", "must be a number"},
		{"a string for a duration", `{"encryption":{"rotationGrace":7}}`, "1:32", "endpoint.encryption.rotation_grace", "must be a duration such as 300s"},
		{"a list for the whole", `["` + canary + `"]`, "1:1", "endpoint", "must be an object"},
	} {
		a := e.do(t, "POST", endpoints+"?endpointId=a", c.body)
		p := wantProblem(t, a, http.StatusBadRequest, "MALFORMED_JSON")
		if got := p.info.GetMetadata()["position"]; got != c.position {
			t.Errorf("%s: position = %q, want %q", c.name, got, c.position)
		}
		if v := p.bad.GetFieldViolations(); len(v) != 1 || v[0].GetField() != c.field || !strings.HasPrefix(v[0].GetDescription(), c.description) {
			t.Errorf("%s: violations = %v, want %s: %s", c.name, v, c.field, c.description)
		}
		if strings.Contains(a.body, canary) || len(a.body) > 1000 {
			t.Errorf("%s: the response repeats the input, or is long: %s", c.name, a.body)
		}
	}
	p := wantProblem(t, e.do(t, "POST", endpoint+":encrypt", `{"body":"not base64"}`), http.StatusBadRequest, "MALFORMED_JSON")
	if v := p.bad.GetFieldViolations(); len(v) != 1 || v[0].GetField() != "body" || v[0].GetDescription() != "must be base64" {
		t.Errorf("a body that is not base64: violations = %v", v)
	}
	e.gotNothing(t)
}

func TestEnumValuesAreTakenByTheirShortNames(t *testing.T) {
	t.Parallel()
	e := start(t)
	body := `{"encryption":{
		"request":{"cipher":{"algorithm":"AES_256_GCM","iv":{"source":"SOURCE_RANDOM"}},"envelope":{"blobs":{"data":{"encoding":"HEX","parts":[{"slot":"IV"},{"slot":"CIPHERTEXT"}]}}}},
		"response":{"jose":{"keyManagement":"DIR","contentEncryption":3}}
	},"url":"https://a.example/AES_256_GCM"}`
	want := &allowlistv1.Endpoint{Url: "https://a.example/AES_256_GCM", Encryption: &allowlistv1.Encryption{
		Request: &allowlistv1.Profile{
			Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
				Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM, Iv: &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_RANDOM},
			}},
			Envelope: &allowlistv1.Envelope{Blobs: map[string]*allowlistv1.Blob{"data": {
				Encoding: allowlistv1.Encoding_ENCODING_HEX, Parts: []*allowlistv1.Part{
					{Piece: &allowlistv1.Part_Slot_{Slot: allowlistv1.Part_SLOT_IV}}, {Piece: &allowlistv1.Part_Slot_{Slot: allowlistv1.Part_SLOT_CIPHERTEXT}},
				},
			}}},
		},
		Response: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Jose{Jose: &allowlistv1.Jose{
			KeyManagement: allowlistv1.Jose_KEY_MANAGEMENT_DIR, ContentEncryption: 3,
		}}},
	}}
	for method, path := range map[string]string{"POST": endpoints + "?endpointId=a", "PATCH": endpoint} {
		if a := e.do(t, method, path, body); a.code != http.StatusOK {
			t.Fatalf("%s = %d %s", method, a.code, a.body)
		}
		got, ok := e.got(t).req.(interface{ GetEndpoint() *allowlistv1.Endpoint })
		if !ok {
			t.Fatalf("%s reached another method", method)
		}
		sent := proto.CloneOf(got.GetEndpoint())
		sent.Name = ""
		if diff := cmp.Diff(want, sent, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
	// The growth of a body is limited.
	many := `{"encryption":{"request":{"allowLegacy":[` + strings.Repeat(`{"flag":"ECB"},`, 300) + `{}]}}}`
	wantProblem(t, e.do(t, "POST", endpoints+"?endpointId=a", many), http.StatusBadRequest, "MALFORMED_JSON")
	e.gotNothing(t)
}
