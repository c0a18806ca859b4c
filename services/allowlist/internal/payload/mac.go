package payload

import (
	"crypto"
	"crypto/hmac"
	"hash"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A mac authenticates what was encrypted.
type mac struct {
	hash crypto.Hash
	// key is nil for the cipher's own.
	key   *source
	input []macInput
}

// A macInput is a literal, or a blob: its text, or its bytes before encoding.
type macInput struct {
	literal string
	blob    int // noBlob for a literal
	raw     bool
}

const noBlob = -1

// sum returns the MAC of blobs. Text writes a blob's text, and raw returns its bytes.
func (a *mac) sum(key []byte, text func(h hash.Hash, blob int), raw func(blob int) []byte) []byte {
	h := hmac.New(a.hash.New, key)
	for _, in := range a.input {
		switch {
		case in.blob == noBlob:
			h.Write([]byte(in.literal))
		case in.raw:
			h.Write(raw(in.blob))
		default:
			text(h, in.blob)
		}
	}
	return h.Sum(nil)
}

// chunk is how many bytes are encoded at a time: whole groups of every encoding.
const chunk = 3 << 10

// writeEncoded writes the text of b into a hash, without making all of it.
func writeEncoded(h hash.Hash, codec template.Codec, b []byte) {
	var text []byte
	for len(b) > 0 {
		n := min(chunk, len(b))
		text = codec.AppendEncoded(text[:0], b[:n])
		h.Write(text)
		b = b[n:]
	}
}

// check reports whether a MAC that came was made with the key.
func (a *mac) check(key, came []byte, text func(h hash.Hash, blob int), raw func(blob int) []byte) bool {
	return hmac.Equal(a.sum(key, text, raw), came)
}
