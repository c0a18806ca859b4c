package witness

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/kv"
)

// ReasonMismatch is the reason with which the vault refuses an allowlist whose log does not extend the last
// head that the vault verified.
const ReasonMismatch fault.Reason = "WITNESS_MISMATCH"

// A Prospect is a refusal that would last until a super admin confirms a restore.
type Prospect struct {
	Reason  fault.Reason
	Because string
}

// Size returns the size of the vault's log at the last head that was verified, for [inventory.Read].
func Size(r kv.Reader) (uint64, error) {
	seen, err := changelog.NewWitness(vaultLog, "").Seen(r)
	return seen.Size(), err
}

// Foresee returns the refusals with which allowlist and vault would begin after a restore: whether the vault's
// log, of which the inventory knows the root at [Size], extends the head that the allowlist verified, and
// whether the allowlist's log extends the head that the vault verified. The holder is the name of the
// allowlist in the vault, or empty if it is not known; the second question is then left out.
func Foresee(r kv.Reader, own *changelog.Log, holder string, vault *inventory.Inventory) ([]Prospect, error) {
	var found []Prospect
	seen, err := changelog.NewWitness(vaultLog, "").Seen(r)
	if err != nil {
		return nil, err
	}
	switch seen.Standing(vault.Head.Claim(), vault.Root(seen.Size())) {
	case changelog.Shorter:
		found = append(found, Prospect{ReasonRolledBack, fmt.Sprintf(
			"the vault's log has %d entries, and the allowlist has verified %d: the vault's file is older than what the allowlist has seen", vault.Size, seen.Size())})
	case changelog.Diverged:
		found = append(found, Prospect{ReasonRolledBack, fmt.Sprintf(
			"the vault's log does not contain the head with %d entries that the allowlist has verified: the vault's file has another history", seen.Size())})
	case changelog.Unwitnessed, changelog.Extending:
	}
	theirs, known := vault.Witnessed[holder]
	if !known {
		return found, nil
	}
	size, err := changelog.Size(r)
	if err != nil {
		return nil, err
	}
	then, extended, err := own.Extends(r, theirs.Checkpoint, nil)
	switch {
	case errors.Is(err, changelog.ErrForeign):
		found = append(found, Prospect{
			ReasonMismatch,
			"no key of the allowlist's log signed the head that the vault has verified: the allowlist's file is from before a rotation of its keys, or of another allowlist",
		})
	case err != nil:
		return nil, err
	case !extended && size < then.Size:
		found = append(found, Prospect{ReasonMismatch, fmt.Sprintf(
			"the allowlist's log has %d entries, and the vault has verified %d: the allowlist's file is older than what the vault has seen", size, then.Size)})
	case !extended:
		found = append(found, Prospect{ReasonMismatch, fmt.Sprintf(
			"the allowlist's log does not contain the head with %d entries that the vault has verified: the allowlist's file has another history", then.Size)})
	}
	return found, nil
}
