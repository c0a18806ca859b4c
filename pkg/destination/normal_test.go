package destination

import (
	"testing"

	"golang.org/x/net/idna"
)

// A name that needs no closer look is what the closer look would return.
func FuzzNormalNames(f *testing.F) {
	for _, seed := range []string{
		"api.partner.example", "a", "a.b.", "xn--bcher-kva.example", "ab--c.example", "-a.example", "a-.example",
		"a..example", "A.example", "bücher.example", "0.1", "a_b.example", "", ".",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !isNormal(name) {
			return
		}
		if got, err := idna.Lookup.ToASCII(name); err != nil || got != name {
			t.Errorf("ToASCII(%q) = %q, %v, and the name counts as normal", name, got, err)
		}
	})
}
