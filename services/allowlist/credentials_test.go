package allowlist_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const partner = "api.partner.example" // the host of draft

// credential stores a text that may be sent to the given hosts.
func (k *kit) credential(t testing.TB, id, text string, hosts ...string) string {
	t.Helper()
	_, err := k.vaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: id, Secret: &vaultv1.Secret{
			Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts,
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
		},
	})
	must(t, err)
	return workspace + "/secrets/" + id
}

func (k *kit) allowHosts(t testing.TB, secret string, hosts ...string) error {
	t.Helper()
	_, err := k.vaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret:     &vaultv1.Secret{Name: secret, AllowedHosts: hosts},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"allowed_hosts"}},
	})
	return err
}

// referring is a header or query parameter that refers to a secret.
func referring(name, secret string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Secret{Secret: &allowlistv1.SecretRef{Name: secret}}}
}

func bodyValue(path, secret string) *allowlistv1.BodyValue {
	return &allowlistv1.BodyValue{Path: path, Secret: &allowlistv1.SecretRef{Name: secret}}
}

// equipped is an endpoint that sends a credential in each place.
func equipped(key, secret string) *allowlistv1.Endpoint {
	e := draft(key)
	e.Headers = []*allowlistv1.Parameter{header("X-Partner", "acme"), referring("Authorization", secret)}
	e.QueryParameters = []*allowlistv1.Parameter{referring("api_key", secret), header("v", "2")}
	e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.auth.apiKey", secret)}
	return e
}

func pairs(parameters []*allowlistv1.Parameter) string {
	var all []string
	for _, p := range parameters {
		all = append(all, p.GetName()+"="+p.GetValue())
	}
	return strings.Join(all, "&")
}

func TestSendersGetCredentialsAndNobodyElse(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const canary = `Bearer "sesame-canary"`
	key, secret := k.secret(t, "key"), k.credential(t, "token", canary, partner)
	k.active(t, "orders", equipped(key, secret))

	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"amount": 1.50, "auth":{}}`)})
	if got, want := pairs(sent.GetHeaders()), "X-Partner=acme&Authorization="+canary; got != want {
		t.Errorf("headers = %s, want %s", got, want)
	}
	if got, want := pairs(sent.GetQueryParameters()), "api_key="+canary+"&v=2"; got != want {
		t.Errorf("query parameters = %s, want %s", got, want)
	}
	if strings.Contains(string(sent.GetBody()), "sesame") {
		t.Error("the encrypted body shows the credential")
	}
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Kind: request, Body: sent.GetBody()})
	must(t, err)
	quoted, err := json.Marshal(canary)
	must(t, err)
	if want := `{"amount": 1.50, "auth":{"apiKey":` + string(quoted) + `}}`; string(opened.GetBody()) != want {
		t.Errorf("the partner opens %s, want %s", opened.GetBody(), want)
	}
	answer := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Kind: response, Body: []byte("no JSON")})
	if got := pairs(answer.GetHeaders()) + " " + pairs(answer.GetQueryParameters()); got != "X-Partner=acme v=2" {
		t.Errorf("a response carries %s, want no credentials", got)
	}

	for _, as := range []client{k.owner, k.admin, k.member} {
		want := secret
		if as == k.member {
			want = "set"
		}
		list, err := as.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace})
		must(t, err)
		for _, e := range append(list.GetEndpoints(), as.get(t, "orders")) {
			shown := []string{e.GetHeaders()[1].GetSecret().GetName(), e.GetQueryParameters()[0].GetSecret().GetName(), e.GetBodyValues()[0].GetSecret().GetName()}
			if !slices.Equal(shown, []string{want, want, want}) {
				t.Errorf("%s sees %v, want %s", as.subject, shown, want)
			}
			servertest.MustNotHold(t, "what people see", prototext.Format(e), "sesame-canary")
		}
	}
	change := k.owner.history(t, nameOf("orders"))[2]
	if !slices.Equal(change.GetSecrets(), []string{key, secret}) {
		t.Errorf("the log names %v, want both secrets", change.GetSecrets())
	}
	servertest.MustNotHold(t, "the log of changes", prototext.Format(change), "sesame-canary")
	servertest.MustNotHold(t, "the log", k.env.Log.String(), "sesame-canary")
	k.server.Stop()
	stored, err := os.ReadFile(k.config.Store)
	must(t, err)
	if strings.Contains(string(stored), "sesame") {
		t.Error("the store of the allowlist holds the credential")
	}
}

func TestASignatureReplacesACredentialOfItsName(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := draft()
	e.ContentType = "application/json"
	e.Headers = []*allowlistv1.Parameter{referring("x-signature", k.credential(t, "token", "sesame", partner))}
	e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.pin", k.credential(t, "pin", "0042", partner))}
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{Signing: &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: k.secret(t, "mac")}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}}}
	k.active(t, "orders", e)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{}`)})
	if h := sent.GetHeaders(); len(h) != 1 || h[0].GetName() != "X-Signature" || h[0].GetValue() == "sesame" {
		t.Errorf("headers = %v, want the signature alone", h)
	}
	// Without a cipher the body with its value is what goes out.
	if got := string(sent.GetBody()); got != `{"pin":"0042"}` {
		t.Errorf("body = %s", got)
	}
}

func TestCredentialsThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, tt := range []struct {
		name, text, body, reason, path string
		code                           codes.Code
		change                         func(e *allowlistv1.Endpoint, secret string)
	}{
		{
			"a line break in a header", "sesame-canary\r\nX-Admin: yes", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) { e.Headers = []*allowlistv1.Parameter{referring("a", s)} },
		},
		{
			"a line end in a query parameter", "sesame-canary\n", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) {
				e.QueryParameters = []*allowlistv1.Parameter{referring("a", s)}
			},
		},
		{
			"letters beyond ASCII in a header", "sesame-canary-ü", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) { e.Headers = []*allowlistv1.Parameter{referring("a", s)} },
		},
		{
			"a body that is no JSON", "sesame-canary", `amount=1`, "BODY_NOT_ENCRYPTABLE", "", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) { e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.a", s)} },
		},
		{
			"a body without the object", "sesame-canary", `{}`, "BODY_NOT_ENCRYPTABLE", "$.auth.key", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) {
				e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.auth.key", s)}
			},
		},
	} {
		id := strings.ReplaceAll(tt.name, " ", "-")
		e := draft(k.secretOnce(t))
		tt.change(e, k.credential(t, id, tt.text, partner))
		k.active(t, id, e)
		_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte(tt.body)})
		wantError(t, tt.name, err, tt.code, tt.reason)
		if got := servertest.Metadata(err)["path"]; got != tt.path {
			t.Errorf("%s: metadata path = %q, want %q", tt.name, got, tt.path)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	servertest.MustNotHold(t, "the log", k.env.Log.String(), "sesame-canary")
}
