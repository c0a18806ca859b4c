package payload

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

const (
	maxAcknowledgements = 16
	// maxAcknowledgedYears is how far away an acknowledgement may end.
	maxAcknowledgedYears = 2
	// The least work that derives a key of a passphrase.
	minPBKDF2Iterations = 600_000
	minScryptCost       = 16_384
)

// An acknowledgement accepts an unsafe choice until a moment.
type acknowledgement struct {
	flag        allowlistv1.LegacyAcknowledgement_Flag
	expires     time.Time
	decryptOnly bool
}

// UnsafeChoices returns what a profile has to acknowledge, sorted, each once. This is
// the one place that decides it.
func UnsafeChoices(profile *allowlistv1.Profile) []allowlistv1.LegacyAcknowledgement_Flag {
	c := choices{profile}
	suite, cipher := symmetric.SuiteOf(profile.GetCipher()), profile.GetCipher()
	source, cbc := cipher.GetIv().GetSource(), suite.Mode == symmetric.ModeCBC
	rules := []struct {
		flag allowlistv1.LegacyAcknowledgement_Flag
		made bool
	}{
		{allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, cbc && c.bare()},
		{allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CTR, suite.Mode == symmetric.ModeCTR && c.bare()},
		{allowlistv1.LegacyAcknowledgement_FLAG_ECB, suite.Mode == symmetric.ModeECB},
		{allowlistv1.LegacyAcknowledgement_FLAG_TRIPLE_DES, suite.TripleDES},
		{allowlistv1.LegacyAcknowledgement_FLAG_ZERO_IV, cbc && source == allowlistv1.Iv_SOURCE_ZERO},
		{allowlistv1.LegacyAcknowledgement_FLAG_STATIC_IV, cbc && c.staticIV()},
		{allowlistv1.LegacyAcknowledgement_FLAG_IV_FROM_KEY, source == allowlistv1.Iv_SOURCE_KEY_PREFIX},
		{allowlistv1.LegacyAcknowledgement_FLAG_ZERO_PADDING, cipher.GetPadding() == allowlistv1.Cipher_PADDING_ZERO},
		{allowlistv1.LegacyAcknowledgement_FLAG_SHORT_TAG, cipher.GetTagBytes() > 0 && cipher.GetTagBytes() < symmetric.MaxTag},
		{allowlistv1.LegacyAcknowledgement_FLAG_RSA_PKCS1V15_ENCRYPTION, c.rsaPKCS1v15()},
		{allowlistv1.LegacyAcknowledgement_FLAG_SECRET_DIGEST, profile.GetSigning().GetSecretDigest() != nil},
		{allowlistv1.LegacyAcknowledgement_FLAG_WEAK_DIGEST, c.weakDigest()},
		{allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES, purposes(ProfilePurposes(profile)).conflicting()},
	}
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	for _, rule := range rules {
		if rule.made {
			flags = append(flags, rule.flag)
		}
	}
	// Derivations are found by their type, wherever they stand.
	walk("", profile.ProtoReflect(), func(_ string, m protoreflect.Message) {
		if d, ok := m.Interface().(*allowlistv1.Derivation); ok {
			flags = append(flags, unsafeDerivation(d)...)
		}
	})
	slices.Sort(flags)
	return slices.Compact(flags)
}

// OfSuperAdmins returns the flags that only a super admin may acknowledge: what breaks the
// promise that a key cannot be read.
func OfSuperAdmins() []allowlistv1.LegacyAcknowledgement_Flag {
	return []allowlistv1.LegacyAcknowledgement_Flag{allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES}
}

// Privileged returns the flags that the configuration acknowledges although only a super admin
// may, as errors name them.
func (c *Config) Privileged() string {
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	for _, use := range c.Legacy() {
		if slices.Contains(OfSuperAdmins(), use.Flag) {
			flags = append(flags, use.Flag)
		}
	}
	return flagNames(flags)
}

// staticIV reports whether equal beginnings of two values show because of their IVs.
// Zero bytes and the beginning of the key have flags of their own.
func (c choices) staticIV() bool {
	switch c.GetCipher().GetIv().GetSource() {
	case allowlistv1.Iv_SOURCE_ZERO, allowlistv1.Iv_SOURCE_KEY_PREFIX:
		return false
	case allowlistv1.Iv_SOURCE_STATIC:
		return true
	default:
		return c.pairReused()
	}
}

// rsaPKCS1v15 reports whether something is encrypted with RSA and PKCS #1 v1.5.
func (c choices) rsaPKCS1v15() bool {
	return c.GetCipher().GetSessionKey().GetRsaPkcs1V15() != nil || c.GetRsaDirect().GetPkcs1V15() != nil ||
		c.GetJose().GetKeyManagement() == allowlistv1.Jose_KEY_MANAGEMENT_RSA1_5
}

