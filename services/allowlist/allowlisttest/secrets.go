package allowlisttest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Secret stores 32 random bytes, or the given value, under an ID.
func (k *Kit) Secret(t testing.TB, id string, value ...byte) string {
	t.Helper()
	return k.SecretIn(t, Workspace, id, vaultv1.Usage_USAGE_KEY, value...)
}

// SecretIn is like Secret, for any workspace and usage.
func (k *Kit) SecretIn(t testing.TB, parent, id string, usage vaultv1.Usage, value ...byte) string {
	t.Helper()
	if len(value) == 0 {
		value = make([]byte, 32)
		rand.Read(value) // a generated key serves only its kind, this one any purpose
	}
	s := &vaultv1.Secret{Usage: usage, Value: &vaultv1.SecretValue{
		Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test",
	}}
	_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: parent, SecretId: id, Secret: s, Reason: "a test"})
	Must(t, err)
	return parent + "/secrets/" + id
}

// KeySecret stores a KEY.
func KeySecret(t testing.TB, k *Kit, id, value string) {
	t.Helper()
	k.SecretIn(t, Workspace, id, vaultv1.Usage_USAGE_KEY, []byte(value)...)
}

// SecretOnce returns a secret that the first call creates.
func (k *Kit) SecretOnce(t testing.TB) string {
	t.Helper()
	name := Workspace + "/secrets/once"
	if _, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name}); err == nil {
		return name
	}
	return k.Secret(t, "once")
}

// Generated makes the vault generate a key of a kind.
func (k *Kit) Generated(t testing.TB, id string, kind vaultv1.Generate_Kind) string {
	t.Helper()
	_, err := k.Secrets.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}},
		}},
	})
	Must(t, err)
	return Workspace + "/secrets/" + id
}

// Credential stores a string that may be sent to the given hosts.
func (k *Kit) Credential(t testing.TB, id, text string, hosts ...string) string {
	t.Helper()
	_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, Secret: &vaultv1.Secret{
			Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts,
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
		},
	})
	Must(t, err)
	return Workspace + "/secrets/" + id
}

// KeyOf is the value of a version in these tests.
func KeyOf(version int) []byte { return bytes.Repeat([]byte{byte(version), byte(version + 1)}, 16) }

// Rotate adds the next version of a secret.
func (k *Kit) Rotate(t testing.TB, secret string, version int) {
	t.Helper()
	_, err := k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: KeyOf(version)}},
	}})
	Must(t, err)
}

// Numbered is the name of a version.
func Numbered(secret string, number int) string { return fmt.Sprint(secret, "/versions/", number) }

// Version returns a version as the vault shows it.
func (k *Kit) Version(t testing.TB, name string) *vaultv1.SecretVersion {
	t.Helper()
	secret, _, _ := strings.Cut(name, "/versions/")
	resp, err := k.Secrets.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	Must(t, err)
	for _, v := range resp.GetVersions() {
		if v.GetName() == name {
			return v
		}
	}
	t.Fatalf("the vault does not show %s", name)
	return nil
}

// Disable disables a version.
func (k *Kit) Disable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.Secrets.DisableSecretVersion(t.Context(), &vaultv1.DisableSecretVersionRequest{Name: Numbered(secret, number)})
	Must(t, err)
}

// Enable enables a version.
func (k *Kit) Enable(t testing.TB, secret string, number int) {
	t.Helper()
	_, err := k.Secrets.EnableSecretVersion(t.Context(), &vaultv1.EnableSecretVersionRequest{Name: Numbered(secret, number)})
	Must(t, err)
}

// Held returns all bindings to a secret. A deleted secret has no bindings.
func (k *Kit) Held(t testing.TB, secret string) []*vaultv1.Binding {
	t.Helper()
	resp, err := k.Bindings.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	Must(t, err)
	return resp.GetBindings()
}

// Settle waits until a secret has the wanted number of bindings. It advances the clock, so that
// everything that waits for a time proceeds.
func (k *Kit) Settle(t testing.TB, secret string, want int) {
	t.Helper()
	Eventually(t, func() bool {
		k.Clock.Advance(time.Second)
		return len(k.Held(t, secret)) == want
	}, "%s has %d bindings, want %d", secret, len(k.Held(t, secret)), want)
}

// CanaryHex is a key that nothing may reveal, as 64 hexadecimal digits.
const (
	CanaryHex = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92"
	LiveToken = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	PEMKey    = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----"
)
