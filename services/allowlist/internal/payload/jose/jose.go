// Package jose writes and reads JSON Web Encryption and JSON Web Signatures in the compact
// serialization, flattened signatures, and detached ones. It also reads encryption for several
// recipients ([SplitGeneral]).
//
// A [JWE] or a [JWS] describes what a message must look like. Each call supplies keys and
// payloads. Algorithms are pinned: the package compares the header of an incoming message with
// the options before it uses a key, and ignores the rest of the header except for the parameters
// that the pinned algorithm needs. So a message cannot choose how it is decrypted. Headers that
// could change the meaning of a message are refused: duplicate members, and `zip` and `crit` with
// anything other than what the options ask for. Compressed plaintexts are bounded ([MaxInflated]).
// Password-based encryption is not implemented.
//
// # Errors
//
// Refused messages return [ErrMessage], [ErrUnwrap], [ErrDecrypt], or [ErrSignature]. These
// errors name the stage and reveal nothing about the message or the key. Under RSA1_5, a wrapped
// key that fails to decrypt is replaced by a random one, so that its message returns ErrDecrypt
// like any other. A message with a wrong tag is never decrypted. [ErrKey] concerns our side: a
// key that does not fit the algorithm.
//
// # Why not a library
//
// Some peers generate GCM IVs of 16 bytes and write base64 instead of base64url. Reading their
// messages requires our own content ciphers and compact serialization. The rest of a library
// would then save less code than it would take to disable its generality (key sets, password-based
// keys, embedded keys). In return, a message is written into one buffer of
// exactly its size, and read into one. The tests compare every algorithm with go-jose in both
// directions.
//
// Specifications: RFC 7515 (JWS), RFC 7516 (JWE), RFC 7518 (algorithms), RFC 7797 (unencoded
// payloads), RFC 8037 (X25519, Ed25519).
package jose

import "errors"

// The reasons why a message is not written or not accepted. Operators may see them. The caller
// decides what the sender of a message learns, and should send the same answer for all of them.
var (
	// ErrKey means that a key does not fit the algorithm: its type, curve or length.
	ErrKey = errors.New("the key does not fit the algorithm")
	// ErrOptions means that the options are invalid. Check returns why.
	ErrOptions = errors.New("the options are invalid")
	// ErrMessage means that the message does not match the options: its form, its header, or the
	// lengths of its parts.
	ErrMessage = errors.New("the message does not match the options")
	// ErrUnwrap means that no key decrypts the encrypted key.
	ErrUnwrap = errors.New("the encrypted key cannot be decrypted")
	// ErrDecrypt means that the content fails to decrypt.
	ErrDecrypt = errors.New("the content cannot be decrypted")
	// ErrSignature means that the signature does not verify under any of the keys.
	ErrSignature = errors.New("the signature is not valid")
)

// IssuedAt says whether, and in which unit, a header carries the time of writing, `iat`.
type IssuedAt int

// The forms of the time.
const (
	// NoTime omits `iat`.
	NoTime IssuedAt = iota
	// Seconds since 1970.
	Seconds
	// Milliseconds since 1970.
	Milliseconds
)

// The maximum sizes of incoming parts, in characters of base64url. A header holds at most a
// certificate chain. An encrypted key or a signature is as long as an RSA key of 8,192 bits.
const (
	maxHeader = 16 << 10
	maxSmall  = 1366
)
