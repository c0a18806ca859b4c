// Package keys moves keys between two sides: it derives keys of other values, wraps and
// unwraps session keys, and agrees on keys. Package keyform reads stored ones.
//
// # What it promises
//
// The package is pure: bytes in, bytes out. It knows nothing of configurations and
// keeps nothing between calls. What it returns is a copy that belongs to the caller,
// who zeroes it after use.
//
// Its errors are the few below. They say which kind of thing went wrong and never hold
// anything of the input, nor what the library underneath said about it.
//
// What comes from a peer (a wrapped key, an ephemeral key) is refused with the same
// error whatever is wrong with it. Only PKCS #1 v1.5 needs more than that; see
// [PKCS1v15].
//
// # Hashes
//
// Hash functions are named by [crypto.Hash]; MD5, SHA-1 and SHA-2 are linked in.
package keys

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyform"
)

var (
	// ErrKey means that something is not a key of a kind and length that is taken.
	ErrKey = keyform.ErrKey
	// ErrSize means that a key has the wrong length.
	ErrSize = errors.New("the key has the wrong length")
	// ErrParameters means parameters that no message can work with; a [Derivation] says in
	// Check what is wrong with them.
	ErrParameters = errors.New("the parameters cannot work")
	// ErrLength means that something cannot be encrypted under a key because of its length.
	ErrLength = errors.New("the length does not fit the wrapping key")
	// ErrUnwrap means that what a peer sent does not open with this key.
	ErrUnwrap = errors.New("the wrapped key does not open")
)
