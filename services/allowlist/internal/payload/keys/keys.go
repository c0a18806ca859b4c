// Package keys handles the keys that two sides share: it derives keys from other values, wraps
// and unwraps session keys, and agrees on keys. Package keyform reads stored keys.
//
// # Guarantees
//
// The package is pure: bytes in, bytes out. It does not know about configurations and keeps
// nothing between calls. Every returned value is a copy that belongs to the caller, who zeroes
// it after use.
//
// Its errors are the few below. They name the kind of failure and never include any part of the
// input or of the underlying library's error.
//
// A value from a peer (a wrapped key, an ephemeral key) is refused with the same error, whatever
// is wrong with it. Only PKCS #1 v1.5 needs more than that; see [PKCS1v15].
//
// # Hashes
//
// Hash functions are identified by [crypto.Hash]. MD5, SHA-1, and SHA-2 are linked in.
package keys

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyform"
)

var (
	// ErrKey means that a value is not a key of a supported kind and length.
	ErrKey = keyform.ErrKey
	// ErrSize means that a key has the wrong length.
	ErrSize = errors.New("the key has the wrong length")
	// ErrParameters means that the parameters are invalid for every message. [Derivation.Check]
	// returns what is wrong with them.
	ErrParameters = errors.New("the parameters are invalid")
	// ErrLength means that the wrapping key cannot encrypt a message of this length.
	ErrLength = errors.New("the message length does not fit the wrapping key")
	// ErrUnwrap means that a value from a peer cannot be unwrapped with this key.
	ErrUnwrap = errors.New("the wrapped key cannot be unwrapped")
)
