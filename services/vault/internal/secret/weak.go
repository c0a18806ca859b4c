package secret

import (
	"bytes"

	"github.com/keyward/keyward/pkg/keyform"
)

// minKey is the length in bytes below which a key can be guessed.
const minKey = 16

// weak reports whether a symmetric key has fewer than 16 bytes or is one byte over and over,
// as it is or as what it stands for.
//
// Hexadecimal counts, and base64 that cannot be anything else, as it is padded or has the
// prefix of Standard Webhooks. Other text that base64 might be is mostly none: a passphrase
// of 16 letters is 12 bytes of base64. So of that only repetition counts.
func weak(plain []byte) bool {
	if len(plain) < minKey || repeated(plain) {
		return true
	}
	if key, err := keyform.Decode(keyform.Hex, plain); err == nil && len(key) > 0 {
		defer clear(key)
		return len(key) < minKey || repeated(key)
	}
	if key, err := keyform.Decode(keyform.Whsec, plain); err == nil && len(key) > 0 {
		defer clear(key)
		return repeated(key) || len(key) < minKey && surelyBase64(plain)
	}
	return repeated(bytes.TrimSpace(plain))
}

// surelyBase64 reports whether a text that decodes as base64 is hardly anything else.
func surelyBase64(plain []byte) bool {
	text := bytes.TrimSpace(plain)
	return bytes.HasPrefix(text, []byte("whsec_")) || bytes.HasSuffix(text, []byte("="))
}

// repeated reports whether all bytes are the same.
func repeated(b []byte) bool { return len(b) > 0 && bytes.Count(b, b[:1]) == len(b) }
