package exchange_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestWhatIsEncryptedComesBack(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft(k.Secret(t, "key"))
	e.Headers = []*allowlistv1.Parameter{{Name: "X-Partner", Source: &allowlistv1.Parameter_Value{Value: "acme"}}}
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: k.Secret(t, "mac")}},
		Headers: map[string]string{"X-Signature": "sha256=${signature}"},
	}
	k.Owner.Create(t, "orders", e)
	k.Activate(t, "orders")

	for name, body := range map[string][]byte{
		"a text": []byte("hello"), "nothing": nil, "a megabyte and a half": make([]byte, 3<<19),
	} {
		sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: body})
		if len(body) > 0 && strings.Contains(string(sent.GetBody()), string(body)) {
			t.Errorf("%s: Encrypt leaves it in the clear", name)
		}
		if h := sent.GetHeaders(); len(h) != 2 || h[0].GetName() != "X-Partner" || !strings.HasPrefix(h[1].GetValue(), "sha256=") {
			t.Errorf("%s: Encrypt = headers %v, want the endpoint's and the signature", name, h)
		}
		if sent.GetContentType() != "text/plain" {
			t.Errorf("%s: Encrypt = content type %q", name, sent.GetContentType())
		}
		opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: allowlisttest.NameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
		})
		allowlisttest.Must(t, err)
		if !bytes.Equal(opened.GetBody(), body) {
			t.Errorf("%s: Decrypt = %d other bytes", name, len(opened.GetBody()))
		}
		if opened.GetExchange() != "" {
			t.Errorf("%s: Decrypt of a response begins an exchange", name)
		}
	}
	_, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("not ours")})
	allowlisttest.WantError(t, "Decrypt of an invalid token", err, codes.InvalidArgument, "DECRYPTION_FAILED")
}

