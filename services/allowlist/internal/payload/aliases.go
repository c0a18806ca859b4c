package payload

import (
	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
)

// A message with its keys, by package message.
type (
	// Usage is what a secret must be stored for.
	Usage = message.Usage
	// A Reference is a secret that has to be resolved.
	Reference = message.Reference
	// A Key is one version of a resolved secret.
	Key = message.Key
	// Keys are what was resolved, in the order of the references.
	Keys = message.Keys
	// Headers are those that came with a message, by name in lower case.
	Headers = message.Headers
	// A Header is an HTTP header field.
	Header = message.Header
	// A Context is what is known of a message besides its body and headers.
	Context = message.Context
	// An Exchange is what the answer to a message needs of it.
	Exchange = message.Exchange
	// A Trace receives each step of an encryption, with its result.
	Trace = message.Trace
	// An Input is a message with all that it takes to protect or to open it.
	Input = message.Input
	// A UsedKey is a key that was used.
	UsedKey = message.UsedKey
	// An Output is a message that was protected, opened or verified.
	Output = message.Output
	// Nonces takes values from the nonce budget of a key.
	Nonces = message.Nonces
)

// The usages of secrets in an encryption configuration.
const (
	KeyUsage        = message.KeyUsage
	ParameterUsage  = message.ParameterUsage
	ExposedKeyUsage = message.ExposedKeyUsage
)

// The reasons that this package gives, besides INVALID_FIELD.
const (
	DirectKeyNotSupported fault.Reason = message.DirectKeyNotSupported
	LegacyNotAcknowledged fault.Reason = message.LegacyNotAcknowledged
	KeyNotUsable                       = message.KeyNotUsable
	BodyNotEncryptable                 = message.BodyNotEncryptable
	DecryptionFailed                   = message.DecryptionFailed
	SignatureInvalid                   = message.SignatureInvalid
)

// SignedString is the detail of the step of [Trace] that shows what is signed.
const SignedString = signing.SignedString

// ErrExchange means that a message needs what it answers, and the exchange does not have it.
var ErrExchange = message.ErrExchange

// Uncounted is for keys that have no budget because they are made for one message.
func Uncounted(key UsedKey, bits, values int) error { return message.Uncounted(key, bits, values) }

// Stage returns the stage at which a message of the partner stopped, as
// MessageFailure.stage names it; empty for all other errors.
func Stage(err error) string { return message.Stage(err) }

// Stages returns all that [Stage] may return.
func Stages() []string { return message.Stages() }

// Cause returns what was wrong with a message that stopped at a [Stage]; empty where that is
// unknown.
func Cause(err error) string { return message.Cause(err) }

// OneSided reports whether an error is that of a sound key which belongs to the other side; see
// [message.OneSided].
func OneSided(err error) bool { return message.OneSided(err) }

// UsageAt returns the usage of the secret that stands at a path of a configuration, such as
// `encryption.request.cipher.iv.secret`.
func UsageAt(path string) Usage { return message.UsageAt(path) }

// PublicLiterals returns the fields of a profile, named from the profile on, with literals that
// may be secrets and may be public.
func PublicLiterals(profile *allowlistv1.Profile) []string { return compile.PublicLiterals(profile) }

// ReservedHeader reports whether a header, in whatever case, frames the message or names its
// receiver.
func ReservedHeader(name string) bool { return compile.ReservedHeader(name) }

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
