package allowlisttest

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// Unauthenticated is an encryption of whole bodies in CBC without a MAC.
func (k *Kit) Unauthenticated(secret string) *allowlistv1.Encryption {
	e := Encrypted(secret)
	e.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_AES_256_CBC
	e.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Reason: "the partner has nothing else",
		ExpireTime: timestamppb.New(k.Clock.Now().AddDate(1, 0, 0)),
	}}
	return e
}

// Open decrypts a body, as a response unless another kind is given.
func (k *Kit) Open(t testing.TB, id string, body []byte, kind allowlistv1.MessageKind) (*allowlistv1.DecryptResponse, error) {
	t.Helper()
	return k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: NameOf(id), Body: body, Kind: kind})
}
