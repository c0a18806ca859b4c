package safety

import (
	"crypto"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// The least work that is acceptable to derive a key from a passphrase.
const (
	minPBKDF2Iterations = 600_000
	minScryptCost       = 16_384
)

// UnsafeChoices returns the choices that a profile has to acknowledge, sorted and without
// duplicates. Only this function decides it.
func UnsafeChoices(profile *allowlistv1.Profile) []allowlistv1.LegacyAcknowledgement_Flag {
	p := describe.Of("", profile)
	c := p.Cipher
	if c == nil {
		c = new(describe.Cipher)
	}
	source, cbc := c.IV.Source, c.Suite.Mode == symmetric.ModeCBC
	suite := p.Suite()
	rules := []struct {
		flag allowlistv1.LegacyAcknowledgement_Flag
		made bool
	}{
		{allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, suite.Mode == symmetric.ModeCBC && p.Bare()},
		{allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CTR, c.Suite.Stream() && p.Bare()},
		{allowlistv1.LegacyAcknowledgement_FLAG_ECB, c.Suite.Mode == symmetric.ModeECB},
		{allowlistv1.LegacyAcknowledgement_FLAG_TRIPLE_DES, suite.TripleDES},
		{allowlistv1.LegacyAcknowledgement_FLAG_ZERO_IV, cbc && source == allowlistv1.Iv_SOURCE_ZERO},
		{allowlistv1.LegacyAcknowledgement_FLAG_STATIC_IV, cbc && staticIV(p) || p.Signing != nil && p.Signing.EncryptedDigest()},
		{allowlistv1.LegacyAcknowledgement_FLAG_IV_FROM_KEY, source == allowlistv1.Iv_SOURCE_KEY_PREFIX},
		{allowlistv1.LegacyAcknowledgement_FLAG_ZERO_PADDING, c.Padding == symmetric.ZeroPadding},
		{allowlistv1.LegacyAcknowledgement_FLAG_SHORT_TAG, c.TagBytes > 0 && c.TagBytes < symmetric.MaxTag},
		{allowlistv1.LegacyAcknowledgement_FLAG_RSA_PKCS1V15_ENCRYPTION, p.PKCS1v15()},
		{allowlistv1.LegacyAcknowledgement_FLAG_SECRET_DIGEST, secretDigest(p)},
		{allowlistv1.LegacyAcknowledgement_FLAG_WEAK_DIGEST, weakDigest(p)},
		{allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES, purpose.OfProfile(p).Conflicting()},
	}
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	for _, rule := range rules {
		if rule.made {
			flags = append(flags, rule.flag)
		}
	}
	// Derivations are found by their type, wherever they are.
	describe.Walk("", profile.ProtoReflect(), func(_ string, m protoreflect.Message) {
		if d, ok := m.Interface().(*allowlistv1.Derivation); ok {
			flags = append(flags, unsafeDerivation(describe.DerivationOf(d))...)
		}
	})
	slices.Sort(flags)
	return slices.Compact(flags)
}

// Acknowledge adds an acknowledgement of each unsafe choice to a profile.
func Acknowledge(profile *allowlistv1.Profile, reason string, expires *timestamppb.Timestamp) {
	for _, flag := range UnsafeChoices(profile) {
		profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{Flag: flag, Reason: reason, ExpireTime: expires})
	}
}

// OfSuperAdmins returns the flags that only a super admin may acknowledge: the choices that break
// the promise that a key cannot be read.
func OfSuperAdmins() []allowlistv1.LegacyAcknowledgement_Flag {
	return []allowlistv1.LegacyAcknowledgement_Flag{
		allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES, allowlistv1.LegacyAcknowledgement_FLAG_ISSUED_UNSIGNED,
	}
}

// staticIV reports whether the IVs reveal that two values have equal beginnings. Zero bytes and
// the beginning of the key have separate flags.
func staticIV(p *describe.Profile) bool {
	switch p.Cipher.IV.Source {
	case allowlistv1.Iv_SOURCE_ZERO, allowlistv1.Iv_SOURCE_KEY_PREFIX:
		return false
	case allowlistv1.Iv_SOURCE_STATIC:
		return true
	default:
		return p.PairReused()
	}
}

// weakDigest reports whether a signature, a checksum, or a MAC depends on MD5, or a signature or a
// checksum on SHA-1. A digest in the input counts, however it is processed: two messages with the
// same digest have the same signature.
func weakDigest(p *describe.Profile) bool {
	if p.Cipher != nil && p.Cipher.MAC != nil && p.Cipher.MAC.Hash == crypto.MD5 {
		return true
	}
	if p.CMS != nil && p.CMS.Signs && p.CMS.Hash == crypto.SHA1 {
		return true
	}
	s := p.Signing
	if s == nil {
		return false
	}
	weak := s.Hash == crypto.MD5 || s.Hash == crypto.SHA1 && (s.SecretDigest || !s.Shared)
	return weak || s.Strings.WeakDigest()
}

// secretDigest reports whether a signature is a digest of a string that includes the secret.
func secretDigest(p *describe.Profile) bool {
	s := p.Signing
	return s != nil && (s.SecretDigest || s.Computed && s.Strings.Input != nil && s.Strings.Input.DigestsSecret())
}

// unsafeDerivation returns what a derivation has to acknowledge.
func unsafeDerivation(d *describe.Derivation) []allowlistv1.LegacyAcknowledgement_Flag {
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	evp := d.Function == keys.EVPBytesToKey
	if d.Hash == crypto.MD5 && (evp || d.Function == keys.Digest) {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_MD5_KDF)
	}
	slow := d.Function == keys.PBKDF2 || d.Function == keys.Scrypt
	if evp || d.Function == keys.PBKDF2 && d.Iterations < minPBKDF2Iterations || d.Function == keys.Scrypt && d.N < minScryptCost {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_WEAK_KDF_ITERATIONS)
	}
	// No salt at all counts as a constant salt.
	if (evp || slow) && d.SentSalt == 0 {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_STATIC_SALT)
	}
	return flags
}
