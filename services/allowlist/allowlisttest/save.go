package allowlisttest

import (
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// SecretOnce returns a secret that is made on the first call.
func (k *Kit) SecretOnce(t testing.TB) string {
	t.Helper()
	name := Workspace + "/secrets/once"
	if _, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name}); err == nil {
		return name
	}
	return k.Secret(t, "once")
}
