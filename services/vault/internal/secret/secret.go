// Package secret implements the rules of the vault: secrets and their versions, bindings, and the
// permitted changes.
//
// A [Store] turns each operation into exactly one transaction of the underlying [kv.Store], so
// operations are atomic and appear in one order to all callers. The entry in the change log and
// the record that recognizes a repeated request are part of that transaction. Values are sealed
// before they reach the store and opened after they leave it; the store never sees plaintext.
//
// # Lifecycle
//
// [Store.Create] gives a name its first version and a uid. The name of a deleted secret may be
// used again; the next incarnation has another uid. Everything that belongs to an incarnation
// (versions, values, bindings) refers to the uid, not to the name. [Store.Update] changes the
// visible fields and adds versions. [Store.Bind] allows a workload to resolve the secret and
// prevents [Store.Delete] until [Store.Unbind].
//
// The bindings of a KEY claim its [Purpose], which its first use seals for the whole incarnation.
//
// # Versions
//
// Version numbers start at 1 and only grow. A number is never used twice within a uid, so a reader
// that remembers (uid, number) never gets another value. To keep that promise after a restore, the
// numbers then skip a range (versionnumber.go).
//
// One version is the current one. A new version becomes current when it is added, or waits until
// [Store.Restore] makes it current, which is possible for any enabled version. [Store.Disable]
// prevents a version from being resolved, even if it is current, until [Store.Enable].
// [Store.Destroy] removes the value and its metadata; number, times, uses, and ledger remain. None
// of these operations changes which version is current: resolving a current version that is
// disabled or destroyed fails, so that no one continues with a key that they did not choose.
//
// If the value of a KEY is an asymmetric key, generated or provided, its public part is extracted
// when the value is stored, and stored with the version in plaintext: handing it to a partner
// requires no decryption of the private part. The same is true of [Facts], which let a referrer
// detect a key that cannot work before it is used.
//
// # Checks of values
//
// When a value is stored, the vault checks that no other field contains it, and that a KEY is not
// weak (vet.go). The hosts of a CREDENTIAL belong to a version (hosts.go).
//
// # Values that arrive sealed
//
// A value may arrive sealed to a key of the vault (package sealing). [Store.Create] and
// [Store.Update] open it, once, and then treat it like any other value (sealed.go). A workspace
// may require sealed values ([Store.SetSealing]).
//
// A secret may keep only its newest versions (prune.go). An expired secret is not resolved
// (expiry.go).
//
// # Versions that were current before
//
// A formerly current version may still be needed for a while, for example to decrypt messages that
// a partner sent before learning of the next version. A secret remembers when such versions were
// replaced, and [Store.Resolve] returns them.
//
// # Uses
//
// [Store.Report] counts the uses of versions, so that no one unknowingly removes a version that is
// in use. The counters are stored apart from the secret: counting changes no etag and is not
// logged.
//
// # Nonces
//
// [Store.ReserveNonces] reserves the values that workloads may encrypt with a version of a KEY
// under random IVs, each value once: as many as its budget allows (package budget), over all
// referrers. Each version of a KEY has a ledger, its own or that of the first version with the same
// value: storing a key again gives it no new budget. Like uses, the ledger changes no etag and is
// not logged.
//
// # Integrity
//
// Each logged change writes the secret's row, which names the entry, and the entry states all rows
// that the change wrote. [Store] compares them when a secret is changed, and when it is read for
// the first time. Data that was changed outside of the vault fails with audit.ErrMismatch
// (tampered.go).
//
// # Deletion
//
// A delete is one transaction that removes the name and queues the uid as garbage. From then on,
// the versions are unreachable. Their keys, which may be more than one transaction can hold, are
// removed by a collector. It runs immediately afterward, in bounded transactions, and continues at
// the next start if the process dies in between.
//
// With a grace, a deleted secret keeps its rows until they are purged, and [Store.Undelete] brings it
// back (grace.go).
//
// # Watching
//
// [Store.Watch] follows the change log and reports changes that make a resolved value outdated.
// [Store.Resolve] returns the position in the same log at which it read, so that callers that
// cache values can determine which of the two was later.
//
// The package is independent of gRPC and of permissions.
package secret

import (
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
)

