package vaulttest

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// Parallel runs call from several numbers of goroutines.
func Parallel(b *testing.B, call func(n int64) error) {
	b.Helper()
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers per processor=%d", callers), func(b *testing.B) {
			var n atomic.Int64
			b.SetParallelism(callers) // multiplied by GOMAXPROCS
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
