package secret

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/slab"
)

// The key space, which package stored documents.
const (
	spaceSecret   = "s"
	spaceByUpdate = "lc" // keys that grow; see [kv.Growing]
	spaceEqual    = "e"
	spaceSealing  = "w"
	spaceGarbage  = "g"
	spaceDeleted  = "d"
	spaceOutdated = "o"
	spaceKept     = "k"
)

// secretStrings is the number of strings in the key of a secret, with which the keys of its other
// rows start.
const secretStrings = 3

// A kind is a kind of rows of an incarnation. Package changelog uses the letter l.
type kind byte

const (
	kindVersion  kind = 'v'
	kindBinding  kind = 'b'
	kindReferrer kind = 'r'
	kindHost     kind = 'h'
	kindPinned   kind = 'p'
	kindNonces   kind = 'n'
	kindUses     kind = 'c'
)

// kinds are all kinds.
var kinds = [...]kind{kindVersion, kindBinding, kindReferrer, kindHost, kindPinned, kindNonces, kindUses}

// A row is a key and the name under which entries of the log list its value.
type row struct {
	key kv.Key
	ref string
}

// uidSize is the length of a uid in keys and records.
const (
	uidSize     = 16
	uidTextSize = 26
)

// uidText is the encoding of uids outside of the store.
var uidText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// errKey is an internal error: the store has keys of this package only.
var errKey = errors.New("malformed key")

// rawUID returns the bytes of a uid. Those of a malformed uid are zero, which no uid is.
func rawUID(uid string) (raw [uidSize]byte) {
	if len(uid) != uidTextSize {
		return raw
	}
	var text [uidTextSize]byte
	copy(text[:], uid)
	if _, err := uidText.Decode(raw[:], text[:]); err != nil {
		clear(raw[:])
	}
	return raw
}

// textOf returns the text of a uid of a secret or a version.
func textOf(raw []byte) string {
	if uidText.EncodedLen(len(raw)) > 2*uidTextSize {
		return ""
	}
	return string(appendUID(make([]byte, 0, 2*uidTextSize), raw))
}

func appendUID(to, raw []byte) []byte { return uidText.AppendEncode(to, raw) }

// ofUID starts a key of an incarnation of a name.
func ofUID(k kind, n Name, uid string) kv.Key {
	raw := rawUID(uid)
	key := make(kv.Key, 0, len(spaceSecret)+len(n.Workspace)+len(n.ID)+4+uidSize+numberSize)
	return append(append(appendSecretKey(key, n), byte(k)), raw[:]...)
}

// numberSize is the length of the number of a version in keys.
const numberSize = 4

// numberedKey returns a key of an incarnation that ends with a number.
func numberedKey(k kind, n Name, uid string, number uint32) kv.Key {
	return binary.BigEndian.AppendUint32(ofUID(k, n, uid), number)
}

// lastNumber returns the number at the end of a key of an incarnation.
func lastNumber(key []byte, prefix kv.Key) (uint32, error) {
	if len(key) != len(prefix)+numberSize {
		return 0, errKey
	}
	return binary.BigEndian.Uint32(key[len(prefix):]), nil
}

// perUID returns the prefixes of all keys of an incarnation.
func perUID(n Name, uid string) []kv.Key {
	prefixes := make([]kv.Key, len(kinds))
	for i, k := range kinds {
		prefixes[i] = ofUID(k, n, uid)
	}
	return prefixes
}

func secretsKey(workspace string) kv.Key { return kv.NewKey(spaceSecret).Text(workspace) }

// secretKey returns the key of a secret, which is that of [resource.Key].
func secretKey(n Name) kv.Key {
	return appendSecretKey(make(kv.Key, 0, len(spaceSecret)+len(n.Workspace)+len(n.ID)+3), n)
}

func appendSecretKey(key kv.Key, n Name) kv.Key {
	key = append(append(append(key, spaceSecret+"\x00"...), n.Workspace...), 0) // well-formed IDs need no escapes
	return append(append(key, n.ID...), 0)
}

func secretRow(n Name) row { return row{key: secretKey(n)} }

func updatesKey(workspace string) kv.Key { return kv.NewKey(spaceByUpdate).Text(workspace) }

func updateKey(n Name, at time.Time) kv.Key {
	return updatesKey(n.Workspace).Uint(uint64(at.UnixNano())).Text(n.ID)
}

// updateOf returns the name and the time in a key by update time.
func updateOf(key []byte) (n Name, at uint64, err error) {
	var rest []byte
	if n.Workspace, rest, err = kv.CutText(key[len(spaceByUpdate)+1:]); err != nil {
		return n, 0, err
	}
	if at, rest, err = kv.CutUint(rest); err != nil {
		return n, 0, err
	}
	n.ID, _, err = kv.CutText(rest)
	return n, at, err
}

// outdatedKey is the key of the number of changes after which to remove all outdated rows.
func outdatedKey() kv.Key { return kv.NewKey(spaceOutdated) }

// keptKey is the key of a secret that keeps a number of versions.
func keptKey(n Name) kv.Key { return kv.NewKey(spaceKept).Text(n.Workspace).Text(n.ID) }

