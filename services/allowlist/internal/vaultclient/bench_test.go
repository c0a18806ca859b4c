package vaultclient_test

import (
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// BenchmarkResolveAccepted resolves two keys, as each message does: from the cache, and from a
// vault in the same process.
func BenchmarkResolveAccepted(b *testing.B) {
	for name, next := range map[string]uint32{"cached": 0, "uncached": 1} {
		b.Run(name, func(b *testing.B) {
			k := newBench(b)
			k.watched(b)
			k.kept(b, want("a"))
			k.kept(b, want("b"))
			wants := []vaultclient.Want{want("a"), want("b")}
			b.ReportAllocs()
			for b.Loop() {
				for i := range wants {
					wants[i].Version += next // a version that was never resolved is not cached
				}
				keys, err := k.vault.ResolveAccepted(b.Context(), wants)
				if err != nil {
					b.Fatal(err)
				}
				vaultclient.Zero(keys...)
			}
		})
	}
}
