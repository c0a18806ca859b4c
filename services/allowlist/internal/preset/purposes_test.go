package preset_test

import (
	"slices"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// listed returns the purposes that a preset lists, by the names of its secrets.
func listed(p *allowlistv1.Preset) map[string][]string {
	found := make(map[string][]string)
	for _, purpose := range p.GetKeyPurposes() {
		found[purpose.GetSecret()] = purpose.GetChains()
	}
	return found
}

// A listed purpose must be the purpose of every use of the preset, whatever its settings.
func TestPurposesOfPresetsAreThoseOfTheirUses(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, p := range l.List() {
		found := listed(p)
		variants := []*allowlistv1.PresetUse{use(p), use(p)}
		for _, setting := range p.GetSettings() {
			variants[1].Settings[setting.GetName()] = "$.other"
		}
		for i, u := range variants {
			draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now)
			if err != nil {
				if i == 0 {
					t.Errorf("Parse(%s) = %v", p.GetId(), err)
				}
				continue // a setting that does not accept a path
			}
			used := draft.Config().KeyPurposes()
			for name, chains := range found {
				if got := used[place+name].List(); len(chains) == 0 || !slices.Equal(got, chains) {
					t.Errorf("%s lists %q for %s, and uses it for %q", p.GetId(), chains, name, got)
				}
			}
		}
		for _, secret := range p.GetSecrets() {
			// The derivation of Apple Pay depends on the merchant ID, which is a setting.
			if secret.GetUsage() == "KEY" && found[secret.GetName()] == nil && p.GetId() != "apple_pay_ec_v1" {
				t.Errorf("%s lists no purpose of %s", p.GetId(), secret.GetName())
			}
		}
	}
}
