package signature

import (
	"crypto"
	"crypto/hmac"
	"io"
)

// A Scheme is a way to make a signature of an input.
type Scheme interface {
	// sign returns the signature of an input under a key, or [ErrKey].
	sign(random io.Reader, key any, in *signed) ([]byte, error)
	// verifies reports whether a key is one to verify with.
	verifies(key any) bool
	// verify reports whether one of the signatures is that of the input under the key.
	verify(key any, in *signed, signatures [][]byte) bool
}

// HMAC is a message authentication code (RFC 2104).
type HMAC struct{ Hash crypto.Hash }

func (s HMAC) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	secret, ok := shared(key)
	if !ok {
		return nil, ErrKey
	}
	h := hmac.New(s.Hash.New, secret)
	in.writeTo(h, nil)
	return h.Sum(nil), nil
}

func (HMAC) verifies(key any) bool { return isShared(key) }

func (s HMAC) verify(key any, in *signed, signatures [][]byte) bool {
	return equal(s, key, in, signatures)
}

// SecretDigest is a digest of an input that holds the secret.
type SecretDigest struct{ Hash crypto.Hash }

func (s SecretDigest) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	secret, ok := shared(key)
	if !ok {
		return nil, ErrKey
	}
	h := s.Hash.New()
	in.writeTo(h, secret)
	return h.Sum(nil), nil
}

func (SecretDigest) verifies(key any) bool { return isShared(key) }

func (s SecretDigest) verify(key any, in *signed, signatures [][]byte) bool {
	return equal(s, key, in, signatures)
}

// shared returns a key that both sides hold. How long it has to be is up to the
// partner, as it is with everybody's webhooks; but there must be one.
func shared(key any) ([]byte, bool) {
	secret, ok := key.([]byte)
	return secret, ok && len(secret) > 0
}

func isShared(key any) bool {
	_, ok := shared(key)
	return ok
}

// equal makes the signature again and compares, in the same time for all.
func equal(s Scheme, key any, in *signed, signatures [][]byte) bool {
	want, err := s.sign(nil, key, in)
	if err != nil {
		return false
	}
	same := false
	for _, signature := range signatures {
		same = hmac.Equal(want, signature) || same
	}
	return same
}
