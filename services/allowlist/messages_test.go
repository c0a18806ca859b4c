package allowlist_test

import (
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
)

const (
	request  = allowlistv1.MessageKind_MESSAGE_KIND_REQUEST
	response = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
)

func (c client) encrypt(t testing.TB, req *allowlistv1.EncryptRequest) *allowlistv1.EncryptResponse {
	t.Helper()
	resp, err := c.Encrypt(t.Context(), req)
	must(t, err)
	return resp
}

func TestWhatIsEncryptedComesBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := draft(k.secret(t, "key"))
	e.Headers = []*allowlistv1.Parameter{{Name: "X-Partner", Source: &allowlistv1.Parameter_Value{Value: "acme"}}}
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: k.secret(t, "mac")}},
		Headers: map[string]string{"X-Signature": "sha256=${signature}"},
	}
	k.owner.create(t, "orders", e)
	k.activate(t, "orders")

	for name, body := range map[string][]byte{
		"a text": []byte("hello"), "nothing": nil, "a megabyte and a half": make([]byte, 3<<19),
	} {
		sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: body})
		if len(body) > 0 && strings.Contains(string(sent.GetBody()), string(body)) {
			t.Errorf("%s: Encrypt leaves it in the clear", name)
		}
		if h := sent.GetHeaders(); len(h) != 2 || h[0].GetName() != "X-Partner" || !strings.HasPrefix(h[1].GetValue(), "sha256=") {
			t.Errorf("%s: Encrypt = headers %v, want the endpoint's and the signature", name, h)
		}
		if sent.GetContentType() != "text/plain" {
			t.Errorf("%s: Encrypt = content type %q", name, sent.GetContentType())
		}
		opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: nameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
		})
		must(t, err)
		if !same(opened.GetBody(), body) {
			t.Errorf("%s: Decrypt = %d other bytes", name, len(opened.GetBody()))
		}
		if opened.GetExchange() != "" {
			t.Errorf("%s: Decrypt of a response begins an exchange", name)
		}
	}
	_, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: []byte("not ours")})
	wantError(t, "Decrypt of what is not ours", err, codes.InvalidArgument, "DECRYPTION_FAILED")
}