func TestWhatGoesWithEachRequestIsReturned(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	value := func(name, value string) *allowlistv1.Parameter {
		return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
	}
	mac := k.Secret(t, "mac")
	e := allowlisttest.Draft(mac)
	e.ContentType = "application/json"
	e.Headers = []*allowlistv1.Parameter{value("X-Partner", "acme"), value("x-signature", "none")}
	e.Headers[1].PublicReason = proto.String("the header has no secret")
	e.QueryParameters = []*allowlistv1.Parameter{value("channel", "web")}
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{Signing: &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: mac}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}}}
	k.Owner.Create(t, "orders", e)
	k.Activate(t, "orders")

	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{}`)})
	if h := sent.GetHeaders(); len(h) != 2 || h[0].GetName() != "X-Partner" || h[1].GetName() != "X-Signature" {
		t.Errorf("headers = %v, want the endpoint's, and the signature in place of the one of its name", h)
	}
	if q := sent.GetQueryParameters(); len(q) != 1 || q[0].GetName() != "channel" || q[0].GetValue() != "web" {
		t.Errorf("query parameters = %v, want the endpoint's", q)
	}
	if got := sent.GetContentType(); got != "application/json" {
		t.Errorf("content type of a body that is only signed = %q, want the endpoint's", got)
	}
}

func TestAnExchangePinsTheVersion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	e := allowlisttest.Draft(secret)
	e.Encryption.RotationGrace = durationpb.New(0)
	k.Active(t, "orders", e)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: sent.GetBody()})
		return servertest.Reason(err) == "DECRYPTION_FAILED"
	}, "Decrypt with the current version succeeds")
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	allowlisttest.Must(t, err)
	if string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt = %q", opened.GetBody())
	}

	// In the other direction: the partner sends a request, and the response uses the same version.
	asked, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request,
		Body: k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("ask")}).GetBody(),
	})
	allowlisttest.Must(t, err)
	answer := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Response, Body: []byte("answer"), Exchange: asked.GetExchange(),
	})
	if answer.GetExchange() != "" {
		t.Error("Encrypt of a response begins an exchange")
	}
}

func TestAnExchangeIsValidForItsCallerEndpointAndTime(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	for _, id := range []string{"orders", "others"} {
		k.Owner.Create(t, id, allowlisttest.Draft(secret))
		k.Activate(t, id)
	}
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	other := k.As(t, k.Env.Workload(t, "other-sender", "sender", "acme"))
	bent := []byte(sent.GetExchange())
	bent[len(bent)/2] ^= 1

	for _, tt := range []struct {
		name     string
		as       allowlisttest.Client
		endpoint string
		kind     allowlistv1.MessageKind
		exchange string
	}{
		{"another caller", other, "orders", allowlisttest.Response, sent.GetExchange()},
		{"another endpoint", k.Sender, "others", allowlisttest.Response, sent.GetExchange()},
		{"a request", k.Sender, "orders", allowlisttest.Request, sent.GetExchange()},
		{"a changed bit", k.Sender, "orders", allowlisttest.Response, string(bent)},
		{"garbage", k.Sender, "orders", allowlisttest.Response, "garbage!"},
	} {
		_, err := tt.as.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: allowlisttest.NameOf(tt.endpoint), Kind: tt.kind, Body: sent.GetBody(), Exchange: tt.exchange,
		})
		allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, "INVALID_EXCHANGE")
	}
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Response, Exchange: sent.GetExchange(),
	})
	allowlisttest.WantError(t, "an exchange that Encrypt began itself", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	k.Clock.Advance(16 * time.Minute)
	_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	allowlisttest.WantError(t, "an exchange of a quarter of an hour ago", err, codes.InvalidArgument, "INVALID_EXCHANGE")
}

func TestMessagesAreRefusedUnlessAllIsWell(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	encrypt := func(id string) error {
		_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
		return err
	}
	allowlisttest.WantError(t, "no such endpoint", encrypt("none"), codes.NotFound, "ENDPOINT_NOT_FOUND")
	k.Owner.Create(t, "pending", allowlisttest.Draft(secret))
	err := encrypt("pending")
	allowlisttest.WantError(t, "a pending endpoint", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	if got := servertest.Metadata(err)["state"]; got != "PENDING" {
		t.Errorf("metadata state = %q, want PENDING", got)
	}
	k.Owner.Create(t, "plain", allowlisttest.Draft())
	k.Activate(t, "plain")
	allowlisttest.WantError(t, "no encryption", encrypt("plain"), codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")

	short := k.Secret(t, "short-key", allowlisttest.KeyOf(1)...)
	k.Owner.Create(t, "short", allowlisttest.Draft(short))
	k.Activate(t, "short")
	_, err = k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: short, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte("too short")}, WeakReason: "a test"},
	}})
	allowlisttest.Must(t, err)
	allowlisttest.WantError(t, "a key of the wrong length", encrypt("short"), codes.FailedPrecondition, "KEY_NOT_USABLE")
}

func TestForcedDeletionOfASecretSwitchesTheEndpointOff(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Activate(t, "orders")
	_, err := k.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	allowlisttest.WantError(t, "DeleteSecret of a secret in use", err, codes.FailedPrecondition, "SECRET_IN_USE")
	_, err = k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	allowlisttest.Must(t, err)
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	allowlisttest.WantError(t, "Encrypt", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	if e := k.Owner.Get(t, "orders"); e.GetState() != allowlistv1.Endpoint_STATE_INACTIVE || !strings.Contains(e.GetStateReason(), "was deleted: leaked;") {
		t.Errorf("the endpoint is %v (%q), want INACTIVE with the reason of the deletion", e.GetState(), e.GetStateReason())
	}
	change := k.Owner.History(t, allowlisttest.NameOf("orders"))[0]
	if change.GetActor().GetSubject() != "system" || change.GetActor().GetAuthentication() != "system" ||
		change.GetAction() != allowlistv1.EndpointChange_ACTION_DEACTIVATED {
		t.Errorf("the last change is %v, want a deactivation by the system", change)
	}
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "ActivateEndpoint without its secret", err, codes.NotFound, "SECRET_NOT_FOUND")

	// A new secret of the same name is not used until the encryption is saved again.
	k.Secret(t, "key")
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "ActivateEndpoint with another secret of the name", err, codes.NotFound, "SECRET_NOT_FOUND")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secret)}, "encryption")
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	k.Settle(t, secret, 1)
}

func TestABindingThatIsMissingIsMadeAgainOrTheVaultIsUnavailable(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Activate(t, "orders")
	operation := k.Held(t, secret)[0].GetOperationId()
	_, err := k.Bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	allowlisttest.Must(t, err)
	k.Store.FailUpdates(errors.New("no space left")) // binding begins in the own store
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	allowlisttest.WantError(t, "Encrypt without a binding", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !strings.Contains(k.Env.Log.String(), "no binding of this workload") {
		t.Error("the log does not say that the binding is missing")
	}
	k.Store.FailUpdates(nil)
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	if held := k.Held(t, secret); len(held) != 1 || held[0].GetOperationId() != operation {
		t.Errorf("the bindings are %v, want that of the save", held)
	}
	if e := k.Owner.Get(t, "orders"); e.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("a missing binding switches the endpoint %v", e.GetState())
	}
}

func TestAnExchangePinsOnlyWhatFollowsTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: secret, Version: 1}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}
	k.Owner.Create(t, "orders", e)
	k.Activate(t, "orders")
	_, err := k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{
			Generate: &vaultv1.Generate{Kind: vaultv1.Generate_KIND_AES_256},
		}},
	}})
	allowlisttest.Must(t, err)

	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	allowlisttest.Must(t, err)
	if got := string(opened.GetBody()); got != "hello" {
		t.Errorf("Decrypt with a signature under another version of the key = %q, want hello", got)
	}
}
