package keys_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// BenchmarkParse measures the cost per message of parsing a key that is stored as text.
func BenchmarkParse(b *testing.B) {
	rsaKey, ecKey := keyformtest.RSA(b, 2048), keyformtest.EC(b, elliptic.P256())
	large := keyformtest.RSA(b, 4096)
	for _, bench := range []struct {
		name   string
		stored []byte
		secret bool
	}{
		{"private RSA-2048", keyformtest.PKCS8(rsaKey), true},
		{"private RSA-4096", keyformtest.PKCS8(large), true},
		{"private P-256", keyformtest.PKCS8(ecKey), true},
		{"public RSA-2048", keyformtest.SPKI(rsaKey.Public()), false},
		{"certificate RSA-2048", keyformtest.Certificate(rsaKey), false},
		{"public P-256", keyformtest.SPKI(ecKey.Public()), false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				var err error
				if bench.secret {
					_, _, err = keyform.ParsePrivate(bench.stored)
				} else {
					_, _, err = keyform.ParsePublic(bench.stored)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRSA measures RSA, for comparison with the cost of parsing.
func BenchmarkRSA(b *testing.B) {
	key := keyformtest.RSA(b, 2048)
	oaep := keys.OAEP{Hash: crypto.SHA256}
	wrapped, err := oaep.Wrap(rand.Reader, key.Public(), make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("wrap", func(b *testing.B) {
		for b.Loop() {
			if _, err := oaep.Wrap(rand.Reader, key.Public(), make([]byte, 32)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unwrap", func(b *testing.B) {
		for b.Loop() {
			if _, err := oaep.Unwrap(key, wrapped); err != nil {
				b.Fatal(err)
			}
		}
	})
}
