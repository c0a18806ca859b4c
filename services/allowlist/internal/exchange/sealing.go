package exchange

import (
	"encoding/base64"
	"time"

	"github.com/keyward/keyward/pkg/keyring"
)

// encoding is that of tokens.
var encoding = base64.RawURLEncoding.Strict()

// tokens seals and opens the texts of exchanges. Exchanges come at thousands a second, and
// under one key of AES-GCM 2^32 of them are too many; a sealer has no such limit.
//
// What the keyset sealed is opened for one lifetime after a start, so that an upgrade ends
// no exchange that is under way. After that it is refused.
type tokens struct {
	sealer *keyring.Sealer
	keys   *keyring.Keyring
	now    func() time.Time
	// until is when the keyset's are no longer good.
	until time.Time
}

func newTokens(keys *keyring.Keyring, now func() time.Time) (tokens, error) {
	sealer, err := keys.Sealer(tokenUse)
	return tokens{sealer: sealer, keys: keys, now: now, until: now().Add(lifetime)}, err
}

// seal returns the token of a text.
func (t tokens) seal(text []byte) (string, error) {
	sealed, err := t.sealer.Seal(text, nil)
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(sealed), nil
}

// open returns the text of a token, which is the caller's to zero.
func (t tokens) open(token string) ([]byte, error) {
	sealed, err := encoding.DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	text, err := t.sealer.Open(sealed, nil)
	if err != nil && t.now().Before(t.until) {
		return t.keys.Open(sealed, []byte(tokenUse))
	}
	return text, err
}
