package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// lifetime is the time for which an exchange is valid.
	lifetime = 15 * time.Minute
	// tokenFormat is the format of the contents of an exchange.
	tokenFormat = 3
	// tokenUse binds the sealed contents to their use.
	tokenUse = "exchange"
)

// An operation is the operation that began an exchange, which determines the one that may end it.
type operation string

const (
	// sealing exchanges begin with Encrypt(REQUEST) and end with Decrypt(RESPONSE).
	sealing operation = "encrypted"
	// opening exchanges begin with Decrypt(REQUEST) and end with Encrypt(RESPONSE).
	opening operation = "decrypted"
)

// A token is the plaintext of an exchange. It is sealed under a key of the allowlist, so callers
// can neither read nor create one; see sealing.go.
//
//	exchange = base64url(sealer.Seal(contents))
//	contents = format, key, IV, endpoint, caller, operation, expiry, {uid, version}
//
// The format is one byte. Strings follow their lengths. Lengths and the other numbers are varints.
// The contents of earlier releases are in legacytoken.go.
type token struct {
	// left is the state of the message for its response: the key and the IV, if the response needs
	// them.
	left payload.Exchange
	// endpoint is the uid of the endpoint.
	endpoint string
	caller   string
	begun    operation
	// expires is the end of the exchange in seconds since 1970.
	expires  int64
	versions pinned
}

// A pinned holds the versions that a response uses. Version 0 is the current version.
type pinned []pinnedVersion

type pinnedVersion struct {
	uid     string // of the secret
	version uint32
}

// find returns the place of a secret, or -1.
func (p pinned) find(uid string) int {
	return slices.IndexFunc(p, func(v pinnedVersion) bool { return v.uid == uid })
}

// of returns the version of a secret, or 0.
func (p pinned) of(uid string) uint32 {
	if i := p.find(uid); i >= 0 {
		return p[i].version
	}
	return 0
}

// A pin is the data in an exchange about the message that began it.
type pin struct {
	versions pinned
	// exchange is the state of the message for its response; nil without an exchange.
	exchange *payload.Exchange
}

// seal creates the exchange that a message begins.
func (p *Processor) seal(l loaded, caller string, begun operation, message payload.Output) (string, error) {
	text := token{
		left: message.Exchange, endpoint: l.endpoint.UID, caller: caller, begun: begun,
		expires: p.now().Add(lifetime).Unix(), versions: l.versions(message.Used),
	}.marshal()
	defer clear(text)
	sealed, err := p.tokens.seal(text)
	if err != nil {
		return "", fmt.Errorf("seal exchange: %w", err)
	}
	return sealed, nil
}

// open returns the pin of a message's exchange, or the zero pin without an exchange. Op is the
// message's own operation: it ends exchanges that the other operation begins.
func (p *Processor) open(m Message, endpoint string, op operation) (pin, error) {
	if m.Exchange == "" {
		return pin{}, nil
	}
	text, err := p.tokens.open(m.Exchange)
	if err != nil {
		return pin{}, invalid()
	}
	defer clear(text)
	t, err := parseToken(text)
	good := err == nil && t.endpoint == endpoint && t.caller == m.Caller &&
		t.begun != op && m.Direction == payload.Response && p.now().Unix() < t.expires
	if !good {
		return pin{}, invalid()
	}
	return pin{versions: t.versions, exchange: &payload.Exchange{Key: slices.Clone(t.left.Key), IV: slices.Clone(t.left.IV)}}, nil
}

// marshal returns the contents of the token. It allocates once, so that no part of a key remains
// in the memory of a growing slice.
func (t token) marshal() []byte {
	size := 1 + len(t.left.Key) + len(t.left.IV) + len(t.endpoint) + len(t.caller) + len(t.begun) + 6*binary.MaxVarintLen64
	for _, v := range t.versions {
		size += len(v.uid) + 2*binary.MaxVarintLen64
	}
	text := append(make([]byte, 0, size), tokenFormat)
	text = appendPart(appendPart(text, t.left.Key), t.left.IV)
	text = appendPart(appendPart(appendPart(text, t.endpoint), t.caller), t.begun)
	text = binary.AppendVarint(text, t.expires)
	for _, v := range t.versions {
		text = binary.AppendUvarint(appendPart(text, v.uid), uint64(v.version))
	}
	return text
}

func appendPart[S ~string | ~[]byte](text []byte, part S) []byte {
	return append(binary.AppendUvarint(text, uint64(len(part))), part...)
}

var errToken = errors.New("decode exchange: unknown format")

// parseToken parses the contents of a token. The key and the IV in the result alias text.
func parseToken(text []byte) (token, error) {
	if len(text) > 0 && text[0] == legacyFormat {
		return parseLegacyToken(text)
	}
	if len(text) == 0 || text[0] != tokenFormat {
		return token{}, errToken
	}
	r := tokenReader{rest: text[1:]}
	t := token{left: payload.Exchange{Key: r.part(), IV: r.part()}}
	t.endpoint, t.caller, t.begun = string(r.part()), string(r.part()), operation(r.part())
	t.expires = r.varint()
	for !r.failed && len(r.rest) > 0 {
		t.versions = append(t.versions, pinnedVersion{uid: string(r.part()), version: uint32(r.uvarint())})
	}
	if r.failed {
		return token{}, errToken
	}
	return t, nil
}

// A tokenReader reads the contents of a token. After a failure, all results are zero.
type tokenReader struct {
	rest   []byte
	failed bool
}

func (r *tokenReader) part() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}

func (r *tokenReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *tokenReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

// skip skips a number of n bytes, which is not positive after a failure.
func (r *tokenReader) skip(n int) {
	if n <= 0 {
		r.failed, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

// invalid returns the same error for every problem with an exchange.
func invalid() error {
	return fault.New(fault.InvalidArgument, ReasonInvalid,
		"the exchange is invalid, belongs to another endpoint or caller, or has expired").
		At("exchange", "must be the exchange that the matching request returned, at most 15 minutes ago")
}
