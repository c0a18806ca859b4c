package exchange_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// expire sets when a secret expires, or never for the zero time.
func expire(t testing.TB, k *allowlisttest.Kit, secret string, at time.Time) {
	t.Helper()
	s := &vaultv1.Secret{Name: secret}
	if !at.IsZero() {
		s.ExpireTime = timestamppb.New(at)
	}
	_, err := k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: s, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"expire_time"}}})
	allowlisttest.Must(t, err)
}

// No version of an expired secret is used: not the current one, not one that was current before, and not
// one that an endpoint pins.
func TestNothingUsesAnExpiredSecret(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, before, after := rotated(t, k)
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = 1
	k.Active(t, "pinned", e)
	pinned := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("pinned"), Body: []byte("hello")})
	expire(t, k, secret, time.Now().Add(500*time.Millisecond))
	refusedFor(t, k, "orders", "SECRET_EXPIRED")
	refusedFor(t, k, "pinned", "SECRET_EXPIRED")
	for name, body := range map[string][]byte{"from before a rotation": before.GetBody(), "from after it": after.GetBody()} {
		_, err := k.Open(t, "orders", body, allowlisttest.Request)
		allowlisttest.WantError(t, "Decrypt of a message "+name, err, codes.FailedPrecondition, "SECRET_EXPIRED")
	}
	_, err := k.Open(t, "pinned", pinned.GetBody(), allowlisttest.Request)
	allowlisttest.WantError(t, "Decrypt with a pinned version", err, codes.FailedPrecondition, "SECRET_EXPIRED")
	if _, err := time.Parse(time.RFC3339Nano, servertest.Metadata(err)["expire_time"]); err != nil {
		t.Errorf("the metadata is %v", servertest.Metadata(err))
	}
	_, err = k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: before.GetBody(), Exchange: before.GetExchange()})
	allowlisttest.WantError(t, "Decrypt of an answer", err, codes.FailedPrecondition, "SECRET_EXPIRED")
	fields, err := k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "CreateEndpoint", err, codes.FailedPrecondition, "SECRET_EXPIRED")
	if !slices.Equal(fields, []string{allowlisttest.SharedKeys + "[0].name"}) {
		t.Errorf("fields = %v", fields)
	}
	if failures := k.Owner.Get(t, "orders").GetRecentFailures(); len(failures) != 0 {
		t.Errorf("the partner is reported as failing: %v", failures)
	}
	expire(t, k, secret, time.Time{})
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "a secret without an expiry is not in use")
	_, err = k.Open(t, "pinned", pinned.GetBody(), allowlisttest.Request)
	allowlisttest.Must(t, err)
	for _, id := range []string{"orders", "pinned"} {
		if got := k.Owner.Get(t, id).GetState(); got != allowlistv1.Endpoint_STATE_ACTIVE {
			t.Errorf("the endpoint %s is %v", id, got)
		}
	}
}

// A cached value is not served after its time, even if the vault is silent then.
func TestACachedValueExpiresWithoutTheVault(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	expire(t, k, secret, time.Now().Add(20*time.Second))
	k.Warm(t)
	k.VaultServer.Stop()
	_, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	k.Clock.Advance(20 * time.Second) // less than max_stale
	_, err = k.EncryptOrder(t)
	allowlisttest.WantError(t, "Encrypt with an expired value, without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}