// weakDigest reports whether a signature, a checksum or a MAC rests on MD5, or a
// signature or a checksum on SHA-1. A digest in the input counts whatever is made of it:
// two messages that have the same have the same signature.
func (c choices) weakDigest() bool {
	hash := c.GetSigning().GetSecretDigest().GetHash()
	return hash == allowlistv1.Hash_HASH_MD5 || hash == allowlistv1.Hash_HASH_SHA1 || signature.WeakDigest(c.GetSigning().GetInput()) ||
		c.GetSigning().GetAsymmetric().GetAlgorithm() == allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1 ||
		c.GetSigning().GetMac().GetAlgorithm() == allowlistv1.Mac_ALGORITHM_HMAC_MD5 ||
		c.GetCipher().GetMac().GetAlgorithm() == allowlistv1.Mac_ALGORITHM_HMAC_MD5
}

// unsafeDerivation returns what a derivation has to acknowledge.
func unsafeDerivation(d *allowlistv1.Derivation) []allowlistv1.LegacyAcknowledgement_Flag {
	evp, pbkdf2, scrypt := d.GetEvpBytesToKey(), d.GetPbkdf2(), d.GetScrypt()
	var flags []allowlistv1.LegacyAcknowledgement_Flag
	if d.GetDigest().GetHash() == allowlistv1.Hash_HASH_MD5 || evp.GetHash() == allowlistv1.Hash_HASH_MD5 {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_MD5_KDF)
	}
	if evp != nil || pbkdf2 != nil && pbkdf2.GetIterations() < minPBKDF2Iterations || scrypt != nil && scrypt.GetN() < minScryptCost {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_WEAK_KDF_ITERATIONS)
	}
	// No salt at all is one that is always the same.
	if (evp != nil || pbkdf2 != nil || scrypt != nil) && d.GetSalt().GetSentBytes() == 0 {
		flags = append(flags, allowlistv1.LegacyAcknowledgement_FLAG_STATIC_SALT)
	}
	return flags
}

// legacy compares the unsafe choices of a profile with what it acknowledges.
func (f *findings) legacy(path string, profile *allowlistv1.Profile) []acknowledgement {
	path += ".allow_legacy"
	made := UnsafeChoices(profile)
	const conflict = allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES
	if f.conflicting && path == root+".request.allow_legacy" && !slices.Contains(made, conflict) {
		made = append(made, conflict)
	}
	given := profile.GetAllowLegacy()
	if len(given) > maxAcknowledgements {
		f.add(path, "must hold at most 16 acknowledgements")
		return nil
	}
	accepted := make([]acknowledgement, 0, len(given))
	seen := make(map[allowlistv1.LegacyAcknowledgement_Flag]bool, len(given))
	for i, ack := range given {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case ack.GetFlag() == 0:
			f.add(at+".flag", "is required")
		case seen[ack.GetFlag()]:
			f.add(at+".flag", "must be acknowledged once only: "+flagName(ack.GetFlag()))
		case ack.GetFlag() != publicLiteral && !slices.Contains(made, ack.GetFlag()):
			f.add(at+".flag", "must be a choice that the profile makes, which "+flagName(ack.GetFlag())+" is not")
		}
		seen[ack.GetFlag()] = true
		f.acknowledgement(at, ack)
		accepted = append(accepted, acknowledgement{
			flag: ack.GetFlag(), expires: ack.GetExpireTime().AsTime(), decryptOnly: ack.GetDecryptOnly(),
		})
	}
	for _, flag := range made {
		// What was saved before this was asked for goes on.
		if !seen[flag] && (!f.stored || flag != conflict) {
			f.addLegacy(path, flag)
		}
	}
	return accepted
}

// acknowledgement checks the reason and the end of one acknowledgement.
func (f *findings) acknowledgement(at string, ack *allowlistv1.LegacyAcknowledgement) {
	if reason := ack.GetReason(); reason == "" || len([]rune(reason)) > 512 {
		f.add(at+".reason", "must have 1-512 characters")
	}
	switch expires := ack.GetExpireTime(); {
	case !expires.IsValid():
		f.add(at+".expire_time", "must be a time")
	case f.stored:
	case !expires.AsTime().After(f.now):
		f.add(at+".expire_time", "must be in the future, to acknowledge "+flagName(ack.GetFlag()))
	case expires.AsTime().After(f.now.AddDate(maxAcknowledgedYears, 0, 0)):
		f.add(at+".expire_time", "must be at most 2 years away, to acknowledge "+flagName(ack.GetFlag()))
	}
}

// checkAcknowledged fails once an acknowledgement has expired, and for what goes out
// where it is for what comes in only.
func (p *Pipeline) checkAcknowledged(now time.Time, goesOut bool) error {
	var refused []allowlistv1.LegacyAcknowledgement_Flag
	for _, ack := range p.acknowledged {
		if !ack.expires.After(now) || goesOut && ack.decryptOnly {
			refused = append(refused, ack.flag)
		}
	}
	if refused == nil {
		return nil
	}
	return fault.New(fault.FailedPrecondition, LegacyNotAcknowledged,
		"the acknowledgement of an unsafe choice has expired, or is not for what goes out").With("flags", flagNames(refused))
}
