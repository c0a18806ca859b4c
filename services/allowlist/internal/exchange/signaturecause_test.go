package exchange_test

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestOwnersLearnWhatIsWrongWithASignatureAndCallersDoNot(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "hooks", allowlisttest.Signed(allowlisttest.Draft(), k.Secret(t, "mac", allowlisttest.KeyOf(1)...)))
	at := k.Clock.Now().Truncate(time.Second)
	body := []byte("hello")
	signedAt := func(stamp string) map[string]string {
		return map[string]string{
			"x-id": "evt_1", "x-time": stamp, "x-signature": macOf(allowlisttest.KeyOf(1), "evt_1."+stamp+".POST api.partner.example/v1?", body),
		}
	}
	without := func(name string) map[string]string {
		headers := signedAt(fmt.Sprint(at.Unix()))
		delete(headers, name)
		return headers
	}
	with := func(name, value string) map[string]string {
		headers := without(name)
		headers[name] = value
		return headers
	}
	var answers []*status.Status
	for _, c := range []struct {
		name    string
		headers map[string]string
		kind    allowlistv1.MessageKind
		cause   string
	}{
		{"no signature", without("x-signature"), allowlisttest.Request, "The header X-Signature is missing."},
		{"no time", without("x-time"), allowlisttest.Request, "The header X-Time is missing."},
		{"base64 for hexadecimal", with("x-signature", "3q2+7w=="), allowlisttest.Request, "The signature is not written in the configured encoding."},
		{"half a byte", with("x-signature", "abc"), allowlisttest.Request, "The signature is not written in the configured encoding."},
		{"an old message", signedAt(fmt.Sprint(at.Add(-10 * time.Minute).Unix())), allowlisttest.Request, "ago, outside the tolerance of 5m0s."},
		{"a clock that is fast", signedAt(fmt.Sprint(at.Add(time.Hour).Unix())), allowlisttest.Request, "ahead, outside the tolerance of 5m0s."},
		{"milliseconds", signedAt(fmt.Sprint(at.UnixMilli())), allowlisttest.Request, "If it is in milliseconds"},
		{"another signature", with("x-signature", strings.Repeat("0", 64)), allowlisttest.Request, "The signature does not match"},
		{"a kind that is not signed", without(""), allowlisttest.Response, "The configuration does not sign messages of this kind. Check whether kind is right."},
	} {
		_, err := k.Sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
			Name: allowlisttest.NameOf("hooks"), Body: body, Headers: maps.Clone(c.headers), Kind: c.kind,
		})
		answers = append(answers, withoutRequestID(t, err))
		failures := k.Owner.Get(t, "hooks").GetRecentFailures()
		if len(failures) != len(answers) {
			t.Fatalf("%s: %d failures are remembered, want %d", c.name, len(failures), len(answers))
		}
		if f := failures[0]; f.GetStage() != "signature" || !strings.Contains(f.GetCause(), c.cause) {
			t.Errorf("%s: the failure is %v, want the cause %q", c.name, f, c.cause)
		}
		if hidden := k.Member.Get(t, "hooks").GetRecentFailures(); len(hidden) > 0 {
			t.Errorf("%s: a member sees %v", c.name, hidden)
		}
	}
	for i, answer := range answers {
		if diff := cmp.Diff(answers[0].Proto(), answer.Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("the callers' answer %d differs:\n%s", i, diff)
		}
	}
}

// withoutRequestID returns the status of a call without the request ID, which always differs.
func withoutRequestID(t testing.TB, err error) *status.Status {
	t.Helper()
	st := status.Convert(err)
	bare := status.New(st.Code(), st.Message())
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			var failed error
			bare, failed = bare.WithDetails(info)
			allowlisttest.Must(t, failed)
		}
	}
	if n := len(st.Details()); n != 2 {
		t.Errorf("%v has %d details, want ErrorInfo and RequestInfo", err, n)
	}
	return bare
}