// The reasons of the vault's errors; errors.proto documents them.
const (
	NotFound         fault.Reason = "SECRET_NOT_FOUND"
	Exists           fault.Reason = "SECRET_EXISTS"
	InUse            fault.Reason = "SECRET_IN_USE"
	VersionNotFound  fault.Reason = "VERSION_NOT_FOUND"
	VersionDisabled  fault.Reason = "VERSION_DISABLED"
	VersionDestroyed fault.Reason = "VERSION_DESTROYED"
	UsageNotAllowed  fault.Reason = "USAGE_NOT_ALLOWED"
	HostNotAllowed   fault.Reason = "HOST_NOT_ALLOWED"
	NotBound         fault.Reason = "NOT_BOUND"
	VersionInUse     fault.Reason = "VERSION_IN_USE"
	Expired          fault.Reason = "SECRET_EXPIRED"
	QuotaExceeded    fault.Reason = "QUOTA_EXCEEDED"
	KeyPurposeFixed  fault.Reason = "KEY_PURPOSE_FIXED"
	ValueInUse       fault.Reason = "VALUE_IN_USE"

	KeyPurposeUnknown fault.Reason = "KEY_PURPOSE_UNKNOWN"
	KeyNotShared      fault.Reason = "KEY_NOT_SHARED"

	NonceBudgetExhausted fault.Reason = "NONCE_BUDGET_EXHAUSTED"
	WeakKey              fault.Reason = "WEAK_KEY"
	KeyFormNotUsable     fault.Reason = "KEY_FORM_NOT_USABLE"
	SealingRequired      fault.Reason = "SEALING_REQUIRED"
	KeyDisabled          fault.Reason = "KEYRING_KEY_DISABLED"
	CheckLocked          fault.Reason = "CHECK_LOCKED"
	IssuerNotAllowed     fault.Reason = "ISSUER_NOT_ALLOWED"
	IssuedBefore         fault.Reason = "ISSUED_BEFORE"

	PositionOutOfRange fault.Reason = "POSITION_OUT_OF_RANGE"
)

// A Usage is the class of a secret. It never changes.
type Usage string

// The usages.
const (
	// Key is used only in ciphers, MACs, digests, and key derivations.
	Key Usage = "KEY"
	// Parameter is public by declaration, such as a static IV.
	Parameter Usage = "PARAMETER"
	// Credential is sent as it is, but only to the allowed hosts.
	Credential Usage = "CREDENTIAL"
	// ExposedKey is key material that sent messages reveal.
	ExposedKey Usage = "EXPOSED_KEY"
)

// A State is the state of a version.
type State string

// The states.
const (
	Enabled   State = "ENABLED"
	Disabled  State = "DISABLED"
	Destroyed State = "DESTROYED"
)

// A Secret is the metadata of a secret, without its values. It has everything that a resolve
// decides, and describes the rows of its versions, so that no earlier row can take their place.
type Secret struct {
	Name        Name
	UID         string
	Revision    uint64
	Description string
	Labels      map[string]string
	Usage       Usage
	// LastChange is the sequence number of the newest entry about the secret in the change log.
	LastChange uint64
	// AllowedHosts are those of the current version, in the form of [destination.Destination].
	AllowedHosts []string
	// Ports is that of the current version.
	Ports bool
	// UsedPorts are destinations other than port 443 that bindings reported; see [Store.Bind].
	// They are among the hosts of versions without Ports.
	UsedPorts []string
	// Current is the number of the current version.
	Current uint32
	// Last is the highest version number ever used.
	Last uint32
	// State is that of the current version.
	State   State
	Created time.Time
	Updated time.Time
	// Replaced are the formerly current versions that are not destroyed, the most recently replaced
	// first.
	Replaced []Replacement
	// Rewrites are the versions whose rows were written again, and that are not destroyed.
	Rewrites []Rewrite
	// Destroyed are the destroyed versions, in order.
	Destroyed []Span
	// RotationPeriod is how long a version may be current before it should be replaced, or 0 for no
	// reminder.
	RotationPeriod time.Duration
	// RotationDue is when the current version should be replaced: the period after it was added.
	RotationDue time.Time
	// KeepVersions is the number of versions to keep, or 0 for all; see prune.go.
	KeepVersions uint32
	// Expires is when the secret expires, or zero for never; see expiry.go.
	Expires time.Time
	// Purpose is the purpose of a KEY, or nil if the secret was stored before purposes were. Until it
	// is sealed or stated, it is what the bindings claim.
	Purpose *Purpose
	// EarlierUse is how a KEY was used that was stored before purposes were, if it is known.
	EarlierUse EarlierUse
	// Shared is whether a KEY may serve the endpoints of several hosts.
	Shared bool
	// Kind is the kind as which the first version of a KEY was generated, or 0 if it was provided.
	Kind Kind
	// IssuedBy is the endpoint whose partner issues the versions, or empty; see issue.go.
	IssuedBy string
	// Public is whether a KEY contains only public keys, from its first version on.
	Public bool
	// Holders are the principals with bindings.
	Holders []Holder
	// References is the number of distinct referrers with bindings.
	References uint32
	// Deferred is the number of rows that the first binding of a KEY writes, at most: the ledgers and
	// fingerprints of its versions. It is 0 if they are written.
	Deferred uint32
	// DeletedAt is when a secret was deleted that can be brought back, and PurgeAt when it is removed
	// for good. Both are zero for all other secrets.
	DeletedAt, PurgeAt time.Time
	// CheckFailures and EarlierCheckFailures count other values; see [Store.Check].
	CheckFailures, EarlierCheckFailures uint32
	// Restores is [restore.Restore.Count] at the time when the last version was added.
	Restores uint32
	// Skipped are the numbers up to the last that no version has; see versionnumber.go.
	Skipped []Span
	Unknown []byte
	// Taken is how the value of this change was recognized. It is not stored.
	Taken *Taken
}

