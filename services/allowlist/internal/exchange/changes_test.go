package exchange_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// Each change acts on the first message after it, although endpoints are kept prepared.
func TestChangesOfAnEndpointActAtOnce(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	other := k.Secret(t, "other", allowlisttest.KeyOf(2)...)
	encrypt := func() (*allowlistv1.EncryptResponse, error) { return k.EncryptOrder(t) }
	name := allowlisttest.NameOf("orders")
	wantKey := func(what string, version int) {
		t.Helper()
		for range 2 { // prepares the endpoint, and finds it prepared
			sent, err := encrypt()
			allowlisttest.Must(t, err)
			if !allowlisttest.Opens(t, version, sent.GetBody()) {
				t.Errorf("%s: the message is not under key %d", what, version)
			}
		}
	}
	wantKey("at first", 1)

	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Encryption: allowlisttest.Encrypted(other)}, "encryption")
	allowlisttest.Must(t, err)
	wantKey("with another configuration", 2)

	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Headers: []*allowlistv1.Parameter{allowlisttest.Header("X-Partner", "acme")}}, "headers")
	allowlisttest.Must(t, err)
	sent, err := encrypt()
	allowlisttest.Must(t, err)
	if got := allowlisttest.Pairs(sent.GetHeaders()); got != "X-Partner=acme" {
		t.Errorf("with a header, Encrypt = headers %s", got)
	}

	_, err = k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	for range 2 {
		_, err = encrypt()
		allowlisttest.WantError(t, "Encrypt after the deactivation", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
	}
	allowlisttest.Must(t, k.Owner.Activate(t, "orders"))
	wantKey("active again", 2)

	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name}, "encryption")
	allowlisttest.Must(t, err)
	_, err = encrypt()
	allowlisttest.WantError(t, "Encrypt without a configuration", err, codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")

	k.Owner.Delete(t, "orders")
	for range 2 {
		_, err = encrypt()
		allowlisttest.WantError(t, "Encrypt after the deletion", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
	}
	k.Active(t, "orders", allowlisttest.Draft(allowlisttest.Workspace+"/secrets/key"))
	wantKey("another endpoint of the name", 1)

	k.Store.FailViews(errors.New("the store fails"))
	wantKey("unchanged, with a store that fails", 1)
	k.Store.FailViews(nil)
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Description: "changed"}, "description")
	allowlisttest.Must(t, err)
	k.Store.FailViews(errors.New("the store fails"))
	_, err = encrypt()
	k.Store.FailViews(nil)
	if status.Code(err) != codes.Internal {
		t.Errorf("Encrypt after a change, with a store that fails = %v, want an internal error", err)
	}
}

// Concurrent messages of an endpoint that is switched between two keys use the key that was saved
// before they began, or a later one.
func TestMessagesNeverUseAReplacedConfiguration(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secrets := []string{k.Orders(t), k.Secret(t, "other", allowlisttest.KeyOf(2)...)}
	done := make(chan struct{})
	go func() { // keeps the prepared form of the endpoint in motion
		defer close(done)
		for range 200 {
			if _, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")}); err != nil {
				t.Errorf("Encrypt = %v", err)
			}
		}
	}()
	for i := range 10 {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{
			Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secrets[i%2]),
		}, "encryption")
		allowlisttest.Must(t, err)
		if !k.Uses(t, i%2+1) {
			t.Errorf("after change %d, the message is not under key %d", i, i%2+1)
		}
	}
	<-done
}
