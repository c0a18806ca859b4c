package signature

import (
	"bytes"
	"crypto"
	"io"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// A signed is the string to sign with the values of one message. It is not safe for concurrent
// use.
type signed struct {
	// bound is the string, unless payload is.
	bound   *expression.Bound
	payload []byte
	time    time.Time

	// keepUnused is KeepUnused of the message.
	keepUnused time.Duration

	// The assembled string and its digest, cached for the next key.
	whole, sum []byte
}

// writeTo writes the string into a hash or a buffer, which do not fail.
func (s *signed) writeTo(w io.Writer, secret []byte) error {
	if s.bound == nil {
		_, err := w.Write(s.payload)
		return err
	}
	return s.bound.Write(w, secret)
}

// show writes the string with [Hidden] in place of the secret.
func (s *signed) show(w *bytes.Buffer) {
	if s.bound == nil {
		w.Write(s.payload)
		return
	}
	s.bound.Show(w, Hidden)
}

// digest returns the digest of the string, always with the hash of the scheme.
func (s *signed) digest(hash crypto.Hash) []byte {
	if s.sum == nil {
		h := hash.New()
		_ = s.writeTo(h, nil) // only a value that depends on the secret fails
		s.sum = h.Sum(nil)
	}
	return s.sum
}

// bytes returns the string itself. It may alias the message's body.
func (s *signed) bytes() []byte {
	if s.bound == nil {
		return s.payload
	}
	if value, ok := s.bound.Alias(); ok {
		return value
	}
	if s.whole == nil {
		s.whole, _ = s.bound.Text(nil)
	}
	return s.whole
}
