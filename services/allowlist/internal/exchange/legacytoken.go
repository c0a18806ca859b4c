package exchange

import (
	"encoding/json"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// legacyFormat is the format of the tokens of earlier releases. They are accepted, so that an
// upgrade does not end exchanges in progress.
//
//	contents = format, length of the key, key, length of the IV, IV, JSON of legacyToken
//
// The format and the lengths are one byte each.
const legacyFormat = 2

type legacyToken struct {
	Endpoint string            `json:"e"`
	Caller   string            `json:"c"`
	Begun    operation         `json:"b"`
	Versions map[string]uint32 `json:"v,omitempty"`
	Expires  int64             `json:"x"`
}

// parseLegacyToken parses the contents of a token of an earlier release.
func parseLegacyToken(text []byte) (token, error) {
	var left payload.Exchange
	rest := text[1:]
	for _, part := range []*[]byte{&left.Key, &left.IV} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return token{}, errToken
		}
		*part, rest = rest[1:1+int(rest[0])], rest[1+int(rest[0]):]
	}
	var old legacyToken
	if err := json.Unmarshal(rest, &old); err != nil {
		return token{}, errToken
	}
	t := token{left: left, endpoint: old.Endpoint, caller: old.Caller, begun: old.Begun, expires: old.Expires}
	for uid, version := range old.Versions {
		t.versions = append(t.versions, pinnedVersion{uid, version})
	}
	return t, nil
}