func versionsKey(n Name, uid string) kv.Key { return ofUID(kindVersion, n, uid) }

func versionKey(n Name, uid string, number uint32) kv.Key {
	return numberedKey(kindVersion, n, uid, number)
}

func versionRow(n Name, uid string, number uint32) row {
	return numberedRow(kindVersion, n, uid, number)
}

func numberedRow(k kind, n Name, uid string, number uint32) row {
	return row{numberedKey(k, n, uid, number), string(k) + strconv.FormatUint(uint64(number), 10)}
}

func bindingsKey(n Name, uid string) kv.Key { return ofUID(kindBinding, n, uid) }

// textRow is the row of an incarnation whose key ends with strings.
func textRow(k kind, n Name, uid string, parts ...string) row {
	rest := kv.Key(nil)
	for _, part := range parts {
		rest = rest.Text(part)
	}
	return row{append(ofUID(k, n, uid), rest...), string(k) + string(rest)}
}

func bindingRow(b Binding) row { return textRow(kindBinding, b.Name, b.UID, b.Holder, b.Operation) }

func referrersKey(n Name, uid string) kv.Key { return ofUID(kindReferrer, n, uid) }

func referrerRow(b Binding) row { return textRow(kindReferrer, b.Name, b.UID, b.Referrer) }

func hostKey(n Name, uid, host string) kv.Key { return ofUID(kindHost, n, uid).Text(host) }

func hostRow(b Binding) row {
	return textRow(kindHost, b.Name, b.UID, b.destination(), b.Referrer)
}

func pinnedRow(n Name, uid string, number uint32) row {
	return numberedRow(kindPinned, n, uid, number)
}

func noncesKey(n Name, uid string, number uint32) kv.Key {
	return numberedKey(kindNonces, n, uid, number)
}

func allUsesKey(n Name, uid string) kv.Key { return ofUID(kindUses, n, uid) }

func usesKey(n Name, uid string, number uint32) kv.Key { return numberedKey(kindUses, n, uid, number) }

func equalsKey(workspace string, p Print) kv.Key {
	return append(kv.NewKey(spaceEqual).Text(workspace), p[:]...)
}

func equalKey(workspace string, p Print, uid string) kv.Key {
	raw := rawUID(uid)
	return append(equalsKey(workspace, p), raw[:]...)
}

func sealingRow(workspace string) row { return row{key: kv.NewKey(spaceSealing).Text(workspace)} }

func garbageKey(n Name, uid string) kv.Key {
	raw := rawUID(uid)
	return append(kv.NewKey(spaceGarbage).Text(n.Workspace).Text(n.ID), raw[:]...)
}

// deletedKey is the key of a time at which to look at a deleted secret.
func deletedKey(n Name, uid string, at time.Time) kv.Key {
	raw := rawUID(uid)
	return append(kv.NewKey(spaceDeleted).Uint(uint64(at.UnixNano())).Text(n.Workspace).Text(n.ID), raw[:]...)
}

// deletedOf returns the incarnation and the time in a key of a deleted secret.
func deletedOf(key []byte) (n Name, uid string, at uint64, err error) {
	at, rest, err := kv.CutUint(key[len(spaceDeleted)+1:])
	if err != nil {
		return n, "", 0, err
	}
	if n.Workspace, rest, err = kv.CutText(rest); err != nil {
		return n, "", 0, err
	}
	if n.ID, rest, err = kv.CutText(rest); err == nil && len(rest) != uidSize {
		err = errKey
	}
	return n, textOf(rest), at, err
}

// garbageOf returns the incarnation in a key of garbage.
func garbageOf(key []byte) (n Name, uid string, err error) {
	n, rest, err := cutName(key, spaceGarbage)
	if err == nil && len(rest) != uidSize {
		err = errKey
	}
	return n, textOf(rest), err
}

// cutName splits a name off the front of a key of a space.
func cutName(key []byte, space string) (n Name, rest []byte, err error) {
	n.Workspace, rest, err = kv.CutText(key[len(space)+1:])
	if err == nil {
		n.ID, rest, err = kv.CutText(rest)
	}
	return n, rest, err
}

// lastText returns the last element of a key that consists of prefix and one string.
func lastText(key []byte, prefix kv.Key) (string, error) {
	text, _, err := kv.CutText(key[len(prefix):])
	return text, err
}

// lastID is lastText for the ID of a secret, which needs no escapes.
func lastID(key []byte, prefix kv.Key, texts *slab.Strings) (string, error) {
	end := len(key) - 1
	if end <= len(prefix) || key[end] != 0 {
		return "", errKey
	}
	return texts.Of(key[len(prefix):end]), nil
}

// lastUID returns the uid at the end of a key that consists of prefix and a uid.
func lastUID(key []byte, prefix kv.Key) (string, error) {
	if len(key) != len(prefix)+uidSize {
		return "", errKey
	}
	return textOf(key[len(prefix):]), nil
}

// allSecrets returns the range of the secrets with keys that start with prefix. The scan yields the
// names of deleted secrets without a value, because the listings of their entries remain.
func allSecrets(prefix kv.Key, limit int) kv.Range {
	all := kv.Prefix(prefix, limit)
	all.Group = secretStrings
	return all
}
