package purpose_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
)

func FuzzClassOf(f *testing.F) {
	f.Add("hex > AES-256-GCM(iv=random/12,tag=16)")
	f.Add("raw > ")
	f.Add(strings.Repeat(" > ", 100))
	f.Fuzz(func(t *testing.T, chain string) {
		if !purpose.IsChain(chain) && !purpose.Conflict(chain, "raw > HMAC-SHA256(of=message)") {
			t.Errorf("%q is harmless", chain)
		}
	})
}
