package allowlist_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func numbered(secret string, number int) string { return fmt.Sprint(secret, "/versions/", number) }

func (k *kit) disable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.secrets.DisableSecretVersion(t.Context(), &vaultv1.DisableSecretVersionRequest{Name: numbered(secret, number)})
	must(t, err)
}

func (k *kit) enable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.secrets.EnableSecretVersion(t.Context(), &vaultv1.EnableSecretVersionRequest{Name: numbered(secret, number)})
	must(t, err)
}

func (k *kit) destroy(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.secrets.DestroySecretVersion(t.Context(), &vaultv1.DestroySecretVersionRequest{
		Name: numbered(secret, number), Force: true, Reason: "leaked",
	})
	must(t, err)
}

// refusedFor waits until encrypting for an endpoint is refused for a reason.
func (k *kit) refusedFor(t testing.TB, id, reason string) {
	t.Helper()
	var err error
	eventually(t, func() bool {
		_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
		return err != nil
	}, "Encrypt for %s goes on", id)
	wantError(t, "Encrypt for "+id, err, codes.FailedPrecondition, reason)
}

// rotated makes the endpoint orders, and two messages of it: one from before a rotation and
// one from after it.
func (k *kit) rotated(t testing.TB) (secret string, before, after *allowlistv1.EncryptResponse) {
	t.Helper()
	secret = k.orders(t)
	before, err := k.encryptOrder(t)
	must(t, err)
	k.rotate(t, secret, 2)
	eventually(t, func() bool { return k.uses(t, 2) }, "the rotation is not in use")
	after, err = k.encryptOrder(t)
	must(t, err)
	return secret, before, after
}

func TestNothingGoesOutWithACurrentVersionThatIsDisabledAndWhatCameBeforeOpens(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, before, after := k.rotated(t)
	k.disable(t, secret, 2)
	k.refusedFor(t, "orders", "VERSION_DISABLED")
	for range 2 {
		opened, err := k.open(t, "orders", before.GetBody(), request)
		must(t, err)
		if string(opened.GetBody()) != "hello" {
			t.Errorf("Decrypt of a message from before = %q", opened.GetBody())
		}
	}
	_, err := k.open(t, "orders", after.GetBody(), request)
	wantError(t, "Decrypt of a message from after", err, codes.FailedPrecondition, "VERSION_DISABLED")
	_, err = k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: after.GetBody(), Exchange: after.GetExchange()})
	wantError(t, "Decrypt of its answer", err, codes.FailedPrecondition, "VERSION_DISABLED")
	if failures := k.owner.get(t, "orders").GetRecentFailures(); len(failures) != 0 {
		t.Errorf("the partner is told of as failing: %v", failures)
	}
	k.enable(t, secret, 2)
	eventually(t, func() bool { return k.uses(t, 2) }, "a version that was enabled is not in use")
	_, err = k.open(t, "orders", after.GetBody(), request)
	must(t, err)
}

func TestADisabledVersionIsTriedByNobody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, before, after := k.rotated(t)
	k.disable(t, secret, 1)
	eventually(t, func() bool {
		_, err := k.open(t, "orders", before.GetBody(), request)
		return servertest.Reason(err) == "DECRYPTION_FAILED"
	}, "a version that is disabled opens messages")
	_, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: before.GetBody(), Exchange: before.GetExchange()})
	wantError(t, "Decrypt of the answer to a message from before", err, codes.FailedPrecondition, "VERSION_DISABLED")
	_, err = k.open(t, "orders", after.GetBody(), request)
	must(t, err)
	k.destroy(t, secret, 1)
	eventually(t, func() bool {
		_, err = k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: before.GetBody(), Exchange: before.GetExchange()})
		return servertest.Reason(err) == "VERSION_DESTROYED"
	}, "Decrypt with a destroyed version = %v", err)
	k.destroy(t, secret, 2)
	k.refusedFor(t, "orders", "VERSION_DESTROYED")
}

