package allowlist_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

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

// BenchmarkAtScale compares whole calls to an allowlist of 100 endpoints with those to
// one of 100,000. The two take turns, so that what else the machine does is equal.
func BenchmarkAtScale(b *testing.B) {
	const few, many = 100, 100_000
	small, large := newKit(b), newKit(b)
	small.fill(b, few)
	large.fill(b, many)
	for name, ask := range map[string]func(k *kit, i int) error{
		"CheckUrl": func(k *kit, i int) error {
			_, err := k.sender.CheckUrl(b.Context(), &allowlistv1.CheckUrlRequest{
				Parent: workspace, Method: "POST", Url: fmt.Sprintf("https://host-%d.example/v1/%d/orders", i%1000, i),
			})
			return err
		},
		"ListEndpoints": func(k *kit, _ int) error {
			_, err := k.owner.ListEndpoints(b.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var spent [2]time.Duration
			for n := 0; b.Loop(); n += 7919 { // a prime: the endpoints are asked for in no order
				for which, k := range []*kit{small, large} {
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

// fill makes n endpoints.
func (k *kit) fill(b *testing.B, n int) {
	b.Helper()
	work, ctx := errgroup.WithContext(b.Context())
	work.SetLimit(256)
	for i := range n {
		work.Go(func() error {
			_, err := k.owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
				Parent: workspace, EndpointId: fmt.Sprint("e", i), Endpoint: at(fmt.Sprintf("https://host-%d.example/v1/%d/*", i%1000, i)),
			})
			return err
		})
	}
	must(b, work.Wait())
}
