package preset

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// Fields of the use of a preset. Their paths start at `encryption`.
const (
	fieldID       = "encryption.preset.id"
	fieldSecrets  = "encryption.preset.secrets"
	fieldSettings = "encryption.preset.settings"
	fieldReason   = "encryption.preset.legacy_reason"
	fieldExpires  = "encryption.preset.legacy_expire_time"
)

// expand expands a configuration that uses a preset, as far as the use is valid, and reports the
// origins of the parts. It returns all violations at once. They never repeat the given values.
func (l *Library) expand(pb *allowlistv1.Encryption) (*allowlistv1.Encryption, origins, []fault.Violation) {
	use := pb.GetPreset()
	preset := l.Find(use.GetId())
	if preset == nil {
		return nil, nil, []fault.Violation{{Field: fieldID, Description: "must be the ID of a preset"}}
	}
	settings, wrong := settingsOf(preset.GetSettings(), use.GetSettings())
	expanded := proto.CloneOf(preset.GetEncryption())
	expanded.RotationGrace = pb.GetRotationGrace()
	f := newFiller(use.GetSecrets(), settings)
	f.message("encryption", expanded.ProtoReflect())
	wrong = slices.Concat(alone(pb), secretsOf(preset, use), wrong, acknowledgement(expanded, use))
	acknowledge(expanded.GetRequest(), use)
	acknowledge(expanded.GetResponse(), use)
	return expanded, f.origins, wrong
}

// alone checks that the configuration sets only the fields that are allowed with a preset.
func alone(pb *allowlistv1.Encryption) (wrong []fault.Violation) {
	const unset = "must be unset with a preset"
	if pb.GetRequest() != nil {
		wrong = append(wrong, fault.Violation{Field: "encryption.request", Description: unset})
	}
	if pb.GetResponse() != nil {
		wrong = append(wrong, fault.Violation{Field: "encryption.response", Description: unset})
	}
	if len(pb.GetIssued()) > 0 {
		wrong = append(wrong, fault.Violation{Field: "encryption.issued", Description: unset})
	}
	return wrong
}

// secretsOf checks that the use names all secrets of a preset, and no others.
func secretsOf(preset *allowlistv1.Preset, use *allowlistv1.PresetUse) (wrong []fault.Violation) {
	known := make(map[string]bool)
	for _, secret := range preset.GetSecrets() {
		known[secret.GetName()] = true
		if use.GetSecrets()[secret.GetName()] == nil {
			wrong = append(wrong, fault.Violation{Field: violation.Entry(fieldSecrets, secret.GetName()), Description: isRequired})
		}
	}
	for name := range use.GetSecrets() {
		if !known[name] {
			return append(wrong, fault.Violation{Field: fieldSecrets, Description: "must contain exactly these names: " + listed(known)})
		}
	}
	return wrong
}

const isRequired = "is required"

// listed lists the names of a preset's secrets or settings.
func listed(known map[string]bool) string {
	return cmp.Or(strings.Join(slices.Sorted(maps.Keys(known)), ", "), "none")
}

// acknowledgement checks the acknowledgement of the unsafe choices of an expanded preset.
func acknowledgement(expanded *allowlistv1.Encryption, use *allowlistv1.PresetUse) []fault.Violation {
	unsafe := len(legacy(expanded)) > 0 ||
		len(payload.PublicLiterals(expanded.GetRequest()))+len(payload.PublicLiterals(expanded.GetResponse())) > 0
	reason, expires := use.GetLegacyReason() != "", use.GetLegacyExpireTime() != nil
	switch {
	case expires && !reason:
		return []fault.Violation{{Field: fieldReason, Description: "is required with legacy_expire_time"}}
	case reason && !expires:
		return []fault.Violation{{Field: fieldExpires, Description: "is required with legacy_reason"}}
	case reason && !unsafe:
		return []fault.Violation{{Field: fieldReason, Description: "must be unset: the preset makes no unsafe choice"}}
	}
	return nil
}

// acknowledge adds the acknowledgements of the unsafe choices of a profile, and of settings that
// look like key material. Without a reason it adds nothing, and the configuration is refused with
// the names of the choices.
func acknowledge(profile *allowlistv1.Profile, use *allowlistv1.PresetUse) {
	if profile == nil || use.GetLegacyReason() == "" {
		return
	}
	payload.Acknowledge(profile, use.GetLegacyReason(), use.GetLegacyExpireTime())
	if fields := payload.PublicLiterals(profile); len(fields) > 0 {
		profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_PUBLIC_LITERAL, Fields: fields,
			Reason: use.GetLegacyReason(), ExpireTime: use.GetLegacyExpireTime(),
		})
	}
}
