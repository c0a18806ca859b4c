package exchange_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// the host of draft

func TestOnlySendersGetCredentials(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	const canary = `Bearer "sesame-canary"`
	key, secret := k.Secret(t, "key"), k.Credential(t, "token", canary, allowlisttest.Partner)
	k.Active(t, "orders", allowlisttest.Equipped(key, secret))

	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"amount": 1.50, "auth":{}}`)})
	if got, want := allowlisttest.Pairs(sent.GetHeaders()), "X-Partner=acme&Authorization="+canary; got != want {
		t.Errorf("headers = %s, want %s", got, want)
	}
	if got, want := allowlisttest.Pairs(sent.GetQueryParameters()), "api_key="+canary+"&v=2"; got != want {
		t.Errorf("query parameters = %s, want %s", got, want)
	}
	if strings.Contains(string(sent.GetBody()), "sesame") {
		t.Error("the encrypted body shows the credential")
	}
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request, Body: sent.GetBody()})
	allowlisttest.Must(t, err)
	quoted, err := json.Marshal(canary)
	allowlisttest.Must(t, err)
	if want := `{"amount": 1.50, "auth":{"apiKey":` + string(quoted) + `}}`; string(opened.GetBody()) != want {
		t.Errorf("the partner opens %s, want %s", opened.GetBody(), want)
	}
	answer := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Response, Body: []byte("no JSON")})
	if got := allowlisttest.Pairs(answer.GetHeaders()) + " " + allowlisttest.Pairs(answer.GetQueryParameters()); got != "X-Partner=acme v=2" {
		t.Errorf("a response carries %s, want no credentials", got)
	}

	for _, as := range []allowlisttest.Client{k.Owner, k.Admin, k.Member} {
		want := secret
		if as == k.Member {
			want = "set"
		}
		list, err := as.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
		allowlisttest.Must(t, err)
		for _, e := range append(list.GetEndpoints(), as.Get(t, "orders")) {
			shown := []string{e.GetHeaders()[1].GetSecret().GetName(), e.GetQueryParameters()[0].GetSecret().GetName(), e.GetBodyValues()[0].GetSecret().GetName()}
			if !slices.Equal(shown, []string{want, want, want}) {
				t.Errorf("%s sees %v, want %s", as.Subject, shown, want)
			}
			servertest.MustNotHold(t, "what people see", prototext.Format(e), "sesame-canary")
		}
	}
	change := k.Owner.History(t, allowlisttest.NameOf("orders"))[2]
	if !slices.Equal(change.GetSecrets(), []string{key, secret}) {
		t.Errorf("the log names %v, want both secrets", change.GetSecrets())
	}
	servertest.MustNotHold(t, "the log of changes", prototext.Format(change), "sesame-canary")
	servertest.MustNotHold(t, "the log", k.Env.Log.String(), "sesame-canary")
	k.Server.Stop()
	stored, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	if strings.Contains(string(stored), "sesame") {
		t.Error("the store of the allowlist holds the credential")
	}
}

func TestASignatureReplacesACredentialOfItsName(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft()
	e.ContentType = "application/json"
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("x-signature", k.Credential(t, "token", "sesame", allowlisttest.Partner))}
	e.BodyValues = []*allowlistv1.BodyValue{allowlisttest.BodyValue("$.pin", k.Credential(t, "pin", "0042", allowlisttest.Partner))}
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{Signing: &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: k.Secret(t, "mac")}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}}}
	k.Active(t, "orders", e)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{}`)})
	if h := sent.GetHeaders(); len(h) != 1 || h[0].GetName() != "X-Signature" || h[0].GetValue() == "sesame" {
		t.Errorf("headers = %v, want the signature alone", h)
	}
	// Without a cipher, the body with its value is sent as it is.
	if got := string(sent.GetBody()); got != `{"pin":"0042"}` {
		t.Errorf("body = %s", got)
	}
}

func TestCredentialsThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, tt := range []struct {
		name, text, body, reason, path string
		code                           codes.Code
		change                         func(e *allowlistv1.Endpoint, secret string)
	}{
		{
			"a line break in a header", "sesame-canary\r\nX-Admin: yes", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) {
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("a", s)}
			},
		},
		{
			"a line end in a query parameter", "sesame-canary\n", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) {
				e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Referring("a", s)}
			},
		},
		{
			"letters beyond ASCII in a header", "sesame-canary-ü", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) {
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("a", s)}
			},
		},
		{
			"a body that is not JSON", "sesame-canary", `amount=1`, "BODY_NOT_ENCRYPTABLE", "", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) {
				e.BodyValues = []*allowlistv1.BodyValue{allowlisttest.BodyValue("$.a", s)}
			},
		},
		{
			"a body without the object", "sesame-canary", `{}`, "BODY_NOT_ENCRYPTABLE", "$.auth.key", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) {
				e.BodyValues = []*allowlistv1.BodyValue{allowlisttest.BodyValue("$.auth.key", s)}
			},
		},
	} {
		id := strings.ReplaceAll(tt.name, " ", "-")
		e := allowlisttest.Draft(k.SecretOnce(t))
		tt.change(e, k.Credential(t, id, tt.text, allowlisttest.Partner))
		k.Active(t, id, e)
		_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte(tt.body)})
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		if got := servertest.Metadata(err)["path"]; got != tt.path {
			t.Errorf("%s: metadata path = %q, want %q", tt.name, got, tt.path)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	servertest.MustNotHold(t, "the log", k.Env.Log.String(), "sesame-canary")
}
