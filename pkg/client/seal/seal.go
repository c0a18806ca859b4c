// Package seal seals values to a public key of the vault, so that no intermediary can read them.
// It uses HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and
// AES-256-GCM.
//
// A sealed value is valid for one secret and one request, for an hour, and once; see SealedValue
// in the contract. Programs that use package client need not call this package: connections of
// client.Dial seal by default.
package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// ErrKey is the error for a string or bytes that are not a public key.
var ErrKey = errors.New("must be an X25519 public key: 32 bytes, or their base64 from GetSealing")

// A Key is a public key of the vault. The zero Key cannot seal values.
type Key struct {
	public hpke.PublicKey
	bytes  [32]byte
}

// NewKey returns the key of an X25519 public key. It fails with [ErrKey].
func NewKey(public []byte) (Key, error) {
	point, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return Key{}, ErrKey
	}
	key, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return Key{}, ErrKey
	}
	return Key{public: key, bytes: [32]byte(public)}, nil
}

// ParseKey parses a key in the format of [Key.String]. It fails with [ErrKey].
func ParseKey(text string) (Key, error) {
	public, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return Key{}, ErrKey
	}
	return NewKey(public)
}

// String returns the key in base64, the format in which a configuration pins it.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

// ID returns the vault's ID of the key: the first 16 characters of its SHA-256 in hexadecimal.
func (k Key) ID() string {
	digest := sha256.Sum256(k.bytes[:])
	return hex.EncodeToString(digest[:8])
}

// A Place is the context to which a sealed value is bound.
type Place struct {
	// Secret is the resource name, `workspaces/{workspace}/secrets/{secret}`.
	Secret string
	// RequestID is the request_id of the request that carries the value.
	RequestID string
	// Time is the current time of the vault's clock. Fractions of a second are ignored.
	Time time.Time
	// Text reports whether the value is text and not bytes.
	Text bool
}

func (p Place) info() []byte {
	kind := "data"
	if p.Text {
		kind = "text"
	}
	return []byte(strings.Join([]string{
		"keyward sealed value v1", p.Secret, p.RequestID, strconv.FormatInt(p.Time.Unix(), 10), kind,
	}, "\n"))
}

// Seal seals a value for a place. It does not retain the value. Sealing the same value again
// returns different bytes.
func (k Key) Seal(value []byte, to Place) (*vaultv1.SealedValue, error) {
	if k.public == nil {
		return nil, fmt.Errorf("seal value: key: %w", ErrKey)
	}
	ciphertext, err := hpke.Seal(k.public, hpke.HKDFSHA256(), hpke.AES256GCM(), to.info(), value)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return &vaultv1.SealedValue{
		KeyId: k.ID(), SealTime: &timestamppb.Timestamp{Seconds: to.Time.Unix()}, Ciphertext: ciphertext, Text: to.Text,
	}, nil
}
