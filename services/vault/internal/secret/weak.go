package secret

import (
	"bytes"

	"github.com/keyward/keyward/pkg/keyform"
)

// minKey is the length in bytes below which a key can be guessed.
const minKey = 16

// weak reports whether a symmetric key has fewer than 16 bytes or repeats a single byte, either as
// stored or after decoding.
//
// Hexadecimal counts, and so does base64 that is unambiguous because it is padded or has the
// prefix of Standard Webhooks. Most other text that could be base64 is not: a passphrase of 16
// letters decodes to 12 bytes. Of such text, only repetition counts.
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

// surelyBase64 reports whether text that decodes as base64 is very unlikely to be anything else.
func surelyBase64(plain []byte) bool {
	text := bytes.TrimSpace(plain)
	return bytes.HasPrefix(text, []byte("whsec_")) || bytes.HasSuffix(text, []byte("="))
}

// repeated reports whether all bytes are the same.
func repeated(b []byte) bool { return len(b) > 0 && bytes.Count(b, b[:1]) == len(b) }