func TestWhatGoesWithEachRequestIsReturned(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	value := func(name, value string) *allowlistv1.Parameter {
		return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
	}
	mac := k.secret(t, "mac")
	e := draft(mac)
	e.ContentType = "application/json"
	e.Headers = []*allowlistv1.Parameter{value("X-Partner", "acme"), value("x-signature", "none")}
	e.Headers[1].PublicReason = proto.String("says that there is none")
	e.QueryParameters = []*allowlistv1.Parameter{value("channel", "web")}
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{Signing: &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: mac}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}}}
	k.owner.create(t, "orders", e)
	k.activate(t, "orders")

	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{}`)})
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
	k := newKit(t)
	secret := k.secret(t, "key")
	e := draft(secret)
	e.Encryption.RotationGrace = durationpb.New(0)
	k.active(t, "orders", e)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	k.rotate(t, secret, 2)
	eventually(t, func() bool {
		_, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: sent.GetBody()})
		return servertest.Reason(err) == "DECRYPTION_FAILED"
	}, "Decrypt with the current version succeeds")
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: nameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	must(t, err)
	if string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt = %q", opened.GetBody())
	}

	// The other way round: the partner asks, and is answered with the version it used.
	asked, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: nameOf("orders"), Kind: request,
		Body: k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("ask")}).GetBody(),
	})
	must(t, err)
	answer := k.sender.encrypt(t, &allowlistv1.EncryptRequest{
		Name: nameOf("orders"), Kind: response, Body: []byte("answer"), Exchange: asked.GetExchange(),
	})
	if answer.GetExchange() != "" {
		t.Error("Encrypt of a response begins an exchange")
	}
}

func TestAnExchangeIsGoodForItsCallerEndpointAndTime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	for _, id := range []string{"orders", "others"} {
		k.owner.create(t, id, draft(secret))
		k.activate(t, id)
	}
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	other := k.as(t, k.env.Workload(t, "other-sender", "sender", "acme"))
	bent := []byte(sent.GetExchange())
	bent[len(bent)/2] ^= 1

	for _, tt := range []struct {
		name     string
		as       client
		endpoint string
		kind     allowlistv1.MessageKind
		exchange string
	}{
		{"another caller", other, "orders", response, sent.GetExchange()},
		{"another endpoint", k.sender, "others", response, sent.GetExchange()},
		{"a request", k.sender, "orders", request, sent.GetExchange()},
		{"a changed bit", k.sender, "orders", response, string(bent)},
		{"garbage", k.sender, "orders", response, "garbage!"},
	} {
		_, err := tt.as.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
			Name: nameOf(tt.endpoint), Kind: tt.kind, Body: sent.GetBody(), Exchange: tt.exchange,
		})
		wantError(t, tt.name, err, codes.InvalidArgument, "INVALID_EXCHANGE")
	}
	_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
		Name: nameOf("orders"), Kind: response, Exchange: sent.GetExchange(),
	})
	wantError(t, "an exchange that Encrypt began itself", err, codes.InvalidArgument, "INVALID_EXCHANGE")
	k.clock.advance(16 * time.Minute)
	_, err = k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: nameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	wantError(t, "an exchange of a quarter of an hour ago", err, codes.InvalidArgument, "INVALID_EXCHANGE")
}

func TestMessagesAreRefusedUnlessAllIsWell(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	encrypt := func(id string) error {
		_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
		return err
	}
	wantError(t, "no such endpoint", encrypt("none"), codes.NotFound, "ENDPOINT_NOT_FOUND")
	k.owner.create(t, "pending", draft(secret))
	err := encrypt("pending")
	wantError(t, "a pending endpoint", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	if got := servertest.Metadata(err)["state"]; got != "PENDING" {
		t.Errorf("metadata state = %q, want PENDING", got)
	}
	k.owner.create(t, "plain", draft())
	k.activate(t, "plain")
	wantError(t, "no encryption", encrypt("plain"), codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")

	short := k.secret(t, "short-key", keyOf(1)...)
	k.owner.create(t, "short", draft(short))
	k.activate(t, "short")
	_, err = k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: short, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte("too short")}, WeakReason: "a test"},
	}})
	must(t, err)
	wantError(t, "a key of the wrong length", encrypt("short"), codes.FailedPrecondition, "KEY_NOT_USABLE")
}

func TestForcedDeletionOfASecretSwitchesTheEndpointOff(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "orders", draft(secret))
	k.activate(t, "orders")
	_, err := k.secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	wantError(t, "DeleteSecret of a secret in use", err, codes.FailedPrecondition, "SECRET_IN_USE")
	_, err = k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	must(t, err)
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	wantError(t, "Encrypt", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	if e := k.owner.get(t, "orders"); e.GetState() != allowlistv1.Endpoint_STATE_INACTIVE || e.GetStateReason() == "" {
		t.Errorf("the endpoint is %v (%q), want INACTIVE with a reason", e.GetState(), e.GetStateReason())
	}
	change := k.owner.history(t, nameOf("orders"))[0]
	if change.GetActor().GetSubject() != "system" || change.GetActor().GetAuthentication() != "system" ||
		change.GetAction() != allowlistv1.EndpointChange_ACTION_DEACTIVATED {
		t.Errorf("the last change is %v, want a deactivation by the system", change)
	}
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
	wantError(t, "ActivateEndpoint without its secret", err, codes.NotFound, "SECRET_NOT_FOUND")

	// A secret of the same name is another one, until the encryption is saved again.
	k.secret(t, "key")
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
	wantError(t, "ActivateEndpoint with another secret of the name", err, codes.NotFound, "SECRET_NOT_FOUND")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(secret)}, "encryption")
	must(t, err)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
	must(t, err)
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	k.settle(t, secret, 1)
}

func TestABindingThatIsMissingIsMadeAgainOrTheVaultIsUnavailable(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "orders", draft(secret))
	k.activate(t, "orders")
	operation := k.held(t, secret)[0].GetOperationId()
	_, err := k.bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	must(t, err)
	k.store.FailUpdates(errors.New("no space left")) // to bind begins in the own store
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	wantError(t, "Encrypt without a binding", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !strings.Contains(k.env.Log.String(), "no binding of this workload") {
		t.Error("the log does not say that the binding is missing")
	}
	k.store.FailUpdates(nil)
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	if held := k.held(t, secret); len(held) != 1 || held[0].GetOperationId() != operation {
		t.Errorf("the bindings are %v, want that of the save", held)
	}
	if e := k.owner.get(t, "orders"); e.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("a missing binding switches the endpoint %v", e.GetState())
	}
}

func TestAnExchangePinsOnlyWhatFollowsTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	e := draft(secret)
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: secret, Version: 1}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}
	k.owner.create(t, "orders", e)
	k.activate(t, "orders")
	_, err := k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{
			Generate: &vaultv1.Generate{Kind: vaultv1.Generate_KIND_AES_256},
		}},
	}})
	must(t, err)

	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: nameOf("orders"), Body: sent.GetBody(), Exchange: sent.GetExchange(),
	})
	must(t, err)
	if got := string(opened.GetBody()); got != "hello" {
		t.Errorf("Decrypt with a signature under another version of the key = %q, want hello", got)
	}
}
