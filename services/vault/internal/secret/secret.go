// Package secret holds the rules of the vault: what a secret is, how its versions
// come to be, who may be bound to it, and which changes are allowed.
//
// A [Store] turns each operation into exactly one transaction of the underlying
// [kv.Store], so operations are atomic and appear in one order to all callers.
// The entry in the change log and the record that recognises a repeated request
// are part of that transaction. Values are sealed before they reach the store and
// opened after they leave it; the store never sees plaintext.
//
// # The life of a secret
//
// [Store.Create] gives a name its first version and a uid. A name that was deleted
// may be used again; its next life has another uid, and everything that belongs
// to a life (versions, values, bindings) hangs on the uid, not on the name.
// [Store.Update] changes what people see and adds versions. [Store.Bind] lets a
// workload resolve the secret and holds off [Store.Delete] until [Store.Unbind].
//
// The bindings of a KEY claim its [Purpose], which its first use seals for the whole life.
//
// # Versions
//
// Version numbers start at 1 and only grow. A number is never used twice within a
// uid, so a reader who remembers (uid, number) is never handed another value.
//
// One version is the current one. A new one becomes current when it is added, or waits
// until [Store.Restore] makes it current, as it may any version that is enabled.
// [Store.Disable] keeps a version from being resolved, also the current one, until
// [Store.Enable]. [Store.Destroy] removes the value with all that is known of it; number,
// times, uses and ledger stay. None of them moves the pointer by itself: what is current and
// cannot be resolved is refused, so that nobody goes on with a key they did not choose.
//
// Where the value of a KEY is an asymmetric key, drawn here or brought along, its
// public part is taken out while the value passes by and is kept with the version, in
// the clear: to hand it to a partner the private part need not be opened again. So are
// [Facts], which let a referrer see that a key cannot do before it is used.
//
// # What a value may do
//
// While a value passes by, the vault sees that no text beside it holds it, and that a KEY is
// not weak (vet.go). The hosts of a CREDENTIAL belong to a version (hosts.go).
//
// # Values that arrive sealed
//
// A value may arrive sealed to a key of the vault (package sealing). [Store.Create] and
// [Store.Update] open it, once, and treat it like any other from then on (sealed.go). A workspace
// may take such values only ([Store.SetSealing]).
//
// # Versions that were current before
//
// A version that was current before may be welcome for a while longer, say to open what
// a partner sent before it heard of the next one. A secret remembers when such versions
// were replaced, and [Store.Resolve] tells it.
//
// # Uses
//
// [Store.Report] counts uses of versions, so that nobody takes away what is in use
// without knowing. The counters are beside the secret: to count changes no etag and is
// not on the change log.
//
// # Nonces
//
// [Store.ReserveNonces] hands out, once, the values that workloads may encrypt with a
// version of a KEY under random IVs: as many as its budget allows (package budget), over
// all referrers. The ledger is in the version's own record, or in that of the first version
// with the same value: to store a key again gives it no new budget. Like uses it changes no etag
// and is not on the change log.
//
// # Deletion
//
// A delete is one transaction that takes the name away and queues the uid as
// garbage. From then on nothing leads to the versions any more. Their keys, which
// may be more than one transaction can hold, are removed by a collector that runs
// right after, in bounded transactions, and goes on at the next start if the
// process dies in between.
//
// # Watching
//
// [Store.Watch] follows the change log and tells of what makes a resolved value
// outdated. [Store.Resolve] says at which position of the same log it read, so that
// who keeps values can tell which of the two was later.
//
// The package knows nothing of gRPC or of permissions.
package secret

import (
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/fault"
)

// The reasons of the vault's own faults; errors.proto documents them.
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

// A Usage is what a secret may be used for. It never changes.
type Usage string

// The usages.
const (
	// Key feeds ciphers, MACs, digests and key derivations only.
	Key Usage = "KEY"
	// Parameter is public by declaration, such as a static IV.
	Parameter Usage = "PARAMETER"
	// Credential is sent as it is, but only to the allowed hosts.
	Credential Usage = "CREDENTIAL"
	// ExposedKey is key material that what is sent gives away.
	ExposedKey Usage = "EXPOSED_KEY"
)

// A State is what may be done with a version.
type State string

// The states.
const (
	Enabled   State = "ENABLED"
	Disabled  State = "DISABLED"
	Destroyed State = "DESTROYED"
)

