// Package transit encrypts values on their way from the vault to the process that resolves them,
// for that process alone. The buffers of gRPC, HTTP/2, and TLS, which no one overwrites, therefore
// never hold plaintext values.
//
// A [Recipient] has a key pair in memory. A [Sealer] encapsulates a key to its public key (HPKE,
// RFC 9180) once, and encrypts each value with a key that HPKE exports, which takes one AES-GCM
// encryption per value. The contract, vault.v1.SealedForRecipient, specifies the wire format.
//
// Transport security still protects values from everyone else: recipients' keys are not
// authenticated here.
package transit

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
	"strconv"

	"github.com/keyward/keyward/pkg/memory"
)

const (
	// PublicKeySize is the length of a recipient's public key.
	PublicKeySize = 32
	contentKey    = 32

	info    = "keyward resolved value v1"
	context = "value"
)

var (
	// ErrRecipient reports an invalid public key.
	ErrRecipient = errors.New("must be an X25519 public key of 32 bytes")
	// ErrOpen reports a value that was sealed for another recipient or another place.
	ErrOpen = errors.New("the value cannot be opened by this recipient")
)

// A Place is the secret and version to which a value belongs. The value cannot be opened for any
// other place.
type Place struct {
	Name, UID string
	Version   uint32
}

func (p Place) bind() []byte {
	return bytes.Join([][]byte{[]byte(p.Name), []byte(p.UID), strconv.AppendUint(nil, uint64(p.Version), 10)}, []byte("\n"))
}

// A Value is a value for one recipient.
type Value struct {
	// EncapsulatedKey lets the recipient compute the content key.
	EncapsulatedKey []byte
	// Ciphertext is the nonce, the ciphertext, and the tag.
	Ciphertext []byte
}

// encapsulate generates a content key for a recipient.
func encapsulate(recipient []byte) (encapsulated []byte, content cipher.AEAD, err error) {
	memory.Do(func() { encapsulated, content, err = encapsulateNow(recipient) })
	return encapsulated, content, err
}

func encapsulateNow(recipient []byte) ([]byte, cipher.AEAD, error) {
	point, err := ecdh.X25519().NewPublicKey(recipient)
	if err != nil {
		return nil, nil, ErrRecipient
	}
	public, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return nil, nil, fmt.Errorf("use recipient: %w", err)
	}
	encapsulated, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, nil, ErrRecipient // a point of low order
	}
	content, err := contentCipher(sender.Export)
	return encapsulated, content, err
}

// contentCipher returns the cipher of the content key that an HPKE context exports.
func contentCipher(export func(string, int) ([]byte, error)) (cipher.AEAD, error) {
	key, err := export(context, contentKey)
	if err != nil {
		return nil, fmt.Errorf("export content key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use content key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
