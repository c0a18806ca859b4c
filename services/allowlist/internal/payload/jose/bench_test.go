package jose_test

import (
	"crypto/rand"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// BenchmarkSharedKey encrypts and decrypts 1 KiB with a shared key, and compares with go-jose.
func BenchmarkSharedKey(b *testing.B) {
	key, plaintext := secret[:32], make([]byte, 1024)
	j := jose.JWE{Alg: "dir", Enc: "A256GCM", Header: map[string]string{"kid": "k-1"}}
	message := encrypt(b, j, key, string(plaintext))
	b.Run("encrypt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := j.Encrypt(now, rand.Reader, key, plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decrypt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := decrypt(j, message, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-jose encrypt", func(b *testing.B) {
		b.ReportAllocs()
		e := must(library.NewEncrypter(library.A256GCM, library.Recipient{Algorithm: library.DIRECT, Key: key}, nil))
		for b.Loop() {
			must(must(e.Encrypt(plaintext)).CompactSerialize())
		}
	})
	b.Run("go-jose decrypt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			parsed := must(library.ParseEncryptedCompact(message, []library.KeyAlgorithm{library.DIRECT}, []library.ContentEncryption{library.A256GCM}))
			must(parsed.Decrypt(key))
		}
	})
}
