package allowlisttest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The kinds of messages.
const (
	Request  = allowlistv1.MessageKind_MESSAGE_KIND_REQUEST
	Response = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
)

// MustEncrypt encrypts a message and fails the test on an error.
func (c Client) MustEncrypt(t testing.TB, req *allowlistv1.EncryptRequest) *allowlistv1.EncryptResponse {
	t.Helper()
	resp, err := c.Encrypt(t.Context(), req)
	Must(t, err)
	return resp
}

// Open decrypts a body. The kind defaults to a response.
func (k *Kit) Open(t testing.TB, id string, body []byte, kind allowlistv1.MessageKind) (*allowlistv1.DecryptResponse, error) {
	t.Helper()
	return k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: NameOf(id), Body: body, Kind: kind})
}

// HeadersOf returns the headers by lower-case name.
func HeadersOf(headers []*allowlistv1.Parameter) map[string]string {
	all := make(map[string]string)
	for _, h := range headers {
		all[strings.ToLower(h.GetName())] = h.GetValue()
	}
	return all
}

// Orders creates an active endpoint that encrypts under version 1 of a secret.
func (k *Kit) Orders(t testing.TB) (secret string) {
	t.Helper()
	secret = k.Secret(t, "key", KeyOf(1)...)
	k.Owner.Create(t, "orders", Draft(secret))
	k.Activate(t, "orders")
	return secret
}

// EncryptOrder encrypts a message for the endpoint that Orders creates.
func (k *Kit) EncryptOrder(t testing.TB) (*allowlistv1.EncryptResponse, error) {
	t.Helper()
	return k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: NameOf("orders"), Body: []byte("hello")})
}

// Uses reports whether an order encrypts under a version without an error.
func (k *Kit) Uses(t testing.TB, version int) bool {
	t.Helper()
	sent, err := k.EncryptOrder(t)
	return err == nil && Opens(t, version, sent.GetBody())
}

// Opens reports whether a version decrypts a body.
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

// Warm encrypts until encryption needs nothing from the vault.
func (k *Kit) Warm(t testing.TB) {
	t.Helper()
	Eventually(t, func() bool {
		before := k.Metric(t, "keyward_key_cache_hits_total")
		_, err := k.EncryptOrder(t)
		Must(t, err)
		return k.Metric(t, "keyward_key_cache_hits_total") > before
	}, "nothing is cached")
}
