package payload

import (
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
)

// What a configuration means, by the packages that say so.
type (
	// Facts are what is known of a key.
	Facts = keyfit.Facts
	// A Purpose is what a KEY is used for.
	Purpose = purpose.Purpose
)

// EachReference visits all references of a configuration, each with the path of its field from
// `encryption` on.
func EachReference(pb *allowlistv1.Encryption, visit func(path string, ref *allowlistv1.SecretRef)) {
	describe.EachReference(pb, visit)
}

// Protects reports whether a profile does anything to bodies, as opposed to signing them or
// leaving them plain.
func Protects(profile *allowlistv1.Profile) bool { return describe.Protects(profile) }

// UnsafeChoices returns what a profile has to acknowledge, sorted, each once.
func UnsafeChoices(profile *allowlistv1.Profile) []allowlistv1.LegacyAcknowledgement_Flag {
	return safety.UnsafeChoices(profile)
}

// OfSuperAdmins returns the flags that only a super admin may acknowledge.
func OfSuperAdmins() []allowlistv1.LegacyAcknowledgement_Flag { return safety.OfSuperAdmins() }

// RandomBits returns how many random bits tell two values apart that a profile encrypts under
// a KEY, up to 256; see [safety.RandomBits].
func RandomBits(profile *allowlistv1.Profile) int { return safety.RandomBits(describe.Of("", profile)) }

// Purposes returns the purposes of the KEY secrets of a configuration that need not be valid,
// by their names, without those whose bytes show.
func Purposes(pb *allowlistv1.Encryption) map[string]Purpose {
	found := purpose.Of(pb)
	for name := range purpose.Exposed(pb) {
		delete(found, name)
	}
	return found
}

// ProfilePurposes returns the purposes of KEY secrets in one profile alone.
func ProfilePurposes(profile *allowlistv1.Profile) map[string]Purpose {
	return purpose.OfProfile(describe.Of("", profile))
}
