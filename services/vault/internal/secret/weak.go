package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
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
	text := bytes.TrimSpace(plain)
	decoded := make([]byte, len(text))
	defer clear(decoded)
	if len(text) == 0 {
		return false // white space may be a key of random bytes
	}
	if len(text)%2 == 0 {
		if n, err := hex.Decode(decoded, text); err == nil {
			return n < minKey || repeated(decoded[:n])
		}
	}
	body, prefixed := bytes.CutPrefix(text, []byte("whsec_"))
	bare := bytes.TrimRight(body, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if n, err := encoding.Decode(decoded, bare); err == nil {
			return repeated(decoded[:n]) || n < minKey && (prefixed || len(bare) < len(body))
		}
	}
	return repeated(text)
}

// repeated reports whether all bytes are the same.
func repeated(b []byte) bool { return len(b) > 0 && bytes.Count(b, b[:1]) == len(b) }
