package symmetric

import (
	"crypto"
	"crypto/hmac"
	"hash"

	"github.com/keyward/keyward/pkg/memory"
)

// A MAC authenticates a ciphertext.
type MAC struct {
	Hash  crypto.Hash
	Input []MACInput
}

// A MACInput is a literal or a blob, which is included in its encoded form or as its bytes before
// encoding.
type MACInput struct {
	Literal string
	Blob    int // NoBlob for a literal
	Raw     bool
}

// NoBlob is the value of Blob for a literal.
const NoBlob = -1

// Sum returns the MAC of blobs. Text writes the encoded form of a blob, and raw returns its bytes.
func (a *MAC) Sum(key []byte, text func(h hash.Hash, blob int), raw func(blob int) []byte) []byte {
	var h hash.Hash
	memory.Do(func() { h = hmac.New(a.Hash.New, key) })
	for _, in := range a.Input {
		switch {
		case in.Blob == NoBlob:
			h.Write([]byte(in.Literal))
		case in.Raw:
			h.Write(raw(in.Blob))
		default:
			text(h, in.Blob)
		}
	}
	return h.Sum(nil)
}

// Check reports whether a received MAC is valid under the key.
func (a *MAC) Check(key, came []byte, text func(h hash.Hash, blob int), raw func(blob int) []byte) bool {
	return hmac.Equal(a.Sum(key, text, raw), came)
}