// A Holder is a principal with bindings.
type Holder struct {
	Name string
	// Bindings is their number.
	Bindings uint32
	Unknown  []byte
}

// A Rewrite is a version whose row was written again after it was added.
type Rewrite struct {
	Version uint32
	// Change is the sequence number of the entry about the last time.
	Change uint64
	// Disabled is whether the version is not enabled.
	Disabled bool
	Unknown  []byte
}

// A Span is consecutive version numbers, both included.
type Span struct {
	First, Last uint32
	Unknown     []byte
}

// MaxReferences is the number up to which referrers are shown.
const MaxReferences = 1000

// Etag returns a string that changes with every change of the secret.
func (s Secret) Etag() string { return strconv.FormatUint(s.Revision, etagBase) }

// AppendEtag appends the etag.
func (s *Secret) AppendEtag(to []byte) []byte { return strconv.AppendUint(to, s.Revision, etagBase) }

const etagBase = 10

// checkEtag fails if the caller saw a revision other than the stored one. An empty etag matches
// any revision.
func (s Secret) checkEtag(seen string) error {
	if seen == "" || seen == s.Etag() {
		return nil
	}
	return fault.New(fault.Aborted, fault.EtagMismatch,
		"the secret changed since it was read; read it again and reapply the change").
		With("etag", s.Etag())
}

// A Version is the metadata of one value of a secret.
type Version struct {
	Number  uint32
	Current bool
	State   State
	Created time.Time
	// LastChange is the sequence number of the entry that wrote the row, in the change log.
	LastChange uint64
	// UID distinguishes the version from others with its number. It is empty if it follows from the
	// sealed value; see [VersionUIDOf].
	UID string
	// Sealed is the value. It is zero if the version is destroyed.
	Sealed keyring.Sealed
	// Public is the SubjectPublicKeyInfo of a KEY that is an asymmetric key, in DER and in plaintext.
	// It is empty for all other versions.
	Public []byte
	// Facts is the metadata of a KEY, or nil.
	Facts *Facts
	// Prints are the keyed fingerprints of a KEY that is not a public key, sorted.
	Prints []Print
	// SameAs is the first version with the same value, whose ledger counts for this one. It is 0 if no
	// earlier version has this value, or if the ledgers are deferred.
	SameAs uint32
	// AllowedHosts are the hosts to which a CREDENTIAL may be sent; see [Secret.hostsOf].
	AllowedHosts []string
	// Ports is whether a host without a port means port 443. If false, the hosts were stored before
	// ports were, or inherited from such a version.
	Ports bool
	// WeakReason is the acknowledged reason for a weak key, or empty for other keys.
	WeakReason            string
	Unknown, ValueUnknown []byte
	// Nonces is the ledger that counts for the values that the version encrypts under random IVs, or
	// nil if the version is not of a KEY. NoncesEnd is its [Nonces.ProjectedEnd] at the time when the
	// version was read. Uses are the reported uses of the version. They are stored apart from the
	// version. [Store.Versions] and the changes of a version read them.
	Nonces    *Nonces
	NoncesEnd time.Time
	Uses      Uses
}

// A Binding allows its holder to resolve the secret with one uid, and prevents its deletion.
type Binding struct {
	Name      Name
	UID       string
	Holder    string
	Operation string
	Usage     Usage
	Referrer  string
	Host      string
	// Port is the port of Host. It is 0 for bindings created before ports were stored, until it is
	// reported.
	Port    uint16
	Created time.Time
	// LastChange is the sequence number of the entry that wrote the row, in the change log.
	LastChange uint64
	// Versions are those that the referrer pins, ascending.
	Versions []uint32
	// Purpose is the purpose for which the referrer uses a KEY. It is empty for bindings created
	// before purposes were stored, until it is reported.
	Purpose Purpose
	// Issue is whether the referrer issues versions of the secret. Without a purpose and a host, it does
	// nothing else with it.
	Issue   bool
	Unknown []byte
	// Shared is whether a KEY may serve several hosts and senders. [Store.Bind] sets it.
	Shared bool
	// VersionUID distinguishes the pinned version from others with its number. [Store.Bind] sets it.
	VersionUID string
}

func notFound() error {
	return fault.New(fault.NotFound, NotFound, "the secret does not exist")
}
