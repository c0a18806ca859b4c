package transit

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
)

const (
	// pairLife is the time for which a key pair is used.
	pairLife = 5 * time.Minute
	// maxSenders is the maximum number of cached encapsulated keys: those of the replicas of the
	// vault.
	maxSenders = 16
)

// A Recipient opens values that were sealed for it. It is safe for concurrent use.
type Recipient struct {
	now func() time.Time

	mutex sync.Mutex
	pair  *Pair
	made  time.Time
}

// NewRecipient returns a recipient, which generates a key pair when it first needs one.
func NewRecipient(now func() time.Time) *Recipient { return &Recipient{now: now} }

// Pair returns the key pair for a request, a new one every few minutes. The old one is dropped
// after the last response to a request that used it.
func (r *Recipient) Pair() (*Pair, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.now()
	if r.pair != nil && now.Sub(r.made) < pairLife {
		return r.pair, nil
	}
	pair, err := newPair()
	if err != nil {
		return nil, err
	}
	r.pair, r.made = pair, now
	return pair, nil
}

// Forget drops a key pair that is too old to be used again.
func (r *Recipient) Forget() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.now().Sub(r.made) >= pairLife {
		r.pair = nil
	}
}

// A Pair is a key pair of a recipient.
type Pair struct {
	public  []byte
	private hpke.PrivateKey

	mutex   sync.Mutex
	senders *simplelru.LRU[[PublicKeySize]byte, cipher.AEAD]
}

func newPair() (p *Pair, err error) {
	p = new(Pair)
	if p.senders, err = simplelru.NewLRU[[PublicKeySize]byte, cipher.AEAD](maxSenders, nil); err != nil {
		return nil, fmt.Errorf("prepare senders: %w", err)
	}
	memory.Do(func() {
		var key *ecdh.PrivateKey
		if key, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return
		}
		p.public = key.PublicKey().Bytes()
		p.private, err = hpke.NewDHKEMPrivateKey(key)
	})
	if err != nil {
		return nil, fmt.Errorf("generate key pair: %w", err)
	}
	return p, nil
}

// Public returns the public key to send. The caller must not change it.
func (p *Pair) Public() []byte { return p.public }

// Open returns a value that was sealed for the pair. The caller owns and zeroes it. It fails with
// [ErrOpen].
func (p *Pair) Open(value Value, place Place) (sensitive.Bytes, error) {
	if len(value.EncapsulatedKey) != PublicKeySize {
		return sensitive.Bytes{}, ErrOpen
	}
	content, err := p.find([PublicKeySize]byte(value.EncapsulatedKey))
	if err != nil {
		return sensitive.Bytes{}, ErrOpen
	}
	plain, err := content.Open(nil, nil, value.Ciphertext, place.bind())
	if err != nil {
		return sensitive.Bytes{}, ErrOpen
	}
	return sensitive.New(plain), nil
}

// find returns the cipher of an encapsulated key.
func (p *Pair) find(encapsulated [PublicKeySize]byte) (content cipher.AEAD, err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if content, ok := p.senders.Get(encapsulated); ok {
		return content, nil
	}
	memory.Do(func() {
		var recipient *hpke.Recipient
		recipient, err = hpke.NewRecipient(encapsulated[:], p.private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
		if err == nil {
			content, err = contentCipher(recipient.Export)
		}
	})
	if err == nil {
		p.senders.Add(encapsulated, content)
	}
	return content, err
}
