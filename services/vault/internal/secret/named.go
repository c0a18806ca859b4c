package secret

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
)

// RowOf names the row with a key, for [verify.Service].
func RowOf(key []byte) (verify.Difference, bool) {
	space, rest, err := kv.CutText(key)
	if err != nil {
		return verify.Difference{}, false
	}
	if space == spaceSecret {
		return rowOfSecret(key)
	}
	row := verify.RowOf(space, rest, "")
	var name Name
	switch space {
	case spaceByUpdate:
		name, _, err = updateOf(key)
		row.What = "the row by update time"
	case spaceEqual:
		row.What = "a fingerprint of a value"
	case spaceSealing:
		if name.Workspace, _, err = kv.CutText(rest); err == nil {
			return verify.Difference{Name: SealingName(name.Workspace), What: "the setting of the workspace"}, true
		}
	case spaceGarbage:
		name, _, err = garbageOf(key)
		row.What = "a pending deletion of rows"
	case spaceDeleted:
		name, _, _, err = deletedOf(key)
		row.What = "the purge time"
	case spaceKept:
		name, _, err = cutName(key, spaceKept)
		row.What = "the row of kept versions"
	case spaceOutdated:
		row.What = "the schedule for outdated rows"
	case "rewrap": // of package rewrap
		row.What = "the state of the last rewrap"
	case "epoch", "restore": // of package restore
		row.What = "the last restore"
	case "sealing-key": // of package sealing
		row.What = "a key pair for sealed values"
	default:
		return verify.Difference{}, false
	}
	if name.ID != "" {
		row.Name = name.String()
	}
	return row, err == nil
}

// rowOfSecret names a row whose key starts with that of a secret.
func rowOfSecret(key []byte) (verify.Difference, bool) {
	name, rest, err := cutName(key, spaceSecret)
	if err != nil {
		return verify.Difference{}, false
	}
	row := verify.Difference{Name: name.String(), What: "the secret"}
	if len(rest) == 0 {
		return row, true
	}
	if rest[0] == 'l' { // of package changelog
		row.What = "a listing of the change log"
		return row, true
	}
	k := kind(rest[0])
	if !slices.Contains(kinds[:], k) || len(rest) < 1+uidSize {
		return row, false
	}
	text := string(rest[1+uidSize:])
	if k.numbered() || k == kindNonces || k == kindUses {
		if len(text) != numberSize {
			return row, false
		}
		number, err := lastNumber(key, ofUID(k, name, textOf(rest[1:1+uidSize])))
		if err != nil {
			return row, false
		}
		text = strconv.FormatUint(uint64(number), 10)
	}
	row.What = RefOf(string(k) + text)
	return row, true
}

// RefOf says what the row of a secret with a ref is, for [verify.Service].
func RefOf(ref string) string {
	if ref == "" {
		return "the secret"
	}
	about := verify.Text([]byte(ref[1:]))
	switch kind(ref[0]) {
	case kindVersion:
		return "version " + about
	case kindBinding:
		return "the binding of " + about
	case kindReferrer:
		return "the count of bindings of " + about
	case kindHost:
		return "the count of bindings to " + about
	case kindPinned:
		return "the count of bindings to version " + about
	case kindNonces:
		return "the nonce ledger of version " + about
	case kindUses:
		return "the uses of version " + about
	}
	return fmt.Sprintf("row %q", ref)
}
