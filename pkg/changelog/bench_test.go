package changelog_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// What a log record costs: the same durable put with and without one.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		for _, logged := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/logged=%t", callers, logged), func(b *testing.B) {
				benchmarkPut(b, callers, logged)
			})
		}
	}
}

func benchmarkPut(b *testing.B, callers int, logged bool) {
	changes, store := newLog(b)
	value := make([]byte, 512)
	e := entry("a", "s")
	e.Actor = changelog.Actor{Subject: "https://issuer.example ann", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1"}
	e.UID, e.Fields, e.RequestID = "abcdefghijklmnopqrstuvwxyz", []string{"value"}, "0123456789abcdef"
	var n atomic.Uint64
	work := make(chan struct{}, callers)
	done := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			for range work {
				key := kv.NewKey("value").Uint(n.Add(1))
				err := store.Update(b.Context(), func(tx kv.Tx) error {
					if logged {
						if err := changes.Append(tx, e, value); err != nil {
							return err
						}
					}
					return tx.Put(key, value)
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

func BenchmarkList(b *testing.B) {
	changes, store := newLog(b)
	for range 20 {
		err := store.Update(b.Context(), func(tx kv.Tx) error {
			for range 50 {
				if err := changes.Append(tx, entry("a", "s"), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		list(b, store, changelog.Query{Scope: "workspaces/a", Limit: 50})
	}
}
