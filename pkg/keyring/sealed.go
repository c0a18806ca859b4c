package keyring

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"

	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
)

// Sealed is the stored form of a value. Nothing in it is secret.
type Sealed struct {
	// Algorithm is the algorithm that seals the value and the data key.
	Algorithm string
	// KeyID names the key of the keyset that wraps the data key.
	KeyID string
	// WrappedKey is the data key, sealed by the keyset.
	WrappedKey []byte
	// Ciphertext is nonce, padded value and tag, sealed by the data key.
	Ciphertext []byte
}

// wrapPrefix is the length of the start of a wrapped key: a byte that names the format of Tink, and
// the ID of the key that wraps it.
const wrapPrefix = 5

// WrappedBy returns the ID of the key of the keyset that wraps a data key, or an empty string if the
// wrapped key does not start with it.
func WrappedBy(wrapped []byte) string {
	if len(wrapped) < wrapPrefix || wrapped[0] != cryptofmt.TinkStartByte {
		return ""
	}
	return hex.EncodeToString(wrapped[1:wrapPrefix])
}

// sealedFormat is the first byte of a marshaled Sealed:
//
//	format │ len algorithm │ len key id │ len wrapped key │ ciphertext
//	   1        1     …        1    …         2     …           …
const sealedFormat = 1

var errSealed = errors.New("keyring: malformed sealed value")

// Marshal returns the binary form.
func (s Sealed) Marshal() ([]byte, error) {
	if len(s.Algorithm) > math.MaxUint8 || len(s.KeyID) > math.MaxUint8 || len(s.WrappedKey) > math.MaxUint16 {
		return nil, errSealed
	}
	out := make([]byte, 0, 5+len(s.Algorithm)+len(s.KeyID)+len(s.WrappedKey)+len(s.Ciphertext))
	out = append(out, sealedFormat, byte(len(s.Algorithm)))
	out = append(out, s.Algorithm...)
	out = append(out, byte(len(s.KeyID)))
	out = append(out, s.KeyID...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(s.WrappedKey)))
	out = append(out, s.WrappedKey...)
	return append(out, s.Ciphertext...), nil
}

// UnmarshalSealed reads the binary form. The result shares the memory of data.
func UnmarshalSealed(data []byte) (Sealed, error) {
	if len(data) == 0 || data[0] != sealedFormat {
		return Sealed{}, errSealed
	}
	algorithm, rest, ok1 := cut(data[1:], 1)
	keyID, rest, ok2 := cut(rest, 1)
	wrapped, rest, ok3 := cut(rest, 2)
	if !ok1 || !ok2 || !ok3 {
		return Sealed{}, errSealed
	}
	return Sealed{Algorithm: string(algorithm), KeyID: string(keyID), WrappedKey: wrapped, Ciphertext: rest}, nil
}

// cut splits a length-prefixed part off the front of data. The length has width bytes.
func cut(data []byte, width int) (part, rest []byte, ok bool) {
	if len(data) < width {
		return nil, nil, false
	}
	size := 0
	for _, b := range data[:width] {
		size = size<<8 | int(b)
	}
	data = data[width:]
	if len(data) < size {
		return nil, nil, false
	}
	return data[:size:size], data[size:], true
}
