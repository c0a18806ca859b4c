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
// that remembers (uid, number) never gets another value.
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
// referrers. The ledger is in the version's record, or in that of the first version with the same
// value: storing a key again gives it no new budget. Like uses, the ledger changes no etag and is
// not logged.
//
// # Deletion
//
// A delete is one transaction that removes the name and queues the uid as garbage. From then on,
// the versions are unreachable. Their keys, which may be more than one transaction can hold, are
// removed by a collector. It runs immediately afterward, in bounded transactions, and continues at
// the next start if the process dies in between.
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
	KeyPurposeFixed  fault.Reason = "KEY_PURPOSE_FIXED"
	ValueInUse       fault.Reason = "VALUE_IN_USE"

	KeyPurposeUnknown fault.Reason = "KEY_PURPOSE_UNKNOWN"
	KeyNotShared      fault.Reason = "KEY_NOT_SHARED"

	NonceBudgetExhausted fault.Reason = "NONCE_BUDGET_EXHAUSTED"
	WeakKey              fault.Reason = "WEAK_KEY"
	KeyFormNotUsable     fault.Reason = "KEY_FORM_NOT_USABLE"
	SealingRequired      fault.Reason = "SEALING_REQUIRED"

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

// A Secret is the metadata of a secret, without its values. It is also the stored record, as JSON.
type Secret struct {
	Name        Name              `json:"-"`
	UID         string            `json:"uid"`
	Revision    uint64            `json:"revision"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Usage       Usage             `json:"usage"`
	// AllowedHosts are those of the current version, in the form of [destination.Destination].
	AllowedHosts []string `json:"allowed_hosts,omitempty"`
	// Ports is that of the current version.
	Ports bool `json:"ports,omitempty"`
	// UsedPorts are destinations other than port 443 that bindings reported; see [Store.Bind].
	// They are among the hosts of versions without Ports.
	UsedPorts []string `json:"used_ports,omitempty"`
	// EarlierHosts are the hosts of versions that were stored before hosts belonged to versions.
	EarlierHosts []string `json:"earlier_hosts,omitempty"`
	// Current is the number of the current version.
	Current uint32 `json:"current"`
	// Last is the highest version number ever used.
	Last uint32 `json:"last"`
	// State is that of the current version, stored here so that lists need not read versions.
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Replaced are the formerly current versions that are not destroyed, the most recently replaced
	// first.
	Replaced []Replacement `json:"replaced,omitempty"`
	// RotationPeriod is how long a version may be current before it should be replaced, or 0 for no
	// reminder.
	RotationPeriod time.Duration `json:"rotation_period,omitempty"`
	// RotationDue is when the current version should be replaced: the period after it was added. It
	// is stored here so that lists need not read versions.
	RotationDue time.Time `json:"rotation_due,omitzero"`
	// Purpose is the purpose of a KEY, or nil if the secret was stored before purposes were. Until it
	// is sealed or stated, it is what the bindings claim.
	Purpose *Purpose `json:"purpose,omitempty"`
	// Shared is whether a KEY may serve the endpoints of several hosts.
	Shared bool `json:"shared,omitempty"`
	// Kind is the kind as which the first version of a KEY was generated, or 0 if it was provided.
	Kind Kind `json:"kind,omitempty"`
	// Public is whether a KEY contains only public keys, from its first version on.
	Public bool `json:"public,omitempty"`
	// References is the number of distinct referrers with bindings, up to MaxReferences.
	References uint32 `json:"-"`
	// Taken is how the value of this change was recognized. It is not stored.
	Taken *Taken `json:"-"`
}

// MaxReferences is the number up to which referrers are counted.
const MaxReferences = 1000

// Etag returns a string that changes with every change of the secret.
func (s Secret) Etag() string { return strconv.FormatUint(s.Revision, 10) }

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
	Number  uint32    `json:"-"`
	Current bool      `json:"-"`
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	// KeyID is the ID of the key that wraps the version's data key.
	KeyID string `json:"key_id"`
	// Public is the SubjectPublicKeyInfo of a KEY that is an asymmetric key, in DER and in plaintext.
	// It is empty for all other versions, and for versions stored before the field existed.
	Public []byte `json:"public,omitempty"`
	// Facts is the metadata of a KEY, or nil. It is nil for versions stored before the field existed.
	Facts *Facts `json:"facts,omitempty"`
	// Prints are the keyed fingerprints of a KEY that is not a public key, separated by spaces: one
	// string is decoded faster than several, and few readers need them. It is empty for versions
	// stored before the field existed, until they are used.
	Prints string `json:"prints,omitempty"`
	// Nonces is the ledger of the values that the version encrypts under random IVs. It is nil if
	// another version's ledger counts, or if the version was stored before ledgers existed and
	// nothing has been reserved since. [Store.Versions] and the changes of a version return the
	// ledger that counts.
	Nonces *Nonces `json:"nonces,omitempty"`
	// SameAs is the first version with the same value, whose ledger counts for this one, or 0 if no
	// earlier version has this value.
	SameAs uint32 `json:"same_as,omitempty"`
	// NoncesEnd is [Nonces.ProjectedEnd] at the time when the version was read. [Store.Versions] and
	// the changes of a version compute it.
	NoncesEnd time.Time `json:"-"`
	// AllowedHosts are the hosts to which a CREDENTIAL may be sent. It is empty for versions stored
	// before the field existed; see [Secret.hostsOf].
	AllowedHosts []string `json:"allowed_hosts,omitempty"`
	// Ports is whether a host without a port means port 443. If false, the hosts were stored before
	// ports were, or inherited from such a version.
	Ports bool `json:"ports,omitempty"`
	// WeakReason is the acknowledged reason for a weak key, or empty for other keys.
	WeakReason string `json:"weak_reason,omitempty"`
	// Uses are the reported uses of the version. [Store.Versions] reads them.
	Uses Uses `json:"-"`
}

// A Binding allows its holder to resolve the secret with one uid, and prevents its deletion.
type Binding struct {
	Name      Name   `json:"-"`
	UID       string `json:"-"`
	Holder    string `json:"-"`
	Operation string `json:"-"`
	Usage     Usage  `json:"usage"`
	Referrer  string `json:"referrer"`
	Host      string `json:"host,omitempty"`
	// Port is the port of Host. It is 0 for bindings created before the field existed, until it is
	// reported.
	Port    uint16    `json:"port,omitempty"`
	Created time.Time `json:"created"`
	// Versions are those that the referrer pins, ascending. It is empty for bindings created before
	// the field existed.
	Versions []uint32 `json:"versions,omitempty"`
	// Purpose is the purpose for which the referrer uses a KEY. It is empty for bindings created
	// before the field existed.
	Purpose Purpose `json:"purpose,omitzero"`
	// Shared is whether a KEY may serve several hosts and senders. [Store.Bind] sets it.
	Shared bool `json:"-"`
	// VersionUID distinguishes the pinned version from others with its number. [Store.Bind] sets it.
	VersionUID string `json:"-"`
}

func notFound() error {
	return fault.New(fault.NotFound, NotFound, "the secret does not exist")
}
