package payload

import (
	"crypto/aes"
	"crypto/subtle"
)

// appendPadded appends b and its PKCS #7 padding to the AES block size.
func appendPadded(dst, b []byte) []byte {
	dst = append(dst, b...)
	n := aes.BlockSize - len(b)%aes.BlockSize
	for range n {
		dst = append(dst, byte(n))
	}
	return dst
}

// unpaddedLen returns the length of b, one or more whole blocks, without its
// PKCS #7 padding. It takes the same time whatever the padding is, so that time
// does not tell where it is wrong.
func unpaddedLen(b []byte) (int, bool) {
	last := b[len(b)-aes.BlockSize:]
	n := int(last[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i := range aes.BlockSize {
		inside := subtle.ConstantTimeLessOrEq(aes.BlockSize-i, n)
		equal := subtle.ConstantTimeByteEq(last[i], byte(n))
		good &= subtle.ConstantTimeSelect(inside, equal, 1)
	}
	return len(b) - n, good == 1
}
