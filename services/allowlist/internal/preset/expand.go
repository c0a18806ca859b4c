package preset

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Expand writes a configuration that begins with a preset out; one that does not comes
// back as it is. What is wrong with the use comes back as findings, all at once; whether
// the configuration can be saved, package payload says.
func (l *Library) Expand(pb *allowlistv1.Encryption) (*allowlistv1.Encryption, error) {
	use := pb.GetPreset()
	if use == nil {
		return pb, nil
	}
	i, found := slices.BinarySearchFunc(l.presets, use.GetId(), func(p *allowlistv1.Preset, id string) int {
		return strings.Compare(p.GetId(), id)
	})
	if !found {
		return nil, fault.Field("encryption.preset.id", "must be the id of a preset")
	}
	preset := l.presets[i]
	settings, ok := settingsOf(preset.GetSettings(), use.GetSettings())
	if wrong := findings(preset, pb, ok); len(wrong) > 0 {
		return nil, fault.Fields(wrong...)
	}
	expanded := proto.CloneOf(preset.GetEncryption())
	expanded.RotationGrace = pb.GetRotationGrace()
	payload.EachReference(expanded, func(_ string, ref *allowlistv1.SecretRef) {
		put(ref, use.GetSecrets()[strings.TrimPrefix(ref.GetName(), place)])
	})
	fill(expanded.ProtoReflect(), settings)
	acknowledge(expanded.GetRequest(), use)
	acknowledge(expanded.GetResponse(), use)
	return expanded, nil
}

// findings returns what is wrong with the use of a preset. None of them repeats what was
// given.
func findings(preset *allowlistv1.Preset, pb *allowlistv1.Encryption, settings bool) []fault.Violation {
	use := pb.GetPreset()
	checks := []struct {
		ok                 bool
		field, description string
	}{
		{pb.GetRequest() == nil, "encryption.request", "must be unset with a preset"},
		{pb.GetResponse() == nil, "encryption.response", "must be unset with a preset"},
		{sameNames(preset.GetSecrets(), use.GetSecrets()), "encryption.preset.secrets", "must hold these and no others: " + names(preset.GetSecrets())},
		{settings, "encryption.preset.settings", "must be visible characters without quotes, backslashes and braces, for these and no others: " + names(preset.GetSettings())},
		{
			use.GetLegacyReason() != "" || use.GetLegacyExpireTime() == nil,
			"encryption.preset.legacy_reason", "is required with legacy_expire_time",
		},
		{
			use.GetLegacyReason() == "" || use.GetLegacyExpireTime() != nil,
			"encryption.preset.legacy_expire_time", "is required with legacy_reason",
		},
		{
			use.GetLegacyReason() == "" || len(preset.GetLegacy()) > 0,
			"encryption.preset.legacy_reason", "must be unset: the preset makes no unsafe choice",
		},
	}
	var wrong []fault.Violation
	for _, check := range checks {
		if !check.ok {
			wrong = append(wrong, fault.Violation{Field: check.field, Description: check.description})
		}
	}
	return wrong
}

// names lists the names of a preset's secrets or settings.
func names[T interface{ GetName() string }](some []T) string {
	list := make([]string, len(some))
	for i, one := range some {
		list[i] = one.GetName()
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// sameNames reports whether all secrets of a preset are given, and no others.
func sameNames(wanted []*allowlistv1.PresetSecret, given map[string]*allowlistv1.SecretRef) bool {
	for _, secret := range wanted {
		if given[secret.GetName()] == nil {
			return false
		}
	}
	return len(given) == len(wanted)
}

// put writes the given secret into a reference. How it decodes is the preset's, unless
// the secret is stored in another form.
func put(ref, given *allowlistv1.SecretRef) {
	ref.Name, ref.Version = given.GetName(), given.GetVersion()
	if given.GetDecoding() != allowlistv1.Decoding_DECODING_UNSPECIFIED {
		ref.Decoding = given.GetDecoding()
	}
}

// acknowledge adds the acknowledgements of the unsafe choices of a profile. Without a
// reason there are none, and the configuration is refused with their names.
func acknowledge(profile *allowlistv1.Profile, use *allowlistv1.PresetUse) {
	if profile == nil || use.GetLegacyReason() == "" {
		return
	}
	for _, flag := range payload.UnsafeChoices(profile) {
		profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: flag, Reason: use.GetLegacyReason(), ExpireTime: use.GetLegacyExpireTime(),
		})
	}
}
