package payload

import (
	"crypto"
	"crypto/hmac"
	"hash"

	"github.com/keyward/keyward/pkg/memory"
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
	var h hash.Hash
	memory.Do(func() { h = hmac.New(a.hash.New, key) })
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

// check reports whether a MAC that came was made with the key.
func (a *mac) check(key, came []byte, text func(h hash.Hash, blob int), raw func(blob int) []byte) bool {
	return hmac.Equal(a.sum(key, text, raw), came)
}
