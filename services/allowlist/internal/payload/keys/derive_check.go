package keys

import (
	"crypto"
	"fmt"
	"math/bits"
	"slices"
)

// The limits of a derivation's output and cost.
const (
	maxDerived    = 128
	maxIterations = 2_000_000
	maxScryptN    = 1 << 16
	maxScryptR    = 32
	maxScryptP    = 4
	// scrypt holds 128 * N * R bytes in memory at once.
	maxScryptBytes = 64 << 20
	maxInfo        = 256
	// maxCounterInfo is the longest info of a counter: 8 pieces of 129 bytes.
	maxCounterInfo = 8 * 129
)

// Check returns why the derivation cannot produce n bytes: the name of the parameter, or
// `function` for the derivation as a whole, and the violation. Both are empty if it can.
func (d Derivation) Check(n int) (parameter, violation string) {
	switch {
	case n < 1 || n > maxDerived:
		return "function", "must derive a key of a supported length"
	case d.Function < Digest || d.Function > Counter:
		return "function", "must be a known function"
	case d.Function != Scrypt && !d.takesHash():
		return "hash", "must be a hash that the function supports"
	}
	switch d.Function {
	case Digest:
		return d.checkDigest(n)
	case EVPBytesToKey, PBKDF2:
		if d.Iterations < 1 || d.Iterations > maxIterations {
			return "iterations", "must be from 1 to 2,000,000"
		}
	case Scrypt:
		return d.checkScrypt()
	case HKDF:
		if len(d.Info) > maxInfo {
			return "info", "must have at most 256 bytes"
		}
	case Counter:
		if len(d.Info) > maxCounterInfo {
			return "info", "must have at most 1,032 bytes"
		}
	}
	return "", ""
}

// takesHash reports whether the function supports the hash. HMAC with MD5 is not broken, but no
// partner requires it.
func (d Derivation) takesHash() bool {
	if d.Function == Counter && d.Hash == crypto.SHA1 {
		return false
	}
	if d.Hash == crypto.MD5 {
		return d.Function == Digest || d.Function == EVPBytesToKey
	}
	return slices.Contains([]crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}, d.Hash)
}

func (d Derivation) checkDigest(n int) (parameter, violation string) {
	length := d.Encoding.encodedLen(d.Hash.Size())
	switch {
	case length < 0:
		return "encoding", "must be a known encoding"
	case d.Take < 0 || d.Take > length:
		return "take", fmt.Sprintf("must be at most %d, the length of the digest", length)
	case d.Take > 0 && d.Take != n:
		return "take", fmt.Sprintf("must be %d, the length of the key", n)
	case d.Take == 0 && length != n:
		return "take", fmt.Sprintf("must be set: the digest has %d bytes, but the key has %d", length, n)
	}
	return "", ""
}

func (d Derivation) checkScrypt() (parameter, violation string) {
	switch {
	case d.N < 2 || d.N > maxScryptN || bits.OnesCount(uint(d.N)) != 1:
		return "n", "must be a power of two from 2 to 65,536"
	case d.R < 1 || d.R > maxScryptR:
		return "r", "must be from 1 to 32"
	case d.P < 1 || d.P > maxScryptP:
		return "p", "must be from 1 to 4"
	case 128*d.N*d.R > maxScryptBytes:
		return "n", "must not need more than 64 MiB of memory (128 * n * r bytes)"
	}
	return "", ""
}
