package exchange_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func fields(text string) []string { return strings.Fields(text) }

// macOf returns a signature like that of [signed].
func macOf(key []byte, context string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(append([]byte(context+"."), body...)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

func TestWhatIsSignedComesFromTheCallOrElseFromTheEndpoint(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "mac", allowlisttest.KeyOf(1)...)
	k.Active(t, "orders", allowlisttest.Signed(allowlisttest.Draft(), secret))
	several := allowlisttest.Signed(allowlisttest.Draft(), k.Secret(t, "several", allowlisttest.KeyOf(1)...))
	several.Methods, several.Url = []string{"POST", "PUT"}, "https://[2001:db8::1]:8443/v1/*"
	k.Active(t, "several", several)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	for _, tt := range []struct {
		name, id  string
		context   *allowlistv1.MessageContext
		want      string
		violation string
	}{
		{name: "no context", id: "orders", want: "POST api.partner.example/v1?"},
		{
			"the complete context", "orders", &allowlistv1.MessageContext{
				Time: timestamppb.New(at), Id: "msg_1", Method: "PATCH", Path: "/v1/a%20b", Query: "b=2&a=1", Host: "other.example",
			}, "PATCH other.example/v1/a%20b?b=2&a=1", "",
		},
		{"an endpoint of several methods, and paths", "several", &allowlistv1.MessageContext{Method: "PUT", Path: "/v1/x"}, "PUT [2001:db8::1]/v1/x?", ""},
		{"no method", "several", &allowlistv1.MessageContext{Path: "/v1/x"}, "", "context.method"},
		{"no path", "several", &allowlistv1.MessageContext{Method: "PUT"}, "", "context.path"},
		{"a path without a slash", "orders", &allowlistv1.MessageContext{Path: "v1"}, "", "context.path"},
		{"an invalid time", "orders", &allowlistv1.MessageContext{Time: &timestamppb.Timestamp{Nanos: -1}}, "", "context.time"},
	} {
		sent, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(tt.id), Body: []byte("hello"), Context: tt.context})
		if tt.violation != "" {
			allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, "INVALID_FIELD")
			if v := servertest.Violations(err); len(v) != 1 || v[0].Field != tt.violation {
				t.Errorf("%s: violations = %v, want one of %s", tt.name, v, tt.violation)
			}
			continue
		}
		allowlisttest.Must(t, err)
		h := allowlisttest.HeadersOf(sent.GetHeaders())
		if want := tt.context.GetId(); want != "" && h["x-id"] != want || want == "" && len(h["x-id"]) != len("msg_")+26 {
			t.Errorf("%s: id = %q", tt.name, h["x-id"])
		}
		if tt.context.GetTime() != nil && h["x-time"] != fmt.Sprint(at.Unix()) {
			t.Errorf("%s: time = %s, want %d", tt.name, h["x-time"], at.Unix())
		}
		if want := macOf(allowlisttest.KeyOf(1), h["x-id"]+"."+h["x-time"]+"."+tt.want, sent.GetBody()); h["x-signature"] != want {
			t.Errorf("%s: the signature is not one over %q", tt.name, tt.want)
		}
	}
}

func TestSignaturesAreVerifiedOverAllThatTheySign(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "mac", allowlisttest.KeyOf(1)...)
	k.Active(t, "hooks", allowlisttest.Signed(allowlisttest.Draft(), secret))
	k.Active(t, "plain", allowlisttest.Draft(k.Secret(t, "plain")))
	k.Owner.Create(t, "off", allowlisttest.Signed(allowlisttest.Draft(), secret))
	at := k.Clock.Now().Truncate(time.Second)
	body, stamp := []byte("hello"), fmt.Sprint(at.Unix())
	headers := map[string]string{
		"X-ID": "evt_1", "x-time": stamp, "X-SIGNATURE": macOf(allowlisttest.KeyOf(1), "evt_1."+stamp+".POST api.partner.example/v1?", body),
	}
	good := func() *allowlistv1.VerifySignatureRequest {
		return &allowlistv1.VerifySignatureRequest{Name: allowlisttest.NameOf("hooks"), Body: body, Headers: maps.Clone(headers)}
	}
	verified, err := k.Sender.VerifySignature(t.Context(), good())
	allowlisttest.Must(t, err)
	if verified.GetId() != "evt_1" || !verified.GetTime().AsTime().Equal(at) {
		t.Errorf("VerifySignature = %v, want the id and the time of the headers", verified)
	}
	for _, tt := range []struct {
		name   string
		change func(*allowlistv1.VerifySignatureRequest)
		code   codes.Code
		reason string
	}{
		{"another body", func(r *allowlistv1.VerifySignatureRequest) { r.Body = []byte("hallo") }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"another path", func(r *allowlistv1.VerifySignatureRequest) {
			r.Context = &allowlistv1.MessageContext{Path: "/v2"}
		}, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"another id", func(r *allowlistv1.VerifySignatureRequest) { r.Headers["X-ID"] = "evt_2" }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"no signature", func(r *allowlistv1.VerifySignatureRequest) { delete(r.GetHeaders(), "X-SIGNATURE") }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"no headers", func(r *allowlistv1.VerifySignatureRequest) { r.Headers = nil }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"six minutes later", func(r *allowlistv1.VerifySignatureRequest) {
			r.Context = &allowlistv1.MessageContext{Time: timestamppb.New(at.Add(6 * time.Minute))}
		}, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"a header twice", func(r *allowlistv1.VerifySignatureRequest) { r.Headers["x-signature"] = "0" }, codes.InvalidArgument, "INVALID_FIELD"},
		{"a response, which is not signed", func(r *allowlistv1.VerifySignatureRequest) { r.Kind = allowlisttest.Response }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"an endpoint that does not sign", func(r *allowlistv1.VerifySignatureRequest) { r.Name = allowlisttest.NameOf("plain") }, codes.InvalidArgument, "SIGNATURE_INVALID"},
		{"an endpoint that is off", func(r *allowlistv1.VerifySignatureRequest) { r.Name = allowlisttest.NameOf("off") }, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE"},
		{"no endpoint", func(r *allowlistv1.VerifySignatureRequest) { r.Name = allowlisttest.NameOf("none") }, codes.NotFound, "ENDPOINT_NOT_FOUND"},
	} {
		req := good()
		tt.change(req)
		_, err := k.Sender.VerifySignature(t.Context(), req)
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
	}
}

func TestDecryptVerifiesTheSignatureFirst(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Active(t, "orders", allowlisttest.Signed(allowlisttest.Draft(k.Secret(t, "key")), k.Secret(t, "mac")))
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	headers := allowlisttest.HeadersOf(sent.GetHeaders())
	decrypt := func(body []byte, headers map[string]string) (*allowlistv1.DecryptResponse, error) {
		return k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request, Body: body, Headers: headers})
	}
	opened, err := decrypt(sent.GetBody(), headers)
	allowlisttest.Must(t, err)
	if string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt = %q", opened.GetBody())
	}
	_, err = decrypt(sent.GetBody(), nil)
	allowlisttest.WantError(t, "Decrypt without the signature", err, codes.InvalidArgument, "SIGNATURE_INVALID")
	_, err = decrypt([]byte("not ours"), headers)
	allowlisttest.WantError(t, "Decrypt of another body", err, codes.InvalidArgument, "SIGNATURE_INVALID")
}
