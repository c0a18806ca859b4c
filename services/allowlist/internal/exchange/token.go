package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// lifetime is the time for which an exchange is valid.
	lifetime = 15 * time.Minute
	// tokenFormat is the format of the contents of an exchange.
	tokenFormat = 2
	// tokenUse binds the sealed contents to their use.
	tokenUse = "exchange"
	// maxPart is the maximum length of the key or the IV in an exchange.
	maxPart = 255
)

// An operation is the operation that began an exchange, which determines the one that may end it.
type operation string

const (
	// sealing exchanges begin with Encrypt(REQUEST) and end with Decrypt(RESPONSE).
	sealing operation = "encrypted"
	// opening exchanges begin with Decrypt(REQUEST) and end with Encrypt(RESPONSE).
	opening operation = "decrypted"
)

// A token is the plaintext of an exchange, without the key and the IV of the message. It is sealed
// under a key of the allowlist, so callers can neither read nor create one; see sealing.go.
//
//	exchange = base64url(sealer.Seal(text))
//	text     = format, length of the key, key, length of the IV, IV, JSON of token
//
// The format and the lengths are one byte each. The key and the IV are present if a response needs
// them. They are not part of the JSON, because its encoder leaves copies in memory.
type token struct {
	// Endpoint is the uid of the endpoint.
	Endpoint string    `json:"e"`
	Caller   string    `json:"c"`
	Begun    operation `json:"b"`
	// Versions are the versions of the keys used, by the uid of the secret.
	Versions map[string]uint32 `json:"v,omitempty"`
	// Expires is the end of the exchange in seconds since 1970.
	Expires int64 `json:"x"`
}

// A pin is the data in an exchange about the message that began it.
type pin struct {
	// versions are the versions to use, by the uid of the secret; 0 is the current version.
	versions map[string]uint32
	// exchange is the state of the message for its response; nil without an exchange.
	exchange *payload.Exchange
}

// seal creates the exchange that a message begins.
func (p *Processor) seal(l loaded, caller string, begun operation, message payload.Output) (string, error) {
	rest, err := json.Marshal(token{
		Endpoint: l.endpoint.UID, Caller: caller, Begun: begun,
		Versions: l.versions(message.Used), Expires: p.now().Add(lifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode exchange: %w", err)
	}
	key, iv := message.Exchange.Key, message.Exchange.IV
	if len(key) > maxPart || len(iv) > maxPart {
		return "", errors.New("encode exchange: the key or the IV is too long")
	}
	text := make([]byte, 0, 3+len(key)+len(iv)+len(rest))
	defer func() { clear(text) }()
	text = append(text, tokenFormat, byte(len(key)))
	text = append(append(text, key...), byte(len(iv)))
	text = append(append(text, iv...), rest...)
	sealed, err := p.tokens.seal(text)
	if err != nil {
		return "", fmt.Errorf("seal exchange: %w", err)
	}
	return sealed, nil
}

// open returns the pin of a message's exchange, or the zero pin without an exchange. Op is the
// message's own operation: it ends exchanges that the other operation begins.
func (p *Processor) open(m Message, e endpoint.Endpoint, op operation) (pin, error) {
	if m.Exchange == "" {
		return pin{}, nil
	}
	text, err := p.tokens.open(m.Exchange)
	if err != nil {
		return pin{}, invalid()
	}
	defer clear(text)
	t, left, err := parseToken(text)
	good := err == nil && t.Endpoint == e.UID && t.Caller == m.Caller &&
		t.Begun != op && m.Direction == payload.Response && p.now().Unix() < t.Expires
	if !good {
		return pin{}, invalid()
	}
	return pin{versions: t.Versions, exchange: &payload.Exchange{Key: slices.Clone(left.Key), IV: slices.Clone(left.IV)}}, nil
}

var errToken = errors.New("decode exchange: unknown format")

// parseToken parses the contents of an exchange. The key and the IV in the result alias text.
func parseToken(text []byte) (t token, left payload.Exchange, err error) {
	if len(text) == 0 || text[0] != tokenFormat {
		return t, left, errToken
	}
	rest := text[1:]
	for _, part := range []*[]byte{&left.Key, &left.IV} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return t, left, errToken
		}
		*part, rest = rest[1:1+int(rest[0])], rest[1+int(rest[0]):]
	}
	return t, left, json.Unmarshal(rest, &t)
}

// invalid returns the same error for every problem with an exchange.
func invalid() error {
	return fault.New(fault.InvalidArgument, ReasonInvalid,
		"the exchange is invalid, belongs to another endpoint or caller, or has expired").
		At("exchange", "must be the exchange that the matching request returned, at most 15 minutes ago")
}
