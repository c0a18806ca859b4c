package allowlisttest

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// Live tests an endpoint with its own keys.
func (k *Kit) Live(t testing.TB, name string) error {
	t.Helper()
	_, err := k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{
		Name: name, Body: []byte(Sample), LiveKeys: true, Reason: "to see",
	})
	return err
}
