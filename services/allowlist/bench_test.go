package allowlist_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// BenchmarkEncrypt measures a whole call: mutual TLS, the interceptors, a cached key or a resolve
// at the vault over mutual TLS, and AES-256-GCM of 1 KiB.
func BenchmarkEncrypt(b *testing.B) {
	for name, maxStale := range map[string]time.Duration{"cached key": time.Minute, "key resolved for each call": 0} {
		b.Run(name, func(b *testing.B) {
			k := allowlisttest.Make(b, 0, func(k *allowlisttest.Kit) { k.Config.Vault.MaxStale = &maxStale })
			k.Orders(b)
			req := &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: make([]byte, 1024)}
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := k.Sender.Encrypt(b.Context(), req); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "encrypts/s")
		})
	}
}

// BenchmarkAtScale compares whole calls to an allowlist of 100 endpoints with calls to one of
// 100,000. The two alternate, so that other load of the machine affects both.
func BenchmarkAtScale(b *testing.B) {
	const few, many = 100, 100_000
	small, large := allowlisttest.New(b), allowlisttest.New(b)
	fill(b, small, few)
	fill(b, large, many)
	for name, ask := range map[string]func(k *allowlisttest.Kit, i int) error{
		"CheckUrl": func(k *allowlisttest.Kit, i int) error {
			_, err := k.Sender.CheckUrl(b.Context(), &allowlistv1.CheckUrlRequest{
				Parent: allowlisttest.Workspace, Method: "POST", Url: fmt.Sprintf("https://host-%d.example/v1/%d/orders", i%1000, i),
			})
			return err
		},
		"ListEndpoints": func(k *allowlisttest.Kit, _ int) error {
			_, err := k.Owner.ListEndpoints(b.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var spent [2]time.Duration
			for n := 0; b.Loop(); n += 7919 { // a prime: the endpoints are not used in order
				for which, k := range []*allowlisttest.Kit{small, large} {
					i := n % []int{few, many}[which]
					begun := time.Now()
					if err := ask(k, i); err != nil {
						b.Fatal(err)
					}
					spent[which] += time.Since(begun)
				}
			}
			b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N), "ns/small")
			b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N), "ns/large")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "large/small")
		})
	}
}

// fill creates n endpoints.
func fill(b *testing.B, k *allowlisttest.Kit, n int) {
	b.Helper()
	work, ctx := errgroup.WithContext(b.Context())
	work.SetLimit(256)
	for i := range n {
		work.Go(func() error {
			_, err := k.Owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
				Parent: allowlisttest.Workspace, EndpointId: fmt.Sprint("e", i), Endpoint: allowlisttest.At(fmt.Sprintf("https://host-%d.example/v1/%d/*", i%1000, i)),
			})
			return err
		})
	}
	allowlisttest.Must(b, work.Wait())
}