func TestARestoredVersionIsLive(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, before, after := k.rotated(t)
	_, err := k.secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: numbered(secret, 1)})
	must(t, err)
	eventually(t, func() bool { return k.uses(t, 1) }, "a version that was restored is not in use")
	for _, body := range [][]byte{before.GetBody(), after.GetBody()} { // the other one is of the grace now
		_, err := k.open(t, "orders", body, request)
		must(t, err)
	}
	_, err = k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		KeepCurrent: true, Secret: &vaultv1.Secret{
			Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: keyOf(3)}},
		},
	})
	must(t, err)
	_, err = k.secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: numbered(secret, 3)})
	must(t, err)
	eventually(t, func() bool { return k.uses(t, 3) }, "a version that waited is not in use")
}

func TestAVersionThatIsReferredToByNumberRefusesWhileItIsDisabled(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	k.rotate(t, secret, 2)
	e := draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = 1
	k.active(t, "pinned", e)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("pinned"), Body: []byte("hello")})
	k.disable(t, secret, 1)
	k.refusedFor(t, "pinned", "VERSION_DISABLED")
	_, err := k.open(t, "pinned", sent.GetBody(), request)
	wantError(t, "Decrypt", err, codes.FailedPrecondition, "VERSION_DISABLED")

	// It is not referred to anew, and the secret can be by its current version.
	fields, err := k.refusal(t, e)
	wantError(t, "CreateEndpoint of a disabled version", err, codes.FailedPrecondition, "VERSION_DISABLED")
	if !slices.Equal(fields, []string{sharedKeys + "[0].name"}) {
		t.Errorf("fields = %v", fields)
	}
	k.owner.create(t, "follows", draft(secret))
	k.enable(t, secret, 1)
	eventually(t, func() bool {
		_, err := k.open(t, "pinned", sent.GetBody(), request)
		return err == nil
	}, "a version that was enabled does not open")
}

func TestWithoutItsCurrentVersionNothingIsTriedThatCannotTellAWrongKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	e := draft()
	e.Encryption = k.unauthenticated(secret)
	k.active(t, "cbc", e)
	other := k.secret(t, "other", keyOf(5)...)
	e = draft(other)
	e.Encryption.RotationGrace = durationpb.New(0)
	k.active(t, "never", e)
	sent := make(map[string][]byte)
	for _, id := range []string{"cbc", "never"} {
		sent[id] = k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")}).GetBody()
	}
	for i, secret := range []string{secret, other} {
		k.rotate(t, secret, 2+5*i)
		k.disable(t, secret, 2)
	}
	for id, body := range sent {
		k.refusedFor(t, id, "VERSION_DISABLED")
		_, err := k.open(t, id, body, response)
		wantError(t, "Decrypt for "+id, err, codes.FailedPrecondition, "VERSION_DISABLED")
	}
}

func TestSignaturesFromBeforeVerifyWithoutTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "mac", keyOf(1)...)
	k.active(t, "hooks", signed(draft(), secret))
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("hooks"), Body: []byte("hello")})
	verify := func() error {
		_, err := k.sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
			Name: nameOf("hooks"), Body: sent.GetBody(), Headers: headersOf(sent.GetHeaders()),
		})
		return err
	}
	k.rotate(t, secret, 2)
	k.disable(t, secret, 2)
	k.refusedFor(t, "hooks", "VERSION_DISABLED")
	must(t, verify())
	k.disable(t, secret, 1)
	eventually(t, func() bool { return servertest.Reason(verify()) == "VERSION_DISABLED" }, "a disabled version verifies")
}

func TestReconcileBindsAgainThoughTheVersionIsDisabled(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	follows, pinned := k.secret(t, "follows"), k.secret(t, "pinned")
	e := draft(follows, pinned)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[1].Version = 1
	k.owner.create(t, "orders", e)
	for _, secret := range []string{follows, pinned} {
		k.disable(t, secret, 1)
		_, err := k.bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: k.held(t, secret)[0].GetOperationId()})
		must(t, err)
		eventually(t, func() bool { return len(k.held(t, secret)) == 1 }, "%s can be deleted under the endpoint", secret)
	}
}
