// Package budget computes how many values one symmetric key may encrypt with random IVs.
//
// In most modes, two values that are encrypted with the same key and IV reveal each other. If b
// random bits distinguish values, n values collide with a probability of about n²/2^(b+1). The
// budget of 2^((b-32)/2) values limits the probability to 2^-33. NIST SP 800-38D uses the same
// approach and allows 2^32 messages for the 96 bits of AES-GCM.
package budget

import "math"

// MaxBits is the largest number of random bits that has a budget. With more bits, no counter can
// reach the limit.
const MaxBits = 157

// WarnAt is the fraction of a budget at which owners are warned: 1/16.
const WarnAt = 16

// Limited reports whether values that are distinguished by this number of random bits have a
// budget. Without random bits, a budget has no meaning.
func Limited(bits int) bool { return bits > 0 && bits <= MaxBits }

// Of returns the budget for a number of random bits. It is 0 for fewer than 32 bits, and has no
// meaning where [Limited] reports false.
func Of(bits int) uint64 {
	switch {
	case !Limited(bits):
		return math.MaxUint64
	case bits < 32:
		return 0
	}
	return uint64(math.Sqrt(math.Ldexp(1, bits-32))) // below 2^63, exact for even bits
}

// Warned reports whether enough of a budget is used to warn the owners.
func Warned(used, budget uint64) bool { return used >= budget/WarnAt }
