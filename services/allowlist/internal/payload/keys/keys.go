// Package keys makes usable keys of stored secrets and moves keys between two sides:
// it decodes and parses what is stored, derives keys of other values, wraps and
// unwraps session keys, and agrees on keys.
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
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
)

var (
	// ErrDecoding means that a stored secret is not written as its decoding says.
	ErrDecoding = errors.New("the secret does not decode")
	// ErrKey means that something is not a key of a kind and length that is taken.
	ErrKey = errors.New("the key is not of a usable kind and length")
	// ErrParameters means parameters that no message can work with; a [Derivation] says in
	// Check what is wrong with them.
	ErrParameters = errors.New("the parameters cannot work")
	// ErrLength means that something cannot be encrypted under a key because of its length.
	ErrLength = errors.New("the length does not fit the wrapping key")
	// ErrUnwrap means that what a peer sent does not open with this key.
	ErrUnwrap = errors.New("the wrapped key does not open")
)

// A Decoding says how the bytes of a stored secret become a key.
type Decoding int

const (
	// Raw takes the stored bytes as they are.
	Raw Decoding = iota
	// Hex reads hexadecimal in either case.
	Hex
	// Base64 reads base64 (RFC 4648 section 4), with or without padding.
	Base64
	// Base64URL reads base64url (RFC 4648 section 5), with or without padding.
	Base64URL
	// Whsec reads base64 behind an optional `whsec_` (Standard Webhooks).
	Whsec
	// PEM takes the text as it is; [ParsePublic] and [ParsePrivate] read it.
	PEM
)

const (
	asciiSpace  = " \t\r\n\v\f"
	whsecPrefix = "whsec_"
)

// Decode returns the key that a stored secret holds, always as a copy. ASCII white
// space around a text, such as a line end that was pasted along, is not part of it;
// inside it is refused.
func Decode(d Decoding, stored []byte) ([]byte, error) {
	text := bytes.Trim(stored, asciiSpace)
	switch d {
	case Raw:
		return bytes.Clone(stored), nil
	case PEM:
		return bytes.Clone(text), nil
	case Hex:
		return decodeHex(text)
	case Base64:
		return decodeBase64(base64.StdEncoding, text)
	case Base64URL:
		return decodeBase64(base64.URLEncoding, text)
	case Whsec:
		return decodeBase64(base64.StdEncoding, bytes.TrimPrefix(text, []byte(whsecPrefix)))
	default:
		return nil, ErrDecoding
	}
}

func decodeHex(text []byte) ([]byte, error) {
	// Sized once, so that no half of a key is left behind by a slice that grows.
	key := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil {
		clear(key)
		return nil, ErrDecoding
	}
	return key, nil
}

func decodeBase64(encoding *base64.Encoding, text []byte) ([]byte, error) {
	// The library skips line ends, which are not part of the encoding.
	if bytes.ContainsAny(text, "\r\n") {
		return nil, ErrDecoding
	}
	if len(text)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	key := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Strict().Decode(key, text)
	if err != nil {
		clear(key)
		return nil, ErrDecoding
	}
	return key[:n], nil
}
