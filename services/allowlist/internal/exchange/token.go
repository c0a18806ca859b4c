package exchange

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// lifetime is how long an exchange is good.
	lifetime = 15 * time.Minute
	// tokenFormat is the format of what is sealed in an exchange.
	tokenFormat = 1
	// tokenUse binds the sealed text to its use.
	tokenUse = "exchange"
)

// A use says which message began an exchange, and so which may end it.
type use string

const (
	// opening is an exchange that Encrypt(REQUEST) begins and Decrypt(RESPONSE) ends.
	opening use = "encrypted"
	// sealing is an exchange that Decrypt(REQUEST) begins and Encrypt(RESPONSE) ends.
	sealing use = "decrypted"
)

// A token is an exchange in the clear. It is sealed under the allowlist's keyset,
// so a caller neither reads nor makes one.
//
//	exchange = base64url(keyset.Seal(JSON of token, bound to "exchange"))
type token struct {
	Format int `json:"f"`
	// Endpoint is the uid of the endpoint.
	Endpoint string `json:"e"`
	Caller   string `json:"c"`
	Begun    use    `json:"b"`
	// Versions are the versions of the keys used, by the uid of the secret.
	Versions map[string]uint32 `json:"v,omitempty"`
	// Expires is in seconds since 1970.
	Expires int64 `json:"x"`
}

// seal makes the exchange that a message begins.
func (s *Server) seal(l loaded, caller string, begun use) (string, error) {
	text, err := json.Marshal(token{
		Format: tokenFormat, Endpoint: l.endpoint.UID, Caller: caller, Begun: begun,
		Versions: l.versions, Expires: s.now().Add(lifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode exchange: %w", err)
	}
	sealed, err := s.keys.Seal(text, []byte(tokenUse))
	if err != nil {
		return "", fmt.Errorf("seal exchange: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open returns the versions that the exchange of a message pins; none without an
// exchange. Ours is the message's own use: it ends what the other one begins.
func (s *Server) open(m Message, e endpoint.Endpoint, ours use) (map[string]uint32, error) {
	if m.Exchange == "" {
		return nil, nil
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(m.Exchange)
	if err != nil {
		return nil, invalid()
	}
	text, err := s.keys.Open(sealed, []byte(tokenUse))
	if err != nil {
		return nil, invalid()
	}
	var t token
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, invalid()
	}
	good := t.Format == tokenFormat && t.Endpoint == e.UID && t.Caller == m.Caller &&
		t.Begun != ours && m.Direction == payload.Response && s.now().Unix() < t.Expires
	if !good {
		return nil, invalid()
	}
	return t.Versions, nil
}

// invalid is one answer for all that can be wrong with an exchange.
func invalid() error {
	return fault.New(fault.InvalidArgument, ReasonInvalid,
		"the exchange is not one of ours, is of another endpoint or caller, or has expired").
		At("exchange", "must be what the matching request returned, at most 15 minutes ago")
}
