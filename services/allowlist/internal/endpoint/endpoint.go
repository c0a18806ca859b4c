// Package endpoint holds the registry of the allowlist: what an endpoint is, who
// vouches for it, when it is in use, and which secrets it keeps alive.
//
// A [Registry] turns each operation into one transaction of the underlying
// [kv.Store], so operations are atomic and appear in one order to all callers.
// Each change appends its entry to the change log in that same transaction. The
// one exception is a save that changes the references to secrets: two stores
// cannot commit together, so it is a small protocol, described in save.go.
//
// # States
//
// A new endpoint is PENDING. A super admin approves it, or a proof is found, which
// records the verification and leaves the state alone; a verified endpoint can be
// activated, deactivated and activated again. A change of the URL undoes the
// verification, unless that covers the new URL too, and makes it PENDING. A proof is
// looked for again (proof.go): an endpoint that lost it is switched off by the
// system, after a grace, and needs to be verified again. One that lost a secret,
// because a super admin deleted it by force, is switched off at once and stays off
// until what refers to it is saved again.
//
//	PENDING ──approve or verify, activate──▶ ACTIVE ◀──activate, deactivate──▶ INACTIVE
//	   ▲                                       │                                  │
//	   └───────────────URL changed─────────────┴──────────────────────────────────┘
//
// # Saves
//
// A save answers with everything that is wrong with it, at once: what was found in the
// request, what the vault has against the secrets, and what the keys have against the
// configuration. It asks the vault by binding, and gives up what it bound if anything is
// wrong; save.go says how.
//
// # Questions
//
// [Registry.Check] tells whether a method and URL may be talked to, and by which
// endpoint. It costs the same however many endpoints there are; match.go says how.
//
// The package knows nothing of protocols, of permissions or of cryptography: a
// compiled configuration is bytes with the names of the secrets it refers to.
package endpoint

import (
	"slices"
	"strconv"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A State says what may be done with an endpoint.
type State string

// The states, as stored.
const (
	Pending  State = "PENDING"
	Active   State = "ACTIVE"
	Inactive State = "INACTIVE"
)

// An Endpoint is a partner's HTTP endpoint that the platform may talk to.
type Endpoint struct {
	Settings
	Name Name
	// UID tells apart two lives of one name.
	UID string
	// Revision grows with each change of this life; it is the etag. It begins where
	// no other life of the name does.
	Revision     uint64
	State        State
	StateReason  string
	Verification Verification
	// Checked is when the proof was last looked for; zero without a proof. It is no
	// part of the state that the log commits to.
	Checked time.Time
	// Operation is the save that bound the references; empty without references.
	Operation string
	// References are the secrets that the endpoint refers to, as bound.
	References []Reference
	// Lost reports that a referenced secret is gone.
	Lost             bool
	Created, Updated time.Time
}

// Etag returns the revision as callers see it.
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

// Portless reports whether a credential was bound before ports were kept, and its port is not
// reported yet.
func (e Endpoint) Portless(c Credential) bool {
	return slices.ContainsFunc(e.References, func(r Reference) bool {
		return r.Secret == c.Secret && r.Version == c.Version && r.portless()
	})
}

// Exposes reports whether a secret was bound as a key that what is sent gives away. A KEY that
// was bound before there was such a usage was not.
func (e Endpoint) Exposes(secret string) bool {
	return slices.ContainsFunc(e.References, func(r Reference) bool { return r.Secret == secret && r.Exposed })
}

// Settings is what people decide about an endpoint.
type Settings struct {
	DisplayName string
	Description string
	Labels      map[string]string
	Methods     []string
	URL         URL
	// URLPublicReason is why the URL is public although it looks like key material. It is
	// saved with the URL.
	URLPublicReason string
	Headers         []Parameter
	Query           []Parameter
	ContentType     string
	Encryption      Encryption
	BodyValues      []BodyValue
}

// An Encryption is a configuration that was checked and compiled elsewhere. The
// zero Encryption is none.
type Encryption struct {
	// Privileged are the flags that it acknowledges although only a super admin may, as errors
	// name them. Only a request that saves it says so; it is not stored.
	Privileged string
	// Stored is the configuration in its stored form.
	Stored []byte
	// Needs are what it needs secrets for, each once.
	Needs []Need
	// Check, if not nil, says whether its keys are fit for it, from what the vault tells
	// of them. It is there while the configuration is being saved, as is KeyBytes.
	Check func(of FactsOf) error
	// KeyBytes returns the lengths that a KEY may have which a cipher takes as it is; none: it
	// takes none so.
	KeyBytes func(secret string, version uint32) []int
}

// FactsOf returns what the vault tells of a version of a secret, and whether it was asked.
type FactsOf func(secret string, version uint32) (vaultclient.Facts, bool)

// Configured reports whether there is a configuration.
func (e Encryption) Configured() bool { return len(e.Stored) > 0 }

// A Reference is a secret as it was bound: for a use, and by the uid that the name
// had in the vault.
type Reference struct {
	Need
	UID string `json:"uid"`
	// VersionUID tells the version that is meant from others with its number. It is empty for
	// the current version, and where it is not on record yet.
	VersionUID string `json:"version_uid,omitempty"`
	// Missing says that the endpoint was switched off because of this reference.
	Missing bool `json:"gone,omitempty"`
}
