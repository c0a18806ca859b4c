package secret

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/verify"
)

// otherSpaces are the spaces of other packages in the same store, with what their rows are.
var otherSpaces = map[string]string{
	"audit": "the position of the comparison in the background", "keyring": "the keyring",
	"replay": "a repeated request", "replay-expiry": "the expiry of a repeated request", "rewrap": "the state of the last rewrap",
	"sealing-key": "a pair of keys for sealed values", "witness": "the head of another program's log",
	"la": "a listing of the change log by workspace", "lb": "a listing of the change log", "le": "an entry of the change log",
	"lh": "the head of the change log", "lk": "the successions of the keys of the change log",
}

// RowOf names the row with a key, for [verify.Service].
func RowOf(key []byte) (verify.Finding, bool) {
	space, rest, err := kv.CutText(key)
	if err != nil {
		return verify.Finding{}, false
	}
	if space == spaceSecret {
		return rowOfSecret(key)
	}
	row := verify.Finding{Name: strings.TrimSpace(fmt.Sprintf("row of %q %s", space, printable(rest)))}
	if what, known := otherSpaces[space]; known {
		row.What = what
		return row, true
	}
	var name Name
	switch space {
	case spaceByUpdate:
		name, _, err = updateOf(key)
		row.What = "the row by update time"
	case spaceEqual:
		row.What = "a fingerprint of a value"
	case spaceSealing:
		if name.Workspace, _, err = kv.CutText(rest); err == nil {
			return verify.Finding{Name: SealingName(name.Workspace), What: "the setting of the workspace"}, true
		}
	case spaceGarbage:
		name, _, err = garbageOf(key)
		row.What = "the queue of deleted rows"
	case spaceDeleted:
		name, _, _, err = deletedOf(key)
		row.What = "the time of a purge"
	case spaceKept:
		name, _, err = cutName(key, spaceKept)
		row.What = "the row of kept versions"
	case spaceOutdated:
		row.What = "when to remove outdated rows"
	default:
		return verify.Finding{}, false
	}
	if name.ID != "" {
		row.Name = name.String()
	}
	return row, err == nil
}

// rowOfSecret names a row whose key starts with that of a secret.
func rowOfSecret(key []byte) (verify.Finding, bool) {
	name, rest, err := cutName(key, spaceSecret)
	if err != nil {
		return verify.Finding{}, false
	}
	row := verify.Finding{Name: name.String(), What: "the secret"}
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
	about := printable([]byte(ref[1:]))
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

// printable returns the strings at the front of a key, and its rest in hexadecimal.
func printable(key []byte) string {
	var parts []string
	for len(key) > 0 {
		text, rest, err := kv.CutText(key)
		if err != nil || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			if bytes.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
				parts = append(parts, fmt.Sprintf("%x", key))
			} else {
				parts = append(parts, string(key))
			}
			break
		}
		parts, key = append(parts, text), rest
	}
	return strings.Join(parts, " ")
}
