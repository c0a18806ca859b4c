package search_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/keyward/keyward/pkg/search"
)

const benchIDs = 1_000_000

func benchID(i int) string { return fmt.Sprintf("secret-%07d", i) }

// benchIndex fills an index of benchIDs IDs and reports the memory of each.
func benchIndex(b *testing.B, id func(i int) string) *search.Index {
	b.Helper()
	before := inUse()
	index := search.NewIndex()
	for i := range benchIDs {
		set(b, index, "w", id(i), true)
	}
	memory := float64(inUse()-before) / benchIDs
	b.Cleanup(func() { b.ReportMetric(memory, "B/id") })
	return index
}

func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkFind(b *testing.B) {
	for _, kind := range []struct {
		name string
		id   func(int) string
	}{
		{"ordered", benchID},
		{"shuffled", func(i int) string { return benchID(i * 7919 % benchIDs) }},
		{"hex", func(i int) string { return fmt.Sprintf("%016x", uint64(i)*0x9E3779B97F4A7C15) }},
		{"mixed case", func(i int) string { return fmt.Sprintf("Secret-%07d", i) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			index := benchIndex(b, kind.id)
			for _, query := range []string{"no match", "secret-x", "9999999x", "9a9a9a9a9", "secret-99999999", "e-1-", "secret"} {
				for name, reverse := range map[string]bool{"": false, " backwards": true} {
					b.Run(query+name, func(b *testing.B) {
						b.ReportAllocs()
						for b.Loop() {
							index.Find("w", query, "", reverse, 50)
						}
					})
				}
			}
		})
	}
}

func BenchmarkFindAll(b *testing.B) {
	index := benchIndex(b, benchID)
	for b.Loop() {
		if got := index.Find("w", "e", "", false, benchIDs); len(got) != benchIDs {
			b.Fatalf("Find() returns %d IDs, want %d", len(got), benchIDs)
		}
	}
}

func BenchmarkInsertAndDelete(b *testing.B) {
	index := benchIndex(b, benchID)
	random := draws(1)
	for b.Loop() {
		id := benchID(random.IntN(benchIDs)) + "-new"
		set(b, index, "w", id, true)
		set(b, index, "w", id, false)
	}
}
