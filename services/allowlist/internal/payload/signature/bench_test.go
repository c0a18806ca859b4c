package signature_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

// BenchmarkSign signs 1 KiB. The bare variant is handwritten code without this package.
func BenchmarkSign(b *testing.B) {
	m := webhook()
	m.Body = make([]byte, 1024)
	key := []byte("0123456789abcdef0123456789abcdef")
	b.Run("bare HMAC", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h := hmac.New(sha256.New, key)
			h.Write(m.Body)
			_ = hex.EncodeToString(h.Sum(nil))
		}
	})
	for name, config := range map[string]signature.Config{"body": over("${body}"), "Standard Webhooks": standardWebhooks(), "digest": over("${body|sha256|hex}")} {
		s := compile(b, config)
		headers := received(sign(b, s, []any{key}, m))
		b.Run(name+", sign", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(nil, []any{key}, m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Verify([]any{key}, m, headers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	c := over("${body}")
	c.Scheme = signature.ECDSA{Hash: crypto.SHA256}
	private, _ := pair(b, "../testdata/keys/ec_priv.pem")
	s := compile(b, c)
	b.Run("ECDSA, sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Sign(rand.Reader, []any{private}, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