// A Secret is what is known of a secret without its values. It is also the record
// that is stored, as JSON.
type Secret struct {
	Name        Name              `json:"-"`
	UID         string            `json:"uid"`
	Revision    uint64            `json:"revision"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Usage       Usage             `json:"usage"`
	// AllowedHosts are those of the current version, as [destination.Destination] writes them.
	AllowedHosts []string `json:"allowed_hosts,omitempty"`
	// Ports is that of the current version.
	Ports bool `json:"ports,omitempty"`
	// UsedPorts are destinations other than port 443 that bindings reported; see [Store.Bind].
	// They are among the hosts of versions without Ports.
	UsedPorts []string `json:"used_ports,omitempty"`
	// EarlierHosts are those of versions that were stored before hosts belonged to them.
	EarlierHosts []string `json:"earlier_hosts,omitempty"`
	// Current is the number of the version that is used now.
	Current uint32 `json:"current"`
	// Last is the highest version number that was ever used.
	Last uint32 `json:"last"`
	// State is that of the current version, kept here so that lists need not
	// read versions.
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Replaced are versions that were current before, the one replaced last first, and
	// that are not destroyed.
	Replaced []Replacement `json:"replaced,omitempty"`
	// RotationPeriod is how long a version may be current before it should be replaced.
	// 0: nobody is reminded.
	RotationPeriod time.Duration `json:"rotation_period,omitempty"`
	// RotationDue is when the current version should be replaced: the period after it was
	// added. It is kept here so that lists need not read versions.
	RotationDue time.Time `json:"rotation_due,omitzero"`
	// Purpose is what a KEY is used for, nil if the secret was stored before purposes were
	// kept. Not sealed, it is what the bindings claim.
	Purpose *Purpose `json:"purpose,omitempty"`
	// Shared is whether a KEY may serve the endpoints of several hosts.
	Shared bool `json:"shared,omitempty"`
	// Kind is what the first version of a KEY was generated as; 0: it was given.
	Kind Kind `json:"kind,omitempty"`
	// Public is whether a KEY holds public keys only, from its first version on.
	Public bool `json:"public,omitempty"`
	// References is how many distinct referrers hold bindings, up to MaxReferences.
	References uint32 `json:"-"`
	// Taken is what the value of this very change was taken for. It is not kept.
	Taken *Taken `json:"-"`
}

// MaxReferences is how far referrers are counted.
const MaxReferences = 1000

// Etag returns the text that changes with every change of the secret.
func (s Secret) Etag() string { return strconv.FormatUint(s.Revision, 10) }

// checkEtag fails if the caller saw another revision than the stored one. An empty
// etag means that the caller does not care.
func (s Secret) checkEtag(seen string) error {
	if seen == "" || seen == s.Etag() {
		return nil
	}
	return fault.New(fault.Aborted, fault.EtagMismatch,
		"the secret changed since it was read; read it again and reapply the change").
		With("etag", s.Etag())
}

// A Version is what is known of one value of a secret.
type Version struct {
	Number  uint32    `json:"-"`
	Current bool      `json:"-"`
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	// KeyID is the id of the key that wraps the version's data key.
	KeyID string `json:"key_id"`
	// Public is the SubjectPublicKeyInfo of a KEY that is an asymmetric key, in DER
	// and in the clear. Versions that were stored before there was such a field, and
	// all others, have none.
	Public []byte `json:"public,omitempty"`
	// Facts are what is told of a KEY; nil: nothing. Versions that were stored before
	// there was such a field have none.
	Facts *Facts `json:"facts,omitempty"`
	// Prints are the keyed fingerprints of a KEY that is no public key, separated by spaces: one
	// text is read faster than several, and few need them. Versions that were
	// stored before there was such a field have none until they are used.
	Prints string `json:"prints,omitempty"`
	// Nonces is the ledger of what the version encrypts under random IVs; nil: another
	// version's counts, or the version was stored before there were ledgers, and nothing has
	// been reserved since. [Store.Versions] and the changes of a version return the one that
	// counts.
	Nonces *Nonces `json:"nonces,omitempty"`
	// SameAs is the first version with the same value, whose ledger counts for this one; 0:
	// there is none before it.
	SameAs uint32 `json:"same_as,omitempty"`
	// NoncesEnd is [Nonces.ProjectedEnd] as of when the version was read. [Store.Versions]
	// and the changes of a version compute it.
	NoncesEnd time.Time `json:"-"`
	// AllowedHosts are the hosts that a CREDENTIAL may be sent to. Versions that were stored
	// before there was such a field have none; see [Secret.hostsOf].
	AllowedHosts []string `json:"allowed_hosts,omitempty"`
	// Ports is whether a host without port was meant as one on port 443. Without it, the hosts
	// were stored before ports were kept, or taken over from a version of which they were.
	Ports bool `json:"ports,omitempty"`
	// WeakReason is why the key is weak, as acknowledged; empty for all others.
	WeakReason string `json:"weak_reason,omitempty"`
	// Uses are what was reported of the version. [Store.Versions] reads them.
	Uses Uses `json:"-"`
}

// A Binding lets its holder resolve one uid, and keeps the secret from being
// deleted while it lasts.
type Binding struct {
	Name      Name   `json:"-"`
	UID       string `json:"-"`
	Holder    string `json:"-"`
	Operation string `json:"-"`
	Usage     Usage  `json:"usage"`
	Referrer  string `json:"referrer"`
	Host      string `json:"host,omitempty"`
	// Port is the port of Host. Bindings that were made before there was such a field tell 0
	// until it is reported.
	Port    uint16    `json:"port,omitempty"`
	Created time.Time `json:"created"`
	// Versions are those that the referrer names, ascending. Bindings that were made
	// before there was such a field tell none.
	Versions []uint32 `json:"versions,omitempty"`
	// Purpose is what the referrer uses a KEY for. Bindings that were made before there
	// was such a field tell none.
	Purpose Purpose `json:"purpose,omitzero"`
	// Shared is whether a KEY may serve several hosts and senders. [Store.Bind] sets it.
	Shared bool `json:"-"`
	// VersionUID tells the version that was named from others with its number. [Store.Bind] sets
	// it.
	VersionUID string `json:"-"`
}

func notFound() error {
	return fault.New(fault.NotFound, NotFound, "there is no such secret")
}
