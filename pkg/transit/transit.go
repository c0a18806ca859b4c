// Package transit takes values from the vault to the process that resolves them, encrypted
// for that process alone. So they never lie in the buffers of gRPC, HTTP/2 and TLS, on
// either side, which no one overwrites.
//
// A [Recipient] has a key pair in memory. A [Sealer] encapsulates a key to its public key
// (HPKE, RFC 9180) once, and encrypts each value with what HPKE exports: one AES-GCM
// encryption for each value. The contract, vault.v1.SealedForRecipient, says the same in the
// terms of the wire.
//
// Transport security stays what protects values from everyone else: a recipient's key is
// not authenticated here.
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
	// ErrRecipient means that no value can be sealed for a public key.
	ErrRecipient = errors.New("must be an X25519 public key of 32 bytes")
	// ErrOpen means that a value was not sealed for this recipient, or for another place.
	ErrOpen = errors.New("the value does not open for this recipient")
)

// A Place is what a value belongs to. It opens nowhere else.
type Place struct {
	Name, UID string
	Version   uint32
}

func (p Place) bind() []byte {
	return bytes.Join([][]byte{[]byte(p.Name), []byte(p.UID), strconv.AppendUint(nil, uint64(p.Version), 10)}, []byte("\n"))
}

// A Value is a value for one recipient.
type Value struct {
	// EncapsulatedKey leads the recipient to the content key.
	EncapsulatedKey []byte
	// Ciphertext is nonce, ciphertext and tag.
	Ciphertext []byte
}

// encapsulate makes a content key for a recipient.
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

// contentCipher returns the cipher of the content key that a context of HPKE exports.
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
