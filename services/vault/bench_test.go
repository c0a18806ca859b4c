package vault_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/client/seal"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// parallel runs call from several numbers of goroutines.
func parallel(b *testing.B, call func(n int64) error) {
	b.Helper()
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers per processor=%d", callers), func(b *testing.B) {
			var n atomic.Int64
			b.SetParallelism(callers) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(n.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func BenchmarkGetSecret(b *testing.B) {
	k := newKit(b)
	k.owner.create(b, "key", &vaultv1.Secret{})
	req := &vaultv1.GetSecretRequest{Name: nameOf("key")}
	parallel(b, func(int64) error {
		_, err := k.owner.GetSecret(b.Context(), req)
		return err
	})
}

func BenchmarkResolveSecret(b *testing.B) {
	k := newKit(b)
	created := k.owner.create(b, "key", &vaultv1.Secret{})
	k.resolver.bind(b, "key", "e", "op")
	req := &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: created.GetUid(), Purpose: purpose(), Seal: true} // as for messages
	parallel(b, func(int64) error {
		_, err := k.resolver.ResolveSecret(b.Context(), req)
		return err
	})
}

func BenchmarkCreateSecret(b *testing.B) {
	const value = "a value of some length"
	for _, kind := range []struct {
		name    string
		request func(key seal.Key, id string) *vaultv1.CreateSecretRequest
	}{
		{"as it is", func(_ seal.Key, id string) *vaultv1.CreateSecretRequest { return createRequest(id, value, "") }},
		{"with a request id", func(_ seal.Key, id string) *vaultv1.CreateSecretRequest { return createRequest(id, value, id) }},
		// Sealing, which is the caller's, counts here, too.
		{"sealed", func(key seal.Key, id string) *vaultv1.CreateSecretRequest {
			return createSealed(id, id, sealTo(b, key, value, place(id, id)))
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			k := newKit(b)
			key := k.owner.newestKey(b)
			var run atomic.Int64
			parallel(b, func(n int64) error {
				_, err := k.owner.CreateSecret(b.Context(), kind.request(key, fmt.Sprintf("key-%d-%d", run.Add(1), n)))
				return err
			})
		})
	}
}
