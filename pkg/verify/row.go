package verify

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/keyward/keyward/pkg/kv"
)

// shared are the spaces of the packages that both services use, with what their rows are.
var shared = map[string]string{
	"audit": "the position of the background comparison", "keyring": "the keyring",
	"replay": "a repeated request", "replay-expiry": "the expiry of a repeated request",
	"witness": "the head of another program's log", "la": "a listing of the change log by workspace",
	"lb": "a listing of the change log", "le": "an entry of the change log", "lh": "the head of the change log",
	"lk": "the successions of the keys of the change log",
}

// row names the row with a key.
func (s Service) row(key []byte) (row Difference, known bool) {
	if row, known := s.Row(key); known {
		return row, true
	}
	space, rest, err := kv.CutText(key)
	if err != nil {
		return Difference{"row", fmt.Sprintf("%q", key)}, false
	}
	row = RowOf(space, rest, shared[space])
	if row.What == "" && isListing(rest) {
		row.What = shared["lb"]
	}
	return row, row.What != ""
}

// RowOf names a row that is not that of a resource, by its space and the rest of its key.
func RowOf(space string, rest []byte, what string) Difference {
	name := "row " + space
	if text := Text(rest); text != "" {
		name += " " + text
	}
	return Difference{name, what}
}

// isListing reports whether a key in the space of a resource is that of a listing of the change log.
func isListing(key []byte) bool {
	for range 2 { // the workspace and the ID
		_, rest, err := kv.CutText(key)
		if err != nil {
			return false
		}
		key = rest
	}
	return len(key) == 9 && key[0] == 'l'
}

// Text returns the strings at the front of a key for people, and its rest in hexadecimal.
func Text(key []byte) string {
	var parts []string
	for len(key) > 0 {
		text, rest, err := kv.CutText(key)
		if err != nil {
			text, rest = string(key), nil
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			text = fmt.Sprintf("%x", bytes.TrimRight(key, "\x00"))
			rest = nil
		}
		parts, key = append(parts, text), rest
	}
	return strings.Join(parts, " ")
}
