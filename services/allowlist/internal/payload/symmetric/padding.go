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
)

// String returns the contract's name of the padding in lower case.
func (p Padding) String() string { return [...]string{"none", "pkcs7", "zero"}[p] }

// PaddingOf returns a padding. The default is PKCS #7.
func PaddingOf(pb allowlistv1.Cipher_Padding) Padding {
	switch pb {
	case allowlistv1.Cipher_PADDING_NONE:
		return NoPadding
	case allowlistv1.Cipher_PADDING_ZERO:
		return ZeroPadding
	default:
		return PKCS7
	}
}

// paddedLen returns the length of n bytes with their padding.
func (p Padding) paddedLen(n, block int) int {
	switch p {
	case PKCS7:
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
	if p == PKCS7 {
		fill = byte(n)
	}
	for range n {
		dst = append(dst, fill)
	}
	return dst
}

// unpaddedLen returns the length of b, which consists of whole blocks, without its padding. For
// PKCS #7, it takes the same time for all paddings, so that the time does not reveal where the
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
	if len(b) == 0 {
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
