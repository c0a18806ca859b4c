package api_test

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/transit"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// resolvable stores a value, binds it, and returns the request that resolves it.
func resolvable(t testing.TB, k *vaulttest.Kit, value string) *vaultv1.ResolveSecretRequest {
	t.Helper()
	created, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", value, ""))
	if err != nil {
		t.Fatal(err)
	}
	k.Resolver.Bind(t, "key", "e", "op")
	return &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: created.GetSecret().GetUid(), Purpose: vaulttest.Purpose(), Seal: true}
}

func TestAValueIsResolvedForItsRecipientOnly(t *testing.T) {
	t.Parallel()
	const value = "a value for one recipient"
	k := vaulttest.New(t)
	req := resolvable(t, k, value)
	pair, err := transit.NewRecipient(time.Now).Pair()
	if err != nil {
		t.Fatal(err)
	}
	req.Recipient = pair.Public()
	first, err := k.Resolver.ResolveSecret(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.GetValue()) > 0 {
		t.Error("the response has the plaintext in addition to the sealed value")
	}
	sealed := transit.Value{EncapsulatedKey: first.GetSealedValue().GetEncapsulatedKey(), Ciphertext: first.GetSealedValue().GetCiphertext()}
	place := transit.Place{Name: req.GetName(), UID: req.GetUid(), Version: first.GetVersion()}
	if plain, err := pair.Open(sealed, place); err != nil || string(plain.Reveal()) != value {
		t.Errorf("Open() = %d bytes, %v, want the value", plain.Len(), err)
	}
	second, err := k.Resolver.ResolveSecret(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.GetSealedValue().GetEncapsulatedKey(), second.GetSealedValue().GetEncapsulatedKey()) {
		t.Error("the responses have different encapsulated keys")
	}
	if bytes.Equal(sealed.Ciphertext, second.GetSealedValue().GetCiphertext()) {
		t.Error("two responses have the same nonce")
	}
	req.Recipient = nil
	if plain, err := k.Resolver.ResolveSecret(t.Context(), req); err != nil || string(plain.GetValue()) != value || plain.GetSealedValue() != nil {
		t.Errorf("ResolveSecret() without a recipient = %v, want the value", err)
	}
}

func TestARecipientThatIsNoKeyIsRefusedBeforeAnythingIsSealed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	req := resolvable(t, k, "a value for one recipient")
	one := make([]byte, 32)
	one[0] = 1
	for name, recipient := range map[string][]byte{
		"too short": make([]byte, 31), "too long": make([]byte, 33), "zero": make([]byte, 32), "of low order": one,
	} {
		req.Recipient = recipient
		_, err := k.Resolver.ResolveSecret(t.Context(), req)
		vaulttest.WantError(t, "ResolveSecret for a recipient that is "+name, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	}
	got, err := k.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("key")})
	if err != nil {
		t.Fatal(err)
	}
	if seal := got.GetSecret().GetPurpose().GetSealTime(); seal != nil {
		t.Errorf("the purpose was sealed at %v by a refused request", seal.AsTime())
	}
}

func BenchmarkResolveSecretForARecipient(b *testing.B) {
	k := vaulttest.New(b)
	req := resolvable(b, k, "a value of some length")
	pair, err := transit.NewRecipient(time.Now).Pair()
	if err != nil {
		b.Fatal(err)
	}
	req.Recipient = pair.Public()
	vaulttest.Parallel(b, func(int64) error {
		_, err := k.Resolver.ResolveSecret(b.Context(), req)
		return err
	})
}
