package allowlist_test

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// BenchmarkEncrypt is a whole call: mutual TLS, the chain, a resolve at the vault
// over mutual TLS, AES-256-GCM of 1 KiB.
func BenchmarkEncrypt(b *testing.B) {
	k := newKit(b)
	k.owner.create(b, "orders", draft(k.secret(b, "key")))
	k.activate(b, "orders")
	req := &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: make([]byte, 1024)}
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := k.sender.Encrypt(b.Context(), req); err != nil {
				b.Error(err)
			}
		}
	})
}
