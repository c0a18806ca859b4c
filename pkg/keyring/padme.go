package keyring

import "math/bits"

// minPadded is the minimum padded length. All values up to the length of a common key or password
// look alike.
const minPadded = 32

// paddedSize returns the length of a value of the given size, with its length in front and padding
// at the end.
func paddedSize(size int) int { return max(minPadded, padme(lengthSize+size)) }

// padme returns the smallest length of at least size that PADMÉ allows: one whose binary form,
// without trailing zeros, is no longer than that of a floating-point number whose mantissa has as
// many bits as its exponent needs. The length then reveals O(log log size) bits about the size,
// for at most 12 % more bytes. (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
// and Communication with PURBs", 2019.)
func padme(size int) int {
	if size < 2 {
		return size
	}
	exponent := bits.Len(uint(size)) - 1
	mantissa := bits.Len(uint(exponent))
	mask := 1<<(exponent-mantissa) - 1
	return (size + mask) &^ mask
}