func TestADryRunShowsWhatIsSigned(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	body := []byte(`{"amount":1}` + "\xff")
	for _, c := range []struct{ name, signing, want string }{
		{
			"an HMAC", `mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" } input: "${method}\n${path}\n${body|sha256|hex}" headers { key: "X-S" value: "${signature}" }`,
			"POST\n/v1\n" + "25afc2c7c143e9212587233d22e33cb1571dce5c3d8d638f6d968914a194b1c0",
		},
		{
			"bytes that are not text", `mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" } headers { key: "X-S" value: "${signature}" }`,
			`{"amount":1}\xff`,
		},
		{
			"a digest with the secret", `secret_digest { hash: HASH_SHA256 } keys { name: "secret:mac" } input: "${path}|${secret|sha256|hex}|${secret}" headers { key: "X-S" value: "${signature}" }`,
			"/v1|‹secret›|‹secret›",
		},
		{
			"a detached JWS", `jws { algorithm: ALGORITHM_ES256 unencoded_payload: true } keys { name: "secret:mac" decoding: DECODING_PEM } headers { key: "X-S" value: "${signature}" }`,
			`eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.{"amount":1}\xff`,
		},
	} {
		got := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{
			Name: allowlisttest.NameOf("-"), Body: body, Encryption: allowlisttest.EncryptionOf(t, "request { signing { "+c.signing+" } }"),
			Context: &allowlistv1.MessageContext{Method: "POST", Path: "/v1"},
		})
		var texts []string
		for _, step := range got.GetSteps() {
			if step.GetSignedText() != "" {
				texts = append(texts, step.GetStage()+" "+step.GetSignedText())
			}
		}
		if diff := cmp.Diff([]string{"sign " + c.want}, texts); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		for _, key := range got.GetKeys() {
			if strings.Contains(fmt.Sprint(texts), key.GetValue()) {
				t.Errorf("%s: %q holds the key", c.name, texts)
			}
		}
	}
}

func TestNamesOfHeadersMayHaveAnUnderscore(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Signed(allowlisttest.Draft(k.Secret(t, "key")), k.Secret(t, "mac"))
	e.Encryption.Request.Signing.Headers = map[string]string{"X_Signature": "${signature}", "x_time": "${timestamp}", "x_id": "${id}"}
	e.Encryption.Request.Envelope = &allowlistv1.Envelope{Headers: map[string]string{"x_partner": "acme"}}
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Header("x_version", "1")}
	k.Active(t, "orders", e)
	sent := allowlisttest.HeadersOf(k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")}).GetHeaders())
	for _, name := range []string{"x_signature", "x_time", "x_id", "x_partner", "x_version"} {
		if sent[name] == "" {
			t.Errorf("the headers %v lack %s", sent, name)
		}
	}
	e.Encryption.Request.Signing.Headers["Content_Length"] = "1"
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: e.GetEncryption()}, "encryption")
	allowlisttest.WantError(t, "a header that some servers read as Content-Length", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestAnEndpointThatOnlySignsDoesAllThatMessagesNeed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "hooks", allowlisttest.Signed(allowlisttest.Draft(), k.Secret(t, "mac")))
	body := []byte("hello")
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: body})
	headers := allowlisttest.HeadersOf(sent.GetHeaders())
	if !bytes.Equal(sent.GetBody(), body) || headers["x-signature"] == "" {
		t.Errorf("Encrypt = %q, %v, want the body as it is, and a signature", sent.GetBody(), headers)
	}
	_, err := k.Sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{Name: allowlisttest.NameOf("hooks"), Body: body, Headers: headers})
	allowlisttest.Must(t, err)
	for _, kind := range []allowlistv1.MessageKind{allowlisttest.Request, allowlisttest.Response} {
		opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("hooks"), Kind: kind, Body: body, Headers: headers})
		allowlisttest.Must(t, err)
		if !bytes.Equal(opened.GetBody(), body) {
			t.Errorf("Decrypt of a %v = %q", kind, opened.GetBody())
		}
	}
	tested := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("hooks"), Body: body})
	if !tested.GetOpened() || len(tested.GetSteps()) == 0 || !strings.HasSuffix(tested.GetSteps()[0].GetSignedText(), ".POST api.partner.example/v1?.hello") {
		t.Errorf("TestEncryption = opened %v, %v", tested.GetOpened(), tested.GetSteps())
	}
	found, differences, _ := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Signature: true, Body: body, Headers: headers})
	if !found || differences != "" {
		t.Errorf("DiagnoseSample = %v, %q, want that nothing is wrong", found, differences)
	}
	_, err = k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("hooks"), Body: body, LiveKeys: true, Reason: "to see"})
	allowlisttest.WantError(t, "a test with live keys", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestAURLThatIsTooLongHidesNoOtherViolation(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft()
	e.Url = "https://api.partner.example/" + strings.Repeat("x", 3000)
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Header("X-Key", strings.Repeat("0123456789abcdef", 4))}
	fields, err := k.Refusal(t, e)
	allowlisttest.WantError(t, "a long URL and key material", err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
	if diff := cmp.Diff([]string{"endpoint.url", "endpoint.headers[0].value"}, fields); diff != "" {
		t.Errorf("the fields are (-want +got):\n%s", diff)
	}
}
