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

// A Scheme is a way to sign an input.
type Scheme interface {
	// sign returns the signature of an input under a key, or [ErrKey].
	sign(random io.Reader, key any, in *signed) ([]byte, error)
	// verifies reports whether the scheme can verify with a key.
	verifies(key any) bool
	// verify reports whether one of the signatures of the input is valid under the key.
	verify(key any, in *signed, signatures [][]byte) bool
}

// HMAC is a message authentication code (RFC 2104). Create one with [NewHMAC].
type HMAC struct {
	hash crypto.Hash
	// made caches the codes of recently used keys.
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
	_ = in.writeTo(h, nil) // only a value that depends on the secret fails
	return h.Sum(nil)
}

// maxCodes is the number of messages that can sign with a key concurrently without creating
// another code.
const maxCodes = 8

// codes are the idle message authentication codes of one key.
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

// give takes a code back and resets it.
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

// SecretDigest is a digest of an input that contains the secret.
type SecretDigest struct{ Hash crypto.Hash }

func (s SecretDigest) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	secret, ok := shared(key)
	if !ok {
		return nil, ErrKey
	}
	return memory.Erased(func() ([]byte, error) {
		h := s.Hash.New()
		_ = in.writeTo(h, secret) // a template has no value that depends on the secret and may fail
		return h.Sum(nil), nil
	})
}

func (SecretDigest) verifies(key any) bool { return isShared(key) }

func (s SecretDigest) verify(key any, in *signed, signatures [][]byte) bool {
	return equal(s, key, in, signatures)
}

// shared returns a key that both sides hold. The partner chooses its length, as with all
// webhooks, but it must not be empty.
func shared(key any) ([]byte, bool) {
	secret, ok := key.([]byte)
	return secret, ok && len(secret) > 0
}

func isShared(key any) bool {
	_, ok := shared(key)
	return ok
}

// equal computes the signature again and compares it in constant time.
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
