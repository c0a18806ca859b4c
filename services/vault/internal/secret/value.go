package secret

import (
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/sealing"
)

// MaxValue is the maximum length of a value in bytes.
const MaxValue = 64 << 10

var (
	errValue = errors.New("must be 1 byte to 64 KiB long")
	errKind  = errors.New("must be a known kind")
)

// A Kind is a kind of generated value.
type Kind int

// The kinds. Records of secrets contain their numbers.
const (
	AES128 Kind = iota + 1
	AES192
	AES256
	HMACSHA256
	HMACSHA512
	Password
	RSA2048
	RSA3072
	RSA4096
	ECP256
	ECP384
	Ed25519
	X25519
)

const (
	passwordLength = 32
	passwordDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// A Value is a value to store: a provided value, or one yet to be generated. The zero Value is no
// value.
type Value struct {
	given sensitive.Bytes
	kind  Kind
	// binary is whether the provided value arrived as bytes, not as text.
	binary bool
	// sealed is the sealed value, or nil if it arrived unsealed. [Store.unseal] opens it.
	sealed *sealing.Sealed
	// weakReason is the reason why the value may be a weak key.
	weakReason string
	// password is the password of the value if it is a PKCS #12 file.
	password sensitive.Bytes
}

// WithPassword returns the value with a password, for a value that is a PKCS #12 file. It takes
// ownership of the password; storing the value overwrites it with zeros.
func (v Value) WithPassword(password []byte) Value {
	v.password = sensitive.New(password)
	return v
}

// Acknowledged returns the value with the reason why it may be a weak key.
func (v Value) Acknowledged(weakReason string) Value {
	v.weakReason = weakReason
	return v
}

// NewBinary is like [NewValue] for a value that is not text.
func NewBinary(b []byte) (Value, error) {
	v, err := NewValue(b)
	v.binary = true
	return v, err
}

// NewValue returns a provided value. It takes ownership of b; storing the value overwrites it with
// zeros.
func NewValue(b []byte) (Value, error) {
	if len(b) == 0 || len(b) > MaxValue {
		return Value{}, errValue
	}
	return Value{given: sensitive.New(b)}, nil
}

// NewSealed returns a value that the store will open.
func NewSealed(sealed sealing.Sealed) Value { return Value{sealed: &sealed} }

// NewRandom returns a value that the store will generate.
func NewRandom(kind Kind) (Value, error) {
	if kind < AES128 || kind > X25519 {
		return Value{}, errKind
	}
	return Value{kind: kind}, nil
}

// Zero overwrites a provided value and its password with zeros. Call it for a change that is
// refused before it is stored.
func (v Value) Zero() {
	v.given.Zero()
	v.password.Zero()
}

// present reports whether v is a value.
func (v Value) present() bool { return v.given.Len() > 0 || v.kind != 0 || v.sealed != nil }

// asymmetric reports whether the value is a private key that is yet to be generated.
func (v Value) asymmetric() bool { return v.kind >= RSA2048 }

// plaintext returns the value itself. The caller must zero it.
func (v Value) plaintext(random io.Reader) (sensitive.Bytes, error) {
	if v.kind == 0 {
		return v.given, nil
	}
	switch {
	case v.kind == Password:
		return drawPassword(random)
	case v.asymmetric():
		return drawPrivateKey(v.kind, random)
	}
	lengths := map[Kind]int{AES128: 16, AES192: 24, AES256: 32, HMACSHA256: 32, HMACSHA512: 64}
	drawn := make([]byte, lengths[v.kind])
	if _, err := io.ReadFull(random, drawn); err != nil {
		return sensitive.Bytes{}, fmt.Errorf("generate value: %w", err)
	}
	return sensitive.New(drawn), nil
}

// drawPassword generates each character with the same probability: it discards bytes that would
// favor the first digits.
func drawPassword(random io.Reader) (sensitive.Bytes, error) {
	const fair = 256 - 256%len(passwordDigits)
	password := make([]byte, 0, passwordLength)
	var drawn [passwordLength]byte
	defer clear(drawn[:])
	for len(password) < passwordLength {
		if _, err := io.ReadFull(random, drawn[:]); err != nil {
			return sensitive.Bytes{}, fmt.Errorf("generate password: %w", err)
		}
		for _, b := range drawn {
			if int(b) < fair && len(password) < passwordLength {
				password = append(password, passwordDigits[int(b)%len(passwordDigits)])
			}
		}
	}
	return sensitive.New(password), nil
}
