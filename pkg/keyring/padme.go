package keyring

import "math/bits"

// minPadded is the least padded length: all that is as short as a usual key or
// password looks alike.
const minPadded = 32

// paddedSize returns the length of a value of the given size with its length in
// front and padding behind.
func paddedSize(size int) int { return max(minPadded, padme(lengthSize+size)) }

// padme returns the smallest length of at least size that PADMÉ allows: one whose
// binary form is no longer, trailing zeros aside, than that of a floating-point
// number with as many bits of mantissa as it takes to write the exponent. What a
// length tells of the size is then O(log log size) bits, for at most 12 % more
// bytes. (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
// Communication with PURBs", 2019.)
func padme(size int) int {
	if size < 2 {
		return size
	}
	exponent := bits.Len(uint(size)) - 1
	mantissa := bits.Len(uint(exponent))
	mask := 1<<(exponent-mantissa) - 1
	return (size + mask) &^ mask
}
