package allowlisttest

import (
	"fmt"
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func Numbered(secret string, number int) string { return fmt.Sprint(secret, "/versions/", number) }

func (k *Kit) Disable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.Secrets.DisableSecretVersion(t.Context(), &vaultv1.DisableSecretVersionRequest{Name: Numbered(secret, number)})
	Must(t, err)
}

func (k *Kit) Enable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.Secrets.EnableSecretVersion(t.Context(), &vaultv1.EnableSecretVersionRequest{Name: Numbered(secret, number)})
	Must(t, err)
}
