package exchange_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func destroy(t testing.TB, k *allowlisttest.Kit, secret string, number int) {
	t.Helper()
	_, err := k.Secrets.DestroySecretVersion(t.Context(), &vaultv1.DestroySecretVersionRequest{
		Name: allowlisttest.Numbered(secret, number), Force: true, Reason: "leaked",
	})
	allowlisttest.Must(t, err)
}

// refusedFor waits until encrypting for an endpoint is refused for a reason.
func refusedFor(t testing.TB, k *allowlisttest.Kit, id, reason string) {
	t.Helper()
	var err error
	allowlisttest.Eventually(t, func() bool {
		_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
		return err != nil
	}, "Encrypt for %s goes on", id)
	allowlisttest.WantError(t, "Encrypt for "+id, err, codes.FailedPrecondition, reason)
}

// rotated creates the endpoint orders, and two messages of it: one from before a rotation and one
// from after it.
func rotated(t testing.TB, k *allowlisttest.Kit) (secret string, before, after *allowlistv1.EncryptResponse) {
	t.Helper()
	secret = k.Orders(t)
	before, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
	after, err = k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	return secret, before, after
}

func TestNothingGoesOutWithACurrentVersionThatIsDisabledAndWhatCameBeforeOpens(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, before, after := rotated(t, k)
	k.Disable(t, secret, 2)
	refusedFor(t, k, "orders", "VERSION_DISABLED")
	for range 2 {
		opened, err := k.Open(t, "orders", before.GetBody(), allowlisttest.Request)
		allowlisttest.Must(t, err)
		if string(opened.GetBody()) != "hello" {
			t.Errorf("Decrypt of a message from before = %q", opened.GetBody())
		}
	}
	_, err := k.Open(t, "orders", after.GetBody(), allowlisttest.Request)
	allowlisttest.WantError(t, "Decrypt of a message from after", err, codes.FailedPrecondition, "VERSION_DISABLED")
	_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: after.GetBody(), Exchange: after.GetExchange()})
	allowlisttest.WantError(t, "Decrypt of its answer", err, codes.FailedPrecondition, "VERSION_DISABLED")
	if failures := k.Owner.Get(t, "orders").GetRecentFailures(); len(failures) != 0 {
		t.Errorf("the partner is reported as failing: %v", failures)
	}
	k.Enable(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "a version that was enabled is not in use")
	_, err = k.Open(t, "orders", after.GetBody(), allowlisttest.Request)
	allowlisttest.Must(t, err)
}

func TestADisabledVersionIsNotTried(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, before, after := rotated(t, k)
	k.Disable(t, secret, 1)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.Open(t, "orders", before.GetBody(), allowlisttest.Request)
		return servertest.Reason(err) == "DECRYPTION_FAILED"
	}, "a version that is disabled opens messages")
	_, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: before.GetBody(), Exchange: before.GetExchange()})
	allowlisttest.WantError(t, "Decrypt of the answer to a message from before", err, codes.FailedPrecondition, "VERSION_DISABLED")
	_, err = k.Open(t, "orders", after.GetBody(), allowlisttest.Request)
	allowlisttest.Must(t, err)
	destroy(t, k, secret, 1)
	allowlisttest.Eventually(t, func() bool {
		_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: before.GetBody(), Exchange: before.GetExchange()})
		return servertest.Reason(err) == "VERSION_DESTROYED"
	}, "Decrypt with a destroyed version = %v", err)
	destroy(t, k, secret, 2)
	refusedFor(t, k, "orders", "VERSION_DESTROYED")
}

func TestARestoredVersionIsUsed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, before, after := rotated(t, k)
	_, err := k.Secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: allowlisttest.Numbered(secret, 1)})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 1) }, "a version that was restored is not in use")
	for _, body := range [][]byte{before.GetBody(), after.GetBody()} { // the other one is in the grace period now
		_, err := k.Open(t, "orders", body, allowlisttest.Request)
		allowlisttest.Must(t, err)
	}
	_, err = k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		KeepCurrent: true, Secret: &vaultv1.Secret{
			Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: allowlisttest.KeyOf(3)}},
		},
	})
	allowlisttest.Must(t, err)
	_, err = k.Secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: allowlisttest.Numbered(secret, 3)})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 3) }, "a version that waited is not in use")
}

func TestAVersionThatIsReferredToByNumberRefusesWhileItIsDisabled(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.Rotate(t, secret, 2)
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = 1
	k.Active(t, "pinned", e)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("pinned"), Body: []byte("hello")})
	k.Disable(t, secret, 1)
	refusedFor(t, k, "pinned", "VERSION_DISABLED")
	_, err := k.Open(t, "pinned", sent.GetBody(), allowlisttest.Request)
	allowlisttest.WantError(t, "Decrypt", err, codes.FailedPrecondition, "VERSION_DISABLED")

	// The version cannot be referred to again, but the current version of the secret can.
	fields, err := k.Refusal(t, e)
	allowlisttest.WantError(t, "CreateEndpoint of a disabled version", err, codes.FailedPrecondition, "VERSION_DISABLED")
	if !slices.Equal(fields, []string{allowlisttest.SharedKeys + "[0].name"}) {
		t.Errorf("fields = %v", fields)
	}
	k.Owner.Create(t, "follows", allowlisttest.Draft(secret))
	k.Enable(t, secret, 1)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.Open(t, "pinned", sent.GetBody(), allowlisttest.Request)
		return err == nil
	}, "a version that was enabled does not open")
}

func TestWithoutItsCurrentVersionNothingIsTriedThatCannotTellAWrongKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, other, sent := oneVersionOnly(t, k)
	for i, secret := range []string{secret, other} {
		k.Rotate(t, secret, 2+5*i)
		k.Disable(t, secret, 2)
	}
	for id, body := range sent {
		refusedFor(t, k, id, "VERSION_DISABLED")
		_, err := k.Open(t, id, body, allowlisttest.Response)
		allowlisttest.WantError(t, "Decrypt for "+id, err, codes.FailedPrecondition, "VERSION_DISABLED")
	}
}

func TestSignaturesFromBeforeVerifyWithoutTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "mac", allowlisttest.KeyOf(1)...)
	k.Active(t, "hooks", allowlisttest.Signed(allowlisttest.Draft(), secret))
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: []byte("hello")})
	verify := func() error {
		_, err := k.Sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
			Name: allowlisttest.NameOf("hooks"), Body: sent.GetBody(), Headers: allowlisttest.HeadersOf(sent.GetHeaders()),
		})
		return err
	}
	k.Rotate(t, secret, 2)
	k.Disable(t, secret, 2)
	refusedFor(t, k, "hooks", "VERSION_DISABLED")
	allowlisttest.Must(t, verify())
	k.Disable(t, secret, 1)
	allowlisttest.Eventually(t, func() bool { return servertest.Reason(verify()) == "VERSION_DISABLED" }, "a disabled version verifies")
}

func TestReconcileBindsAgainThoughTheVersionIsDisabled(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	follows, pinned := k.Secret(t, "follows"), k.Secret(t, "pinned")
	e := allowlisttest.Draft(follows, pinned)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[1].Version = 1
	k.Owner.Create(t, "orders", e)
	for _, secret := range []string{follows, pinned} {
		k.Disable(t, secret, 1)
		_, err := k.Bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: k.Held(t, secret)[0].GetOperationId()})
		allowlisttest.Must(t, err)
		allowlisttest.Eventually(t, func() bool { return len(k.Held(t, secret)) == 1 }, "%s can be deleted under the endpoint", secret)
	}
}
