// Package budget says how many values one symmetric key may encrypt under random IVs.
//
// Two values under the same key and IV give each other away in most modes. With b random
// bits to tell values apart, n values collide with a probability of about n²/2^(b+1). The
// budget of 2^((b-32)/2) values keeps it at 2^-33, in the manner of NIST SP 800-38D, which
// allows 2^32 messages for the 96 bits of AES-GCM.
package budget

import "math"

// MaxBits is the largest number of random bits that has a budget. What has more random
// bits is limited by nothing that a counter could reach.
const MaxBits = 157

// WarnAt is the fraction of a budget at which owners are warned: 1/16.
const WarnAt = 16

// Limited reports whether values that so many random bits tell apart have a budget.
// Without random bits nothing is random, and a budget has no meaning.
func Limited(bits int) bool { return bits > 0 && bits <= MaxBits }

// Of returns the budget for a number of random bits: 0 for fewer than 32, and without
// effect where [Limited] reports false.
func Of(bits int) uint64 {
	switch {
	case !Limited(bits):
		return math.MaxUint64
	case bits < 32:
		return 0
	}
	return uint64(math.Sqrt(math.Ldexp(1, bits-32))) // below 2^63, exact for even bits
}

// Warned reports whether so much of a budget is used that owners are to be warned.
func Warned(used, budget uint64) bool { return used >= budget/WarnAt }
