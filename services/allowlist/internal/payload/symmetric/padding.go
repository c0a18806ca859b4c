package symmetric

import (
	"crypto/subtle"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A Padding extends a plaintext to whole blocks.
type Padding int

// The paddings.
const (
	NoPadding   Padding = iota
	PKCS7               // as many bytes as are missing, each with that number as its value
	ZeroPadding         // zeros; none if the plaintext is whole blocks
	PKCS7For32          // PKCS #7 for blocks of 32 bytes, whatever the blocks of the cipher are
)

// wideBlock is the block of PKCS7For32. The blocks of all ciphers divide it.
const wideBlock = 32

// String returns the contract's name of the padding in lower case.
func (p Padding) String() string { return [...]string{"none", "pkcs7", "zero", "pkcs7-32"}[p] }

// PaddingOf returns a padding. The default is PKCS #7.
func PaddingOf(pb allowlistv1.Cipher_Padding) Padding {
	switch pb {
	case allowlistv1.Cipher_PADDING_NONE:
		return NoPadding
	case allowlistv1.Cipher_PADDING_ZERO:
		return ZeroPadding
	case allowlistv1.Cipher_PADDING_PKCS7_32:
		return PKCS7For32
	default:
		return PKCS7
	}
}

// counts reports whether each byte of the padding is their number.
func (p Padding) counts() bool { return p == PKCS7 || p == PKCS7For32 }

// block returns the length to whose multiples the padding extends a plaintext.
func (p Padding) block(cipher int) int {
	if p == PKCS7For32 {
		return wideBlock
	}
	return cipher
}

// paddedLen returns the length of n bytes with their padding.
func (p Padding) paddedLen(n, block int) int {
	block = p.block(block)
	switch p {
	case PKCS7, PKCS7For32:
		return n - n%block + block
	case ZeroPadding:
		return (n + block - 1) / block * block
	default:
		return n
	}
}

// append appends b and its padding.
func (p Padding) append(dst, b []byte, block int) []byte {
	dst = append(dst, b...)
	n := p.paddedLen(len(b), block) - len(b)
	fill := byte(0)
	if p.counts() {
		fill = byte(n)
	}
	for range n {
		dst = append(dst, fill)
	}
	return dst
}

// unpaddedLen returns the length of b, which consists of whole blocks of the cipher, without its
// padding. For PKCS #7, it takes the same time for all paddings, so that the time does not reveal where the
// padding is wrong. The other paddings cannot be wrong.
func (p Padding) unpaddedLen(b []byte, block int) (int, bool) {
	switch p {
	case ZeroPadding:
		n := len(b)
		for n > 0 && b[n-1] == 0 {
			n--
		}
		return n, true
	case NoPadding:
		return len(b), true
	}
	block = p.block(block)
	if len(b) == 0 || len(b)%block != 0 {
		return 0, false
	}
	last := b[len(b)-block:]
	n := int(last[block-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, block)
	for i, got := range last {
		inside := subtle.ConstantTimeLessOrEq(block-i, n)
		equal := subtle.ConstantTimeByteEq(got, byte(n))
		good &= subtle.ConstantTimeSelect(inside, equal, 1)
	}
	return len(b) - n, good == 1
}
