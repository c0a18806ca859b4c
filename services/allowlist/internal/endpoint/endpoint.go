// Package endpoint is the registry of the allowlist: the endpoints, their verification, their
// states, and their references to secrets.
//
// A [Registry] turns each operation into one transaction of the underlying [kv.Store], so
// operations are atomic and appear in one order to all callers. Each change appends its entry to
// the change log in the same transaction. The one exception is a save that changes the references
// to secrets: two stores cannot commit together, so such a save follows a small protocol, which
// save.go describes.
//
// # States
//
// A new endpoint is PENDING. Approval by a super admin, or a proof, verifies it; this does not
// change the state. A verified endpoint can be activated, deactivated, and activated again. A
// change of the URL undoes the verification, unless the proof covers the new URL too, and makes
// the endpoint PENDING. The proof is checked again from time to time (proof.go): an endpoint that
// lost its proof is switched off by the system after a grace period, and must be verified again.
// An endpoint that lost a secret, because a super admin deleted it by force, is switched off at
// once and stays off until its references are saved again.
//
//	PENDING ──approve or verify, activate──▶ ACTIVE ◀──activate, deactivate──▶ INACTIVE
//	   ▲                                       │                                  │
//	   └───────────────URL changed─────────────┴──────────────────────────────────┘
//
// # Saves
//
// A save returns all violations at once: those in the request, the refusals of the vault, and keys
// that do not fit the configuration. It asks the vault by binding, and gives up its bindings if
// there is any violation; see save.go.
//
// # Questions
//
// [Registry.Check] reports whether a request with a method and URL is allowed, and by which
// endpoint. Its cost does not depend on the number of endpoints; see match.go. Questions and messages
// read the store at the first use of an endpoint and while it is being changed. In between, they use
// what is in memory.
//
// # Changed data
//
// The store authenticates each row, and the change log states the row of each endpoint, so that an
// earlier row of an endpoint is refused. A row that is changed while the program runs is not used
// either, because the program goes on with what it committed; the comparison in the background finds
// the change. The other rows change without an entry. An attacker who
// can write to the file of a stopped program can put an earlier one back, or remove it:
//
//   - intents, bindings to give up, and bound secrets: a comparison with the vault repairs them.
//     Until then, a binding may remain that no endpoint needs, but no endpoint gets one.
//   - the times of checks of proofs: a check is early or late. A verification itself is a part of
//     the endpoint.
//   - quotas of trials: some more trials are possible.
//   - uses to delete, and the order of updates: lists and uses of deleted endpoints are wrong.
//
// The package knows nothing about protocols, permissions, or cryptography: a compiled
// configuration is bytes with the names of the secrets that it refers to.
package endpoint

import (
	"slices"
	"strconv"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A State says whether an endpoint can be used.
type State string

// The states, as stored.
const (
	Pending  State = "PENDING"
	Active   State = "ACTIVE"
	Inactive State = "INACTIVE"
)

// An Endpoint is a partner's HTTP endpoint that the platform may call.
type Endpoint struct {
	Settings
	Name Name
	// UID identifies the incarnation of the name.
	UID string
	// Revision grows with each change of this incarnation; it is the etag. No other incarnation of
	// the name begins with the same number.
	Revision     uint64
	State        State
	StateReason  string
	Verification Verification
	// Checked is the time of the last check of the proof; zero without a proof. It is not part of the
	// state that the log commits to.
	Checked time.Time
	// Operation is the save that bound the references; empty without references.
	Operation string
	// References are the secrets that the endpoint refers to, as bound.
	References []Reference
	// Lost reports that a referenced secret no longer exists, and LostActive that the endpoint was
	// active until then.
	Lost, LostActive bool
	Created, Updated time.Time

	// change is the sequence number of the newest entry in the change log.
	change uint64
	// unknown are the fields of the record that this version of the program does not know.
	unknown []byte
}

// Etag returns the revision in the form that callers see.
func (e Endpoint) Etag() string { return strconv.FormatUint(e.Revision, 10) }

// SecretUID returns the uid that a referenced secret was bound with.
func (e Endpoint) SecretUID(secret string) string {
	for _, r := range e.References {
		if r.Secret == secret {
			return r.UID
		}
	}
	return ""
}

// VersionUID returns the uid that a version of a referenced secret was bound with, or nothing
// for the current version.
func (e Endpoint) VersionUID(secret string, version uint32) string {
	for _, r := range e.References {
		if r.Secret == secret && r.Version == version {
			return r.VersionUID
		}
	}
	return ""
}

// Portless reports whether a credential was bound before ports were recorded, and its port has not
// been reported yet.
func (e Endpoint) Portless(c Credential) bool {
	return slices.ContainsFunc(e.References, func(r Reference) bool {
		return r.Secret == c.Secret && r.Version == c.Version && r.portless()
	})
}

// Exposes reports whether a secret was bound as a key that messages reveal. It is false for a KEY
// that was bound before that usage existed.
func (e Endpoint) Exposes(secret string) bool {
	return slices.ContainsFunc(e.References, func(r Reference) bool { return r.Secret == secret && r.Exposed })
}

// Settings are the properties of an endpoint that people set.
type Settings struct {
	DisplayName string
	Description string
	Labels      map[string]string
	Methods     []string
	URL         URL
	// URLPublicReason is the reason why the URL is public although it looks like key material. It is
	// saved with the URL.
	URLPublicReason string
	Headers         []Parameter
	Query           []Parameter
	ContentType     string
	Encryption      Encryption
	BodyValues      []BodyValue
}

// An Encryption is a configuration that was checked and compiled elsewhere. The zero Encryption
// means no configuration.
type Encryption struct {
	// Privileged holds the acknowledged flags that only a super admin may acknowledge, as errors name
	// them. It is set only while a request saves them; it is not stored.
	Privileged string
	// Stored is the configuration in its stored form.
	Stored []byte
	// Needs are the uses of secrets, without duplicates.
	Needs []Need
	// Check, if not nil, checks that the keys fit the configuration, from the facts that the vault
	// returns. It is set while the configuration is being saved, and so is KeyBytes.
	Check func(of FactsOf) error
	// KeyBytes returns the allowed lengths of a KEY that a cipher uses directly. It returns nothing
	// for any other KEY.
	KeyBytes func(secret string, version uint32) []int
}

// FactsOf returns the facts of the vault about a version of a secret, and whether the vault was
// asked.
type FactsOf func(secret string, version uint32) (vaultclient.Facts, bool)

// Configured reports whether the endpoint has a configuration.
func (e Encryption) Configured() bool { return len(e.Stored) > 0 }

// A Reference is a secret as it was bound: the use, and the uid that the name had in the vault.
type Reference struct {
	Need
	UID string
	// VersionUID distinguishes the version from others with the same number. It is empty for the
	// current version, and until it is recorded.
	VersionUID string
	// Missing says that the endpoint was switched off because of this reference.
	Missing bool
}
