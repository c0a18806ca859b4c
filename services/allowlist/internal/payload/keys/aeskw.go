package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"github.com/keyward/keyward/pkg/memory"
)

const (
	// semiblock is the unit of AES Key Wrap, half a block.
	semiblock = 8
	// maxWrapped bounds the work that a message can cause: AES Key Wrap makes six passes over
	// the input. The longest key that any partner wraps has 64 bytes.
	maxWrapped = 4 << 10
)

// keyWrapIV is prepended to the key before wrapping. Unwrapping must restore it (RFC 3394
// section 2.2.3.1).
const keyWrapIV uint64 = 0xa6a6a6a6a6a6a6a6

// WrapAES wraps a key with AES Key Wrap (RFC 3394) under a key of 16, 24, or 32 bytes, or fails
// with [ErrKey]. The wrapped key is 8 bytes longer. WrapAES fails with [ErrLength] if the key is
// shorter than 16 bytes or not a multiple of 8.
func WrapAES(wrapping, key []byte) ([]byte, error) {
	block, err := memory.Erased(func() (cipher.Block, error) { return aes.NewCipher(wrapping) })
	if err != nil {
		return nil, ErrKey
	}
	if len(key) < 2*semiblock || len(key) > maxWrapped-semiblock || len(key)%semiblock != 0 {
		return nil, ErrLength
	}
	wrapped := make([]byte, semiblock+len(key))
	copy(wrapped[semiblock:], key)
	// The first half of b is the register A of the RFC, which carries a check value through all
	// rounds.
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], keyWrapIV)
	step := uint64(0)
	for range 6 {
		for i := semiblock; i < len(wrapped); i += semiblock {
			step++
			copy(b[semiblock:], wrapped[i:])
			block.Encrypt(b[:], b[:])
			copy(wrapped[i:], b[semiblock:])
			xorStep(&b, step)
		}
	}
	copy(wrapped, b[:semiblock])
	return wrapped, nil
}

// UnwrapAES returns the unwrapped key, or [ErrUnwrap] if it was wrapped under another key or has
// been changed.
func UnwrapAES(wrapping, wrapped []byte) ([]byte, error) {
	block, err := memory.Erased(func() (cipher.Block, error) { return aes.NewCipher(wrapping) })
	if err != nil {
		return nil, ErrKey
	}
	if len(wrapped) < 3*semiblock || len(wrapped) > maxWrapped || len(wrapped)%semiblock != 0 {
		return nil, ErrUnwrap
	}
	key := make([]byte, len(wrapped)-semiblock)
	copy(key, wrapped[semiblock:])
	var b [aes.BlockSize]byte
	copy(b[:], wrapped[:semiblock])
	step := uint64(6 * len(key) / semiblock)
	for range 6 {
		for i := len(key) - semiblock; i >= 0; i -= semiblock {
			xorStep(&b, step)
			step--
			copy(b[semiblock:], key[i:])
			block.Decrypt(b[:], b[:])
			copy(key[i:], b[semiblock:])
		}
	}
	var want [semiblock]byte
	binary.BigEndian.PutUint64(want[:], keyWrapIV)
	if subtle.ConstantTimeCompare(b[:semiblock], want[:]) != 1 {
		clear(key)
		return nil, ErrUnwrap
	}
	return key, nil
}

// xorStep mixes in the step number, so that no step can replace another.
func xorStep(b *[aes.BlockSize]byte, step uint64) {
	a := binary.BigEndian.Uint64(b[:])
	binary.BigEndian.PutUint64(b[:], a^step)
}
