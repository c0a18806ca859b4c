package purpose

import (
	"slices"
	"strings"
)

// A class is what the bytes of a KEY meet first. Whether one chain can be an oracle for
// another follows from it.
type class int

// The classes.
const (
	classUnknown class = iota
	classBlock         // the key of a block cipher or of ChaCha20: content, key wrap, JWE
	classMAC           // the key of an HMAC
	classSlow          // a derivation whose core is HMAC under the KEY: PBKDF2, scrypt, HKDF
	classHash          // a derivation that hashes the KEY: a digest, EVP_BytesToKey
	classDigest        // a digest that is sent
	classDecrypt       // RSA that decrypts or unwraps
	classAgree         // a key agreement
	classSign          // a signature
	classPGP           // OpenPGP, whose key blocks have subkeys for their purposes
)

// classOf returns the class of a chain, or classUnknown for what is no chain.
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

// IsChain reports whether a text is a chain.
func IsChain(text string) bool { return classOf(text) != classUnknown }

type classPrefix struct {
	prefix string
	class  class
}

// classes returns the classes by the beginnings of steps.
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
		{"PBKDF2-", classSlow},
		{"SCRYPT(", classSlow},
		{"HKDF-", classSlow},
		{"DIGEST-", classHash},
		{"EVP-", classHash},
		{"SECRET-DIGEST-", classDigest},
		{"RSA-", classDecrypt},
		{"ECDH-", classAgree},
		{"OpenPGP(", classPGP},
	}
}

// harmless are the pairs of classes that one KEY may have both of, each with the reason.
// Pairs that are absent conflict.
func harmless() map[[2]class]string {
	return map[[2]class]string{
		{classBlock, classMAC}:     "outputs of a block cipher tell nothing of those of an HMAC under the same key, nor the other way round",
		{classBlock, classSlow}:    "the derived key is independent of the key itself: both are outputs of pseudorandom functions",
		{classBlock, classHash}:    "a hash of the key is not found by encrypting under the key",
		{classBlock, classDigest}:  "a hash that the key goes into is not found by encrypting under the key, nor the key from the hash",
		{classMAC, classHash}:      "the inputs of the hash inside HMAC begin with the masked key, never with the key as a derivation has it",
		{classSlow, classHash}:     "as for HMAC, which these derivations are made of",
		{classDigest, classDigest}: "both are sent, so each shows only what it is",
		{classSign, classSign}:     "one key may sign in several formats: what is signed differs",
		{classPGP, classPGP}:       "OpenPGP keys have subkeys for encryption and signatures",
	}
}

// Conflict reports whether of two chains of one KEY one may be an oracle for the other:
//
//   - HMAC under a KEY is the core of PBKDF2, scrypt and HKDF of the KEY: messages that are
//     signed on demand compute the derived key.
//   - Two modes of a block cipher under one key: bare CBC or ECB encrypts single blocks, and
//     so opens GCM and CTR.
//   - Derivations of one KEY share beginnings, or one shows as an IV what is the key of another.
//   - A digest that is sent may be the very key that a digest derives. It may also be the key
//     of an HMAC, which hashes keys that are longer than its block.
//   - RSA decryption opens what any other use of the pair wraps, and signs what PKCS #1
//     v1.5 pads.
func Conflict(a, b string) bool {
	if a == b {
		return false
	}
	return Harmless(a, b) == ""
}

// Harmless returns why one KEY may have both chains; empty: it must not.
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
