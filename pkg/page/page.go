// Package page creates page tokens that reveal nothing and cannot be changed.
//
// A token is the position at which a list continues, encrypted with a key of the service and bound
// to the caller and the request. A token of another caller or request, a changed token, and a
// token that is older than a day all fail with INVALID_PAGE_TOKEN, without a more specific cause.
package page

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/fault"
)

const (
	// DefaultSize is the default page size.
	DefaultSize = 50
	// MaxSize is the maximum page size.
	MaxSize = 1000
	// MaxAge is the validity period of a token.
	MaxAge = 24 * time.Hour
)

// Size returns the page size for a requested one.
func Size(requested int32) int {
	if requested <= 0 {
		return DefaultSize
	}
	return min(int(requested), MaxSize)
}

// A Sealer creates and opens page tokens. It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	now  func() time.Time
}

// NewSealer returns a sealer with a key. Tokens remain valid across replicas and restarts that use
// the same key.
func NewSealer(key [32]byte, now func() time.Time) (*Sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("page key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("page key: %w", err)
	}
	return &Sealer{aead: aead, now: now}, nil
}

// A Binding is the caller and the request, without its page token and page size, to which a token
// is bound.
type Binding []byte

// Bind returns the binding of a list request. req must be a copy whose page_token and page_size
// are cleared.
func Bind(caller string, req proto.Message) (Binding, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("bind page token: %w", err)
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(caller), []byte(req.ProtoReflect().Descriptor().FullName()), text} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(nil), nil
}

// A ListRequest is a request for a page. All list requests of the API have this form.
type ListRequest interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

// Request opens the page token of a caller's list request. Seal creates the next token from a
// cursor.
func (s *Sealer) Request(caller string, req ListRequest) (cursor []byte, seal func(cursor []byte) string, err error) {
	whole := proto.Clone(req)
	m := whole.ProtoReflect()
	for _, name := range []protoreflect.Name{"page_size", "page_token"} {
		m.Clear(m.Descriptor().Fields().ByName(name))
	}
	binding, err := Bind(caller, whole)
	if err != nil {
		return nil, nil, err
	}
	cursor, err = s.Open(req.GetPageToken(), binding)
	if err != nil {
		return nil, nil, err
	}
	return cursor, func(next []byte) string { return s.Seal(next, binding) }, nil
}

// Seal returns the token for a cursor. An empty cursor returns the empty token, which ends a list.
func (s *Sealer) Seal(cursor []byte, b Binding) string {
	if len(cursor) == 0 {
		return ""
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(cursor)), uint64(s.now().Unix()))
	sealed := s.aead.Seal(nil, nil, append(plain, cursor...), b) //nolint:gosec // this cipher makes a random nonce itself
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// Open returns the cursor of a token. The empty token returns nil, the start of the list.
func (s *Sealer) Open(token string, b Binding) ([]byte, error) {
	if token == "" {
		return nil, nil
	}
	if strings.ContainsAny(token, "\r\n") { // the decoder would skip them
		return nil, invalid()
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, invalid()
	}
	plain, err := s.aead.Open(nil, nil, sealed, b)
	if err != nil || len(plain) < 8 {
		return nil, invalid()
	}
	age := s.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(plain)), 0))
	if age > MaxAge || age < -time.Minute {
		return nil, invalid()
	}
	return plain[8:], nil
}

func invalid() error {
	return fault.New(fault.InvalidArgument, fault.InvalidPageToken,
		"the page token is not valid for this request; start at the first page").
		At("page_token", "must be the next_page_token of the same request and caller, at most a day old")
}
