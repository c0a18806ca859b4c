package allowlist_test

import (
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
)

func TestOwnersLearnWhatIsWrongWithASignatureAndCallersDoNot(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.active(t, "hooks", signed(draft(), k.secret(t, "mac", keyOf(1)...)))
	at := k.clock.now().Truncate(time.Second)
	body := []byte("hello")
	signedAt := func(stamp string) map[string]string {
		return map[string]string{
			"x-id": "evt_1", "x-time": stamp, "x-signature": macOf(keyOf(1), "evt_1."+stamp+".POST api.partner.example/v1?", body),
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
		{"no signature", without("x-signature"), request, "The header X-Signature is missing."},
		{"no time", without("x-time"), request, "The header X-Time is missing."},
		{"base64 for hexadecimal", with("x-signature", "3q2+7w=="), request, "The signature is not written in the configured encoding."},
		{"half a byte", with("x-signature", "abc"), request, "The signature is not written in the configured encoding."},
		{"an old message", signedAt(fmt.Sprint(at.Add(-10 * time.Minute).Unix())), request, "ago, outside the tolerance of 5m0s."},
		{"a clock that is fast", signedAt(fmt.Sprint(at.Add(time.Hour).Unix())), request, "ahead, outside the tolerance of 5m0s."},
		{"milliseconds", signedAt(fmt.Sprint(at.UnixMilli())), request, "it may be in milliseconds"},
		{"another signature", with("x-signature", strings.Repeat("0", 64)), request, "The signature does not match"},
		{"a kind that is not signed", without(""), response, "Messages of this kind are not signed"},
	} {
		_, err := k.sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
			Name: nameOf("hooks"), Body: body, Headers: maps.Clone(c.headers), Kind: c.kind,
		})
		answers = append(answers, withoutRequestID(t, err))
		failures := k.owner.get(t, "hooks").GetRecentFailures()
		if len(failures) != len(answers) {
			t.Fatalf("%s: %d failures are remembered, want %d", c.name, len(failures), len(answers))
		}
		if f := failures[0]; f.GetStage() != "signature" || !strings.Contains(f.GetCause(), c.cause) {
			t.Errorf("%s: the failure is %v, want the cause %q", c.name, f, c.cause)
		}
		if hidden := k.member.get(t, "hooks").GetRecentFailures(); len(hidden) > 0 {
			t.Errorf("%s: a member sees %v", c.name, hidden)
		}
	}
	for i, answer := range answers {
		if diff := cmp.Diff(answers[0].Proto(), answer.Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("the callers' answer %d differs:\n%s", i, diff)
		}
	}
}

// withoutRequestID returns the status of a call without what differs between any two.
func withoutRequestID(t testing.TB, err error) *status.Status {
	t.Helper()
	st := status.Convert(err)
	bare := status.New(st.Code(), st.Message())
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			var failed error
			bare, failed = bare.WithDetails(info)
			must(t, failed)
		}
	}
	if n := len(st.Details()); n != 2 {
		t.Errorf("%v has %d details, want ErrorInfo and RequestInfo", err, n)
	}
	return bare
}

func TestADryRunShowsWhatIsSigned(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	body := []byte(`{"amount":1}` + "\xff")
	for _, c := range []struct{ name, signing, want string }{
		{
			"an HMAC", `mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" } input: "${method}\n${path}\n${body|sha256|hex}" headers { key: "X-S" value: "${signature}" }`,
			"POST\n/v1\n" + "25afc2c7c143e9212587233d22e33cb1571dce5c3d8d638f6d968914a194b1c0",
		},
		{
			"bytes that are no text", `mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" } headers { key: "X-S" value: "${signature}" }`,
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
		got := k.owner.test(t, &allowlistv1.TestEncryptionRequest{
			Name: nameOf("-"), Body: body, Encryption: encryptionOf(t, "request { signing { "+c.signing+" } }"),
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
	k := newKit(t)
	e := signed(draft(k.secret(t, "key")), k.secret(t, "mac"))
	e.Encryption.Request.Signing.Headers = map[string]string{"X_Signature": "${signature}", "x_time": "${timestamp}", "x_id": "${id}"}
	e.Encryption.Request.Envelope = &allowlistv1.Envelope{Headers: map[string]string{"x_partner": "acme"}}
	e.Headers = []*allowlistv1.Parameter{header("x_version", "1")}
	k.active(t, "orders", e)
	sent := headersOf(k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")}).GetHeaders())
	for _, name := range []string{"x_signature", "x_time", "x_id", "x_partner", "x_version"} {
		if sent[name] == "" {
			t.Errorf("the headers %v lack %s", sent, name)
		}
	}
	e.Encryption.Request.Signing.Headers["Content_Length"] = "1"
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: e.GetEncryption()}, "encryption")
	wantError(t, "a header that some servers read as Content-Length", err, codes.InvalidArgument, "INVALID_FIELD")
}
