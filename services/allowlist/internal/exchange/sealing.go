package exchange

import (
	"encoding/base64"
	"time"

	"github.com/keyward/keyward/pkg/keyring"
)

// encoding is the encoding of tokens.
var encoding = base64.RawURLEncoding.Strict()

// tokens seals and opens the contents of exchanges. Thousands of exchanges are sealed each second,
// and one key of AES-GCM must not seal 2^32 of them; a sealer has no such limit.
//
// Tokens that the keyset sealed are accepted for one lifetime after a start, so that an upgrade
// does not end exchanges in progress. After that, they are refused.
type tokens struct {
	sealer *keyring.Sealer
	keys   *keyring.Keyring
	now    func() time.Time
	// until is the time when tokens of the keyset become invalid.
	until time.Time
}

func newTokens(keys *keyring.Keyring, now func() time.Time) (tokens, error) {
	sealer, err := keys.Sealer(tokenUse)
	return tokens{sealer: sealer, keys: keys, now: now, until: now().Add(lifetime)}, err
}

// seal returns the token with these contents.
func (t tokens) seal(text []byte) (string, error) {
	sealed, err := t.sealer.Seal(text, nil)
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(sealed), nil
}

// open returns the contents of a token. The caller zeroes them.
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
