package purpose

import (
	"slices"
	"strings"
)

// A class is the first cryptographic operation on the bytes of a KEY. It determines whether one
// chain can be an oracle for another.
type class int

// The classes.
const (
	classUnknown  class = iota
	classBlock          // the key of a block cipher or of ChaCha20: content, key wrap, JWE
	classMAC            // the key of an HMAC
	classSlow           // a derivation whose core is HMAC under the KEY: PBKDF2, scrypt, HKDF
	classHash           // a derivation that hashes the KEY: a digest, EVP_BytesToKey, a counter
	classDigest         // a digest that is sent
	classComputed       // a MAC under a derived key, or of a string that includes the KEY
	classDecrypt        // RSA that decrypts or unwraps
	classAgree          // a key agreement
	classSign           // a signature
	classHalves         // two keys in one: for a block cipher and for an HMAC
	classPGP            // OpenPGP, whose key blocks have subkeys for their purposes
)

// classOf returns the class of a chain, or classUnknown if the string is not a chain.
func classOf(chain string) class {
	steps := strings.Split(chain, stepSeparator)
	decodings := []string{"raw", "hex", "base64", "base64url", "whsec", "pem"}
	if len(steps) < 2 || !slices.Contains(decodings, steps[0]) {
		return classUnknown
	}
	for _, known := range classes() {
		if strings.HasPrefix(steps[1], known.prefix) {
			return known.class
		}
	}
	return classUnknown
}

// IsChain reports whether a string is a chain.
func IsChain(text string) bool { return classOf(text) != classUnknown }

type classPrefix struct {
	prefix string
	class  class
}

// classes returns the classes by the prefixes of steps.
func classes() []classPrefix {
	return []classPrefix{
		{"AES-", classBlock},
		{"TRIPLE-DES-", classBlock},
		{"CHACHA20-", classBlock},
		{"JWE(alg=RSA", classDecrypt},
		{"JWE(alg=ECDH", classAgree},
		{"JWE(alg=", classBlock},
		{"HMAC-", classMAC},
		{"JWS-HS", classMAC},
		{"JWS-", classSign},
		{"SIGN-", classSign},
		{"CMS-SIGN-", classSign},
		{"PBKDF2-", classSlow},
		{"SCRYPT(", classSlow},
		{"HKDF-", classSlow},
		{"DIGEST-", classHash},
		{"EVP-", classHash},
		{"COUNTER-", classHash},
		{"SECRET-DIGEST-", classDigest},
		{"COMPUTED(", classComputed},
		{"RSA-", classDecrypt},
		{"ECDH-", classAgree},
		{"FERNET", classHalves},
		{"OpenPGP(", classPGP},
	}
}

// harmless returns the pairs of classes that one KEY may combine, each with the reason. All other
// pairs conflict.
func harmless() map[[2]class]string {
	return map[[2]class]string{
		{classBlock, classMAC}:     "outputs of a block cipher reveal nothing about those of an HMAC under the same key, and vice versa",
		{classBlock, classSlow}:    "the derived key is independent of the key itself: both are outputs of pseudorandom functions",
		{classBlock, classHash}:    "a hash of the key cannot be computed by encrypting under the key",
		{classBlock, classDigest}:  "a hash that includes the key cannot be computed by encrypting under the key, nor the key from the hash",
		{classMAC, classHash}:      "the inputs of the hash inside HMAC begin with the masked key, never with the unmasked key that a derivation hashes",
		{classSlow, classHash}:     "as for HMAC, which these derivations are built on",
		{classDigest, classDigest}: "both are sent, so each reveals only itself",
		{classSign, classSign}:     "one key may sign in several formats, because the signed strings differ",
		{classPGP, classPGP}:       "OpenPGP keys have subkeys for encryption and signatures",
	}
}

// Conflict reports whether one of two chains of a KEY may be an oracle for the other:
//
//   - HMAC under a KEY is the core of PBKDF2, scrypt, and HKDF of the KEY: messages that are
//     signed on demand compute the derived key.
//   - Two modes of a block cipher under one key: bare CBC or ECB encrypts single blocks, and
//     can therefore be used to decrypt GCM and CTR.
//   - Derivations of one KEY share prefixes, or one of them sends as an IV the bytes that are the
//     key of another.
//   - A digest that is sent may be equal to the key that a digest derives. It may also be the key
//     of an HMAC, which hashes keys that are longer than its block.
//   - RSA decryption decrypts the keys that any other use of the pair wraps, and creates
//     signatures with PKCS #1 v1.5 padding.
func Conflict(a, b string) bool {
	if a == b {
		return false
	}
	return Harmless(a, b) == ""
}

// Harmless returns why one KEY may have both chains. It is empty if the KEY must not.
func Harmless(a, b string) string {
	return harmless()[[2]class{min(classOf(a), classOf(b)), max(classOf(a), classOf(b))}]
}

// Conflicted reports whether a purpose has chains that conflict.
func (p Purpose) Conflicted() bool {
	chains := p.List()
	for i, a := range chains {
		for _, b := range chains[i+1:] {
			if Conflict(a, b) {
				return true
			}
		}
	}
	return false
}

// Conflicting reports whether a configuration has a KEY whose chains conflict.
func (s Set) Conflicting() bool {
	for _, purpose := range s {
		if purpose.Conflicted() {
			return true
		}
	}
	return false
}
