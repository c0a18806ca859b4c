// Package inventory writes and reads the inventory of a vault: the part of its data file that a comparison
// with an allowlist needs, without values and key material.
//
// An inventory has the names and uids of the secrets, the numbers, uids, and states of their versions, their
// bindings, the signed head of the change log with the hashes of all entries, and the heads of other
// programs' logs that the vault has verified. It names secrets, so it is for operators only.
//
// # Format
//
// The first line is text, and each other one is a JSON object with one member:
//
//	keyward inventory 1
//	{"head":{"key":…,"checkpoint":…,"successions":[…]}}
//	{"witnessed":{"name":…,"key":…,"checkpoint":…}}           for each program
//	{"secret":{"name":…,"uid":…,"current":…}}                 for each secret, followed by
//	{"version":{"number":…,"uid":…,"state":…}}                each of its versions, and
//	{"binding":{"holder":…,"operation":…,"referrer":…}}       each of its bindings
//	{"hashes":…}                                              of up to 1000 entries of the log, 32 bytes each
//	{"end":{"lines":…}}                                       the number of lines between the first and this one
//
// The hashes are those of the signed head, so a reader knows the root of the log at each size. Nothing
// authenticates the other lines. An inventory helps to plan a restore; no program decides anything by it.
package inventory

import (
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
)

var (
	// ErrMalformed means that a file is not a whole inventory.
	ErrMalformed = errors.New("the file is not a whole inventory of a vault")
	// ErrNewer means that a newer version of Keyward wrote the inventory.
	ErrNewer = errors.New("a newer version of Keyward wrote the inventory")
)

const (
	// magic is the first line without the version.
	magic = "keyward inventory "
	// version is the version of the format.
	version = "1"
	// maxLine is the maximum size of a line in bytes. The head, which has the successions of keys, is the longest one.
	maxLine = 1 << 20
	// maxLines bounds the lines, and so the memory that a reader uses.
	maxLines = 1 << 24
	// perLine is the number of hashes in a line.
	perLine = 1000
)

// A Head is the signed head of the vault's change log.
type Head struct {
	// Key is the verifier key of the log.
	Key string `json:"key"`
	// Checkpoint is the signed head.
	Checkpoint string `json:"checkpoint"`
	// Successions are those of the keys of the log, oldest first.
	Successions []string `json:"successions,omitempty"`
}

// Claim returns the head as the vault would state it.
func (h Head) Claim() changelog.Claim {
	return changelog.Claim{SignedHead: changelog.SignedHead{Key: h.Key, Checkpoint: h.Checkpoint}, Successions: h.Successions}
}

// A Witnessed is the last head of another program's log that the vault has verified.
type Witnessed struct {
	// Name is the principal of the program.
	Name string `json:"name"`
	// Key is the verifier key of its log.
	Key string `json:"key"`
	// Checkpoint is the signed head.
	Checkpoint string `json:"checkpoint"`
}

// A Secret is a secret that is not deleted.
type Secret struct {
	// Name is the resource name.
	Name string `json:"name"`
	// UID identifies the incarnation of the name.
	UID string `json:"uid"`
	// Current is the number of the current version.
	Current uint32 `json:"current"`

	// Versions are its versions by number.
	Versions map[uint32]Version `json:"-"`
	// Bindings are its bindings.
	Bindings []Binding `json:"-"`
}

// A Version is a version of a secret.
type Version struct {
	Number uint32 `json:"number"`
	// UID distinguishes the version from others with its number. It is empty for a destroyed version.
	UID string `json:"uid,omitempty"`
	// State is ENABLED, DISABLED, or DESTROYED.
	State string `json:"state"`
}

// The states of a version.
const (
	Enabled   = "ENABLED"
	Disabled  = "DISABLED"
	Destroyed = "DESTROYED"
)

// A Binding is a binding to a secret.
type Binding struct {
	// Holder is the principal that may resolve the secret.
	Holder string `json:"holder"`
	// Operation is the ID of the save that needs the binding.
	Operation string `json:"operation"`
	// Referrer is the name of the resource that refers to the secret.
	Referrer string `json:"referrer"`
}

// An Inventory is an inventory that was read.
type Inventory struct {
	Head Head
	// Size is the number of entries in the change log.
	Size uint64
	// Witnessed are the heads of other programs' logs by the name of the program.
	Witnessed map[string]Witnessed
	// Secrets are the secrets by name.
	Secrets map[string]*Secret

	roots map[uint64]tlog.Hash
}

// Root returns the root of the change log at a size that [Read] was asked for, or zero if the log is
// shorter.
func (i *Inventory) Root(size uint64) tlog.Hash { return i.roots[size] }

// A line is a line of an inventory. One member is set.
type line struct {
	Head      *Head      `json:"head,omitempty"`
	Witnessed *Witnessed `json:"witnessed,omitempty"`
	Secret    *Secret    `json:"secret,omitempty"`
	Version   *Version   `json:"version,omitempty"`
	Binding   *Binding   `json:"binding,omitempty"`
	Hashes    []byte     `json:"hashes,omitempty"`
	End       *end       `json:"end,omitempty"`
}

// An end is the content of the last line.
type end struct {
	Lines int `json:"lines"`
}
