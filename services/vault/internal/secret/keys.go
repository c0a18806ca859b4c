package secret

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space, which package stored documents.
const (
	spaceSecret   = "s"
	spaceByUpdate = "u"
	spaceVersion  = "v"
	spaceBinding  = "b"
	spaceReferrer = "r"
	spaceHost     = "h"
	spacePinned   = "p"
	spaceNonces   = "n"
	spaceUses     = "c"
	spaceEqual    = "e"
	spaceSealing  = "w"
	spaceGarbage  = "g"
)

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
	var text [2 * uidTextSize]byte
	size := uidText.EncodedLen(len(raw))
	if size > len(text) {
		return ""
	}
	uidText.Encode(text[:size], raw)
	return string(text[:size])
}

// ofUID starts a key of an incarnation.
func ofUID(space, uid string) kv.Key {
	raw := rawUID(uid)
	key := make(kv.Key, 0, len(space)+1+uidSize)
	return append(append(append(key, space...), 0), raw[:]...)
}

// numberedKey returns a key of an incarnation that ends with a number.
func numberedKey(space, uid string, number uint32) kv.Key {
	raw := rawUID(uid)
	key := make(kv.Key, 0, len(space)+1+uidSize+8)
	key = append(append(append(key, space...), 0), raw[:]...)
	return binary.BigEndian.AppendUint64(key, uint64(number))
}

// perUID returns the prefixes of all keys of a uid.
func perUID(uid string) []kv.Key {
	spaces := []string{spaceVersion, spaceBinding, spaceReferrer, spaceHost, spacePinned, spaceNonces, spaceUses}
	prefixes := make([]kv.Key, len(spaces))
	for i, space := range spaces {
		prefixes[i] = ofUID(space, uid)
	}
	return prefixes
}

func secretsKey(workspace string) kv.Key { return kv.NewKey(spaceSecret).Text(workspace) }

func secretKey(n Name) kv.Key {
	key := make(kv.Key, 0, len(spaceSecret)+len(n.Workspace)+len(n.ID)+3)
	return append(key, spaceSecret+"\x00"+n.Workspace+"\x00"+n.ID+"\x00"...) // well-formed IDs need no escapes
}

func secretRow(n Name) row { return row{key: secretKey(n)} }

func updatesKey(workspace string) kv.Key { return kv.NewKey(spaceByUpdate).Text(workspace) }

func updateKey(n Name, at time.Time) kv.Key {
	return updatesKey(n.Workspace).Uint(uint64(at.UnixNano())).Text(n.ID)
}

func versionsKey(uid string) kv.Key { return ofUID(spaceVersion, uid) }

func versionKey(uid string, number uint32) kv.Key { return numberedKey(spaceVersion, uid, number) }

func versionRow(uid string, number uint32) row { return numberedRow(spaceVersion, uid, number) }

func numberedRow(space, uid string, number uint32) row {
	return row{numberedKey(space, uid, number), space + strconv.FormatUint(uint64(number), 10)}
}

func bindingsKey(uid string) kv.Key { return ofUID(spaceBinding, uid) }

// textRow is the row of an incarnation whose key ends with strings.
func textRow(space, uid string, parts ...string) row {
	rest := kv.Key(nil)
	for _, part := range parts {
		rest = rest.Text(part)
	}
	return row{append(ofUID(space, uid), rest...), space + string(rest)}
}

func bindingRow(b Binding) row { return textRow(spaceBinding, b.UID, b.Holder, b.Operation) }

func referrersKey(uid string) kv.Key { return ofUID(spaceReferrer, uid) }

func referrerRow(uid, referrer string) row { return textRow(spaceReferrer, uid, referrer) }

func hostKey(uid, host string) kv.Key { return ofUID(spaceHost, uid).Text(host) }

func hostRow(uid, host, referrer string) row { return textRow(spaceHost, uid, host, referrer) }

func pinnedRow(uid string, number uint32) row { return numberedRow(spacePinned, uid, number) }

func noncesKey(uid string, number uint32) kv.Key { return numberedKey(spaceNonces, uid, number) }

func allUsesKey(uid string) kv.Key { return ofUID(spaceUses, uid) }

func usesKey(uid string, number uint32) kv.Key { return numberedKey(spaceUses, uid, number) }

func equalsKey(workspace string, p Print) kv.Key {
	return append(kv.NewKey(spaceEqual).Text(workspace), p[:]...)
}

func equalKey(workspace string, p Print, uid string) kv.Key {
	raw := rawUID(uid)
	return append(equalsKey(workspace, p), raw[:]...)
}

func sealingRow(workspace string) row { return row{key: kv.NewKey(spaceSealing).Text(workspace)} }

func garbageKey(uid string) kv.Key { return ofUID(spaceGarbage, uid) }

// lastText returns the last element of a key that consists of prefix and one string.
func lastText(key []byte, prefix kv.Key) (string, error) {
	text, _, err := kv.CutText(key[len(prefix):])
	return text, err
}

// lastUID returns the uid at the end of a key that consists of prefix and a uid.
func lastUID(key []byte, prefix kv.Key) (string, error) {
	if len(key) != len(prefix)+uidSize {
		return "", errKey
	}
	return textOf(key[len(prefix):]), nil
}

// behind narrows a range to the keys after the last one that was seen.
func behind(all kv.Range, seen []byte) kv.Range {
	switch {
	case len(seen) == 0:
	case all.Reverse:
		all.End = seen
	default:
		all.Start = append(append([]byte(nil), seen...), 0)
	}
	return all
}
