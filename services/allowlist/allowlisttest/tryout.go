package allowlisttest

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// EncryptionOf parses a configuration in proto text, in which `secret:` stands for
// the names of secrets, and acknowledges what it has to.
func EncryptionOf(t testing.TB, text string) *allowlistv1.Encryption {
	t.Helper()
	pb := new(allowlistv1.Encryption)
	if err := prototext.Unmarshal([]byte(strings.ReplaceAll(text, "secret:", Workspace+"/secrets/")), pb); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		for _, flag := range payload.UnsafeChoices(profile) {
			profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
				Flag: flag, Reason: "the partner", ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
			})
		}
	}
	return pb
}

// Configured creates an endpoint with a configuration in proto text.
func (k *Kit) Configured(t testing.TB, id, text string) string {
	t.Helper()
	e := Draft()
	e.Encryption = EncryptionOf(t, text)
	k.Owner.Create(t, id, e)
	return NameOf(id)
}

func (c Client) MustTest(t testing.TB, req *allowlistv1.TestEncryptionRequest) *allowlistv1.TestEncryptionResponse {
	t.Helper()
	resp, err := c.TestEncryption(t.Context(), req)
	Must(t, err)
	return resp
}

const Sample = `{"pan":"4111111111111111","amount":12.50}`

func KeySecret(t testing.TB, k *Kit, id, value string) {
	t.Helper()
	k.SecretIn(t, Workspace, id, vaultv1.Usage_USAGE_KEY, []byte(value)...)
}
