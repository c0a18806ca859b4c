package transit

import (
	"crypto/cipher"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxRecipients is the maximum number of cached recipients of a [Sealer].
	maxRecipients = 1024
	// contentLife is the time for which a content key is used. Recipients generate new keys more
	// often.
	contentLife = 10 * time.Minute
	// maxContents is the maximum number of values that are encrypted with a content key. Random
	// nonces of 96 bits would allow 2^32.
	maxContents = 1 << 30
)

// A Sealer encrypts values for recipients. It is safe for concurrent use.
type Sealer struct {
	now func() time.Time

	mutex sync.Mutex
	known *simplelru.LRU[[PublicKeySize]byte, *Sealing]
}

// NewSealer returns a sealer without cached recipients.
func NewSealer(now func() time.Time) (*Sealer, error) {
	known, err := simplelru.NewLRU[[PublicKeySize]byte, *Sealing](maxRecipients, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare recipients: %w", err)
	}
	return &Sealer{now: now, known: known}, nil
}

// For returns the sealing of one value for the recipient with a public key. It fails with
// [ErrRecipient].
func (s *Sealer) For(recipient []byte) (*Sealing, error) {
	if len(recipient) != PublicKeySize {
		return nil, ErrRecipient
	}
	key := [PublicKeySize]byte(recipient)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.now()
	if known, ok := s.known.Get(key); ok && known.fresh(now) {
		known.used++
		return known, nil
	}
	encapsulated, content, err := encapsulate(recipient)
	if err != nil {
		return nil, err
	}
	made := &Sealing{encapsulated: encapsulated, content: content, made: now, used: 1}
	s.known.Add(key, made)
	time.AfterFunc(contentLife, func() { s.forget(key, made) })
	return made, nil
}

// forget drops a content key that is too old to be used again.
func (s *Sealer) forget(recipient [PublicKeySize]byte, old *Sealing) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if known, ok := s.known.Peek(recipient); ok && known == old {
		s.known.Remove(recipient)
	}
}

// A Sealing encrypts a value for one recipient.
type Sealing struct {
	encapsulated []byte
	content      cipher.AEAD
	made         time.Time
	used         int // values; guarded by the sealer's mutex
}

func (s *Sealing) fresh(now time.Time) bool {
	return now.Sub(s.made) < contentLife && s.used < maxContents
}

// Seal encrypts a value. The caller keeps ownership and zeroes it.
func (s *Sealing) Seal(value []byte, place Place) Value {
	return Value{
		EncapsulatedKey: s.encapsulated,
		Ciphertext:      s.content.Seal(nil, nil, value, place.bind()), //nolint:gosec // this cipher makes a random nonce itself
	}
}
