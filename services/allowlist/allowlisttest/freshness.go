package allowlisttest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// KeyOf is the value of a version in these tests.
func KeyOf(version int) []byte { return bytes.Repeat([]byte{byte(version), byte(version + 1)}, 16) }

// Rotate makes the next version of a secret.
func (k *Kit) Rotate(t testing.TB, secret string, version int) {
	t.Helper()
	_, err := k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: KeyOf(version)}},
	}})
	Must(t, err)
}

// Opens reports whether a version opens what was encrypted.
func Opens(t testing.TB, version int, body []byte) bool {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(string(body))
	Must(t, err)
	block, err := aes.NewCipher(KeyOf(version))
	Must(t, err)
	aead, err := cipher.NewGCM(block)
	Must(t, err)
	_, err = aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	return err == nil
}

// Orders makes an endpoint that is in use and encrypts under version 1 of a secret.
func (k *Kit) Orders(t testing.TB) (secret string) {
	t.Helper()
	secret = k.Secret(t, "key", KeyOf(1)...)
	k.Owner.Create(t, "orders", Draft(secret))
	k.Activate(t, "orders")
	return secret
}

func (k *Kit) EncryptOrder(t testing.TB) (*allowlistv1.EncryptResponse, error) {
	t.Helper()
	return k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: NameOf("orders"), Body: []byte("hello")})
}

// Uses reports whether an order is encrypted under a version, without an error.
func (k *Kit) Uses(t testing.TB, version int) bool {
	t.Helper()
	sent, err := k.EncryptOrder(t)
	return err == nil && Opens(t, version, sent.GetBody())
}

// Warm encrypts until that needs nothing from the vault.
func (k *Kit) Warm(t testing.TB) {
	t.Helper()
	Eventually(t, func() bool {
		before := k.Metric(t, "keyward_key_cache_hits_total")
		_, err := k.EncryptOrder(t)
		Must(t, err)
		return k.Metric(t, "keyward_key_cache_hits_total") > before
	}, "nothing is kept in memory")
}

// Metric returns the value of a metric without labels.
func (k *Kit) Metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := k.Metrics.Gather()
	Must(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
