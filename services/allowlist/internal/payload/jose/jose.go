// Package jose writes and reads JSON Web Encryption and JSON Web Signatures in the
// compact serialization, and signatures whose payload travels apart.
//
// A [JWE] or a [JWS] says what a message must be; keys and payloads are given with each
// call. Algorithms are pinned: the header of a message that is read is compared with the
// options before a key is touched, and says nothing else that matters, except what the
// pinned algorithm needs. So a message cannot choose how it is opened. What could make
// it mean something else is refused: members that occur twice, `zip`, and `crit` with
// anything but what the options ask for. Password-based encryption does not exist.
//
// # Errors
//
// Messages that are refused answer with one of [ErrMessage], [ErrUnwrap], [ErrDecrypt]
// and [ErrSignature], which name the stage and nothing of the message or the key. Under
// RSA1_5 a wrapped key that does not open is replaced by a random one, so that its
// message ends as ErrDecrypt like every other. A message whose tag is wrong is never
// decrypted. [ErrKey] is about our side: a key that does not fit the algorithm.
//
// # Why not a library
//
// Peers exist that draw GCM IVs of 16 bytes and write base64 where base64url belongs.
// Reading them needs the content ciphers and the compact form written out; what
// is left to gain from a library then is smaller than the code that would keep
// its generality away (compression, key sets, password-based keys, embedded keys). In
// return a message is written into one buffer of exactly its size, and read into one.
// The tests hold every algorithm against go-jose in both directions.
//
// Specifications: RFC 7515 (JWS), RFC 7516 (JWE), RFC 7518 (algorithms), RFC 7797
// (unencoded payloads), RFC 8037 (X25519, Ed25519).
package jose

import "errors"

// Why a message is not written or not accepted. They may be told to operators; what the
// sender of a message learns is for the caller to decide, and should be one answer.
var (
	// ErrKey means that a key does not fit the algorithm: its type, curve or length.
	ErrKey = errors.New("the key does not fit the algorithm")
	// ErrOptions means that the options themselves are not possible; Check says why.
	ErrOptions = errors.New("the options are not possible")
	// ErrMessage means that the message is not what the options say: its form, its
	// header or the lengths of its parts.
	ErrMessage = errors.New("the message is not as the options say")
	// ErrUnwrap means that no key opens the encrypted key.
	ErrUnwrap = errors.New("the encrypted key does not open")
	// ErrDecrypt means that the content does not open.
	ErrDecrypt = errors.New("the content does not open")
	// ErrSignature means that the signature is by none of the keys.
	ErrSignature = errors.New("the signature is not valid")
)

// IssuedAt says whether a header carries the time it was written, `iat`.
type IssuedAt int

// The ways to carry the time.
const (
	// NoTime leaves `iat` away.
	NoTime IssuedAt = iota
	// Seconds since 1970.
	Seconds
	// Milliseconds since 1970.
	Milliseconds
)

// Sizes of what is read, in characters of base64url. A header holds a certificate chain
// at most; an encrypted key or a signature is as long as an RSA key of 8,192 bits.
const (
	maxHeader = 16 << 10
	maxSmall  = 1366
)
