package payload

import (
	"google.golang.org/protobuf/types/known/timestamppb"

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

// Types of package message.
type (
	// Usage is the usage that a secret must be stored with.
	Usage = message.Usage
	// A Reference is a secret that must be resolved.
	Reference = message.Reference
	// A Key is one version of a resolved secret.
	Key = message.Key
	// Keys holds the resolved secrets, in the order of the references.
	Keys = message.Keys
	// Headers holds the headers of a received message, keyed by name in lower case.
	Headers = message.Headers
	// A Header is an HTTP header field.
	Header = message.Header
	// A Context holds the properties of a message other than its body and headers.
	Context = message.Context
	// An Exchange is the state of a message that its response needs.
	Exchange = message.Exchange
	// A Trace receives each step of an encryption, with its result.
	Trace = message.Trace
	// An Input is a message with everything that is needed to protect or decrypt it.
	Input = message.Input
	// A UsedKey is a key that was used.
	UsedKey = message.UsedKey
	// An Output is a message that was protected, decrypted, or verified.
	Output = message.Output
	// Nonces takes values from the nonce budget of a key.
	Nonces = message.Nonces
)

// The usages of secrets in an encryption configuration.
const (
	KeyUsage        = message.KeyUsage
	ParameterUsage  = message.ParameterUsage
	ExposedKeyUsage = message.ExposedKeyUsage
	// IssueUsage is [message.IssueUsage].
	IssueUsage = message.IssueUsage
)

// The reasons that this package returns, in addition to INVALID_FIELD.
const (
	DirectKeyNotSupported fault.Reason = message.DirectKeyNotSupported
	LegacyNotAcknowledged fault.Reason = message.LegacyNotAcknowledged
	KeyNotUsable                       = message.KeyNotUsable
	BodyNotEncryptable                 = message.BodyNotEncryptable
	DecryptionFailed                   = message.DecryptionFailed
	SignatureInvalid                   = message.SignatureInvalid
)

// SignedString is the detail of the [Trace] step that shows the signed string.
const SignedString = signing.SignedString

// ErrExchange means that a message needs the key or the IV of the message that it answers, and the
// exchange lacks it.
var ErrExchange = message.ErrExchange

// Uncounted is for keys that have no budget because they are generated for one message.
func Uncounted(key UsedKey, bits, values int) error { return message.Uncounted(key, bits, values) }

// Stage returns the stage at which a message of the partner failed, as MessageFailure.stage names
// it. It is empty for all other errors.
func Stage(err error) string { return message.Stage(err) }

// Stages returns all values that [Stage] can return.
func Stages() []string { return message.Stages() }

// Cause returns what was wrong with a message that failed at a [Stage], or an empty string if that
// is unknown.
func Cause(err error) string { return message.Cause(err) }

// OneSided reports whether an error concerns a valid key that belongs to the other side; see
// [message.OneSided].
func OneSided(err error) bool { return message.OneSided(err) }

// UsageAt returns the usage of the secret at a path of a configuration, such as
// `encryption.request.cipher.iv.secret`.
func UsageAt(path string) Usage { return message.UsageAt(path) }

// PublicLiterals returns the fields of a profile whose literals could be secret or public. The
// paths start at the profile.
func PublicLiterals(profile *allowlistv1.Profile) []string { return compile.PublicLiterals(profile) }

// ReservedHeader reports whether a header frames the message or names its receiver. Case is
// ignored.
func ReservedHeader(name string) bool { return compile.ReservedHeader(name) }

// Types of the packages that interpret a configuration.
type (
	// Facts is the metadata of a key.
	Facts = keyfit.Facts
	// A Purpose is what a KEY is used for.
	Purpose = purpose.Purpose
)

// EachReference visits all references of a configuration, each with the path of its field, which
// starts at `encryption`.
func EachReference(pb *allowlistv1.Encryption, visit func(path string, ref *allowlistv1.SecretRef)) {
	describe.EachReference(pb, visit)
}

// Protects reports whether a profile changes bodies, as opposed to only signing them or leaving
// them plain.
func Protects(profile *allowlistv1.Profile) bool { return describe.Protects(profile) }

// UnsafeChoices returns the choices that a profile has to acknowledge, sorted and without
// duplicates.
func UnsafeChoices(profile *allowlistv1.Profile) []allowlistv1.LegacyAcknowledgement_Flag {
	return safety.UnsafeChoices(profile)
}

// Acknowledge adds an acknowledgement of each unsafe choice to a profile.
func Acknowledge(profile *allowlistv1.Profile, reason string, expires *timestamppb.Timestamp) {
	safety.Acknowledge(profile, reason, expires)
}

// OfSuperAdmins returns the flags that only a super admin may acknowledge.
func OfSuperAdmins() []allowlistv1.LegacyAcknowledgement_Flag { return safety.OfSuperAdmins() }

// RandomBits returns the number of random bits that distinguish two values that a profile encrypts
// under a KEY, up to 256; see [safety.RandomBits].
func RandomBits(profile *allowlistv1.Profile) int { return safety.RandomBits(describe.Of("", profile)) }

// Purposes returns the purposes of the KEY secrets of a configuration, keyed by secret name. It
// omits secrets whose bytes are exposed. The configuration need not be valid.
func Purposes(pb *allowlistv1.Encryption) map[string]Purpose {
	found := purpose.Of(pb)
	for name := range purpose.Exposed(pb) {
		delete(found, name)
	}
	return found
}

// ProfilePurposes returns the purposes of the KEY secrets of a single profile.
func ProfilePurposes(profile *allowlistv1.Profile) map[string]Purpose {
	return purpose.OfProfile(describe.Of("", profile))
}
