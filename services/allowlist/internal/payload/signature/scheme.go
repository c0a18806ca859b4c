package signature

import (
	"crypto"
	"crypto/hmac"
	"hash"
	"io"
	"sync"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
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

// HMAC is a message authentication code (RFC 2104). [NewHMAC] makes one.
type HMAC struct {
	hash crypto.Hash
	// made are the codes of keys that were used before.
	made *keys.Cache[*codes]
}

// NewHMAC returns the scheme of a hash.
func NewHMAC(hash crypto.Hash) HMAC { return HMAC{hash: hash, made: new(keys.Cache[*codes])} }

func (s HMAC) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	secret, ok := shared(key)
	if !ok {
		return nil, ErrKey
	}
	of, err := s.made.Get(secret, in.keepUnused, func() (*codes, error) { return new(codes), nil })
	if err != nil {
		return nil, err
	}
	h := of.take()
	if h == nil {
		memory.Do(func() { h = hmac.New(s.hash.New, secret) })
	}
	defer of.give(h)
	return s.sum(h, in), nil
}

func (HMAC) sum(h hash.Hash, in *signed) []byte {
	in.writeTo(h, nil)
	return h.Sum(nil)
}

// maxCodes is how many messages sign with a key at the same time without another code.
const maxCodes = 8

// codes are message authentication codes of one key that no message uses at the moment.
type codes struct {
	mutex sync.Mutex
	free  []hash.Hash
}

// take returns a code, or nil if all are in use.
func (c *codes) take() hash.Hash {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.free) == 0 {
		return nil
	}
	h := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	return h
}

// give takes a code back, without what was signed.
func (c *codes) give(h hash.Hash) {
	h.Reset()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.free) < maxCodes {
		c.free = append(c.free, h)
	}
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
	return memory.Erased(func() ([]byte, error) {
		h := s.Hash.New()
		in.writeTo(h, secret)
		return h.Sum(nil), nil
	})
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
