package allowlist_test

import (
	"testing"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// BenchmarkEncrypt is a whole call: mutual TLS, the chain, a key out of memory or a
// resolve at the vault over mutual TLS, AES-256-GCM of 1 KiB.
func BenchmarkEncrypt(b *testing.B) {
	for name, maxStale := range map[string]time.Duration{"key in memory": time.Minute, "key resolved anew": 0} {
		b.Run(name, func(b *testing.B) {
			k := makeKit(b, 0, func(k *kit) { k.config.Vault.MaxStale = &maxStale })
			k.orders(b)
			req := &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: make([]byte, 1024)}
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := k.sender.Encrypt(b.Context(), req); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "encrypts/s")
		})
	}
}
