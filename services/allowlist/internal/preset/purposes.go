package preset

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// keyPurposes returns the purpose of each KEY secret of a preset, without secrets whose chains
// depend on a setting.
func keyPurposes(preset *allowlistv1.Preset) []*allowlistv1.KeyPurpose {
	one, other := filledPurposes(preset, "1"), filledPurposes(preset, "2")
	var pbs []*allowlistv1.KeyPurpose
	for _, name := range slices.Sorted(maps.Keys(one)) {
		if purpose := one[name]; purpose.Chains == other[name].Chains {
			pbs = append(pbs, &allowlistv1.KeyPurpose{Secret: name, Chains: purpose.List()})
		}
	}
	return pbs
}

// filledPurposes returns the purposes of the secrets of a preset, with one string for all
// settings, by the names of the secrets.
func filledPurposes(preset *allowlistv1.Preset, text string) map[string]payload.Purpose {
	settings, secrets := make(map[string]string), make(map[string]*allowlistv1.SecretRef)
	for _, setting := range preset.GetSettings() {
		settings[setting.GetName()] = text
	}
	for _, secret := range preset.GetSecrets() {
		secrets[secret.GetName()] = &allowlistv1.SecretRef{Name: secret.GetName()}
	}
	filled := proto.CloneOf(preset.GetEncryption())
	newFiller(secrets, settings).message("encryption", filled.ProtoReflect())
	return payload.Purposes(filled)
}
