package keys

import (
	"crypto"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/memory"
)

// OAEP is RSAES-OAEP (RFC 8017 section 7.1).
type OAEP struct {
	// Hash is the hash of the label.
	Hash crypto.Hash
	// MGF1 is the hash of the mask generation function. Zero means Hash. Java's
	// `OAEPWithSHA-256AndMGF1Padding` uses SHA-1 here.
	MGF1 crypto.Hash
	// Label is the OAEP label. Almost all partners leave it empty.
	Label string
}

func (o OAEP) options() (*rsa.OAEPOptions, error) {
	options := &rsa.OAEPOptions{Hash: o.Hash, MGFHash: o.MGF1, Label: []byte(o.Label)}
	if options.MGFHash == 0 {
		options.MGFHash = o.Hash
	}
	if !options.Hash.Available() || !options.MGFHash.Available() {
		return nil, ErrParameters
	}
	return options, nil
}

// Wrap encrypts key, which may be any short message. It fails with [ErrKey] if public is not an
// RSA key, and with [ErrLength] if the message is too long for the key.
func (o OAEP) Wrap(random io.Reader, public crypto.PublicKey, key []byte) ([]byte, error) {
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	recipient, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, ErrKey
	}
	wrapped, err := rsa.EncryptOAEPWithOptions(random, recipient, key, options)
	return wrapped, wrapError(err)
}

// Unwrap decrypts the output of Wrap.
func (o OAEP) Unwrap(private crypto.PrivateKey, wrapped []byte) ([]byte, error) {
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	recipient, err := rsaFor(private, wrapped)
	if err != nil {
		return nil, err
	}
	// The library takes no randomness here.
	key, err := memory.Erased(func() ([]byte, error) { return recipient.Decrypt(nil, wrapped, options) })
	if err != nil {
		return nil, ErrUnwrap
	}
	return key, nil
}

// PKCS1v15 is RSAES-PKCS1-v1_5 (RFC 8017 section 7.2).
//
// An answer that distinguishes good padding from bad lets any sender of messages decrypt any
// other message and sign with the key (Bleichenbacher 1998). [PKCS1v15.UnwrapKey] gives no such
// answer as long as the caller continues with whatever key it returns. [PKCS1v15.Decrypt] gives
// one, in its time if not in its error. It exists for partners that encrypt bodies this way.
type PKCS1v15 struct{}

// Wrap is like [OAEP.Wrap]. The library generates the padding from its own source.
func (PKCS1v15) Wrap(random io.Reader, public crypto.PublicKey, key []byte) ([]byte, error) {
	recipient, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, ErrKey
	}
	wrapped, err := rsa.EncryptPKCS1v15(random, recipient, key) //nolint:staticcheck // SA1019: deprecated, but required by partners
	return wrapped, wrapError(err)
}

// UnwrapKey returns the wrapped key of n bytes, at least 16. If the padding is wrong or the key
// has another length, it returns n other bytes in the same time. Nothing decrypts with these. If
// the key itself is text, the other bytes may turn out not to be a valid key; the caller must
// not answer that differently either.
//
// The other bytes look random without the private key, but are always the same for the same
// message (as in draft-irtf-cfrg-rsa-guidance). If they were random, a message under CBC alone,
// sent a thousand times, would occasionally seem to decrypt if its padding is wrong, but always
// or never if it is right.
//
// UnwrapKey fails only for publicly visible reasons: [ErrUnwrap] if wrapped is not as long as
// the modulus or is greater, [ErrKey] if private is not an RSA key, and [ErrParameters] for an
// invalid n.
func (PKCS1v15) UnwrapKey(private crypto.PrivateKey, wrapped []byte, n int) ([]byte, error) {
	recipient, err := rsaFor(private, wrapped)
	if err != nil {
		return nil, err
	}
	// An attacker could guess fewer bytes, and then learn whether the padding was right. The
	// padding itself takes eleven bytes.
	if n < 16 || n > recipient.Size()-11 {
		return nil, ErrParameters
	}
	return memory.Erased(func() ([]byte, error) { return unwrapKey(recipient, wrapped, n) })
}

func unwrapKey(recipient *rsa.PrivateKey, wrapped []byte, n int) ([]byte, error) {
	secret := recipient.D.Bytes()
	defer clear(secret)
	key, err := hkdf.Key(sha256.New, secret, wrapped, "key in place of one that does not open", n)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	err = rsa.DecryptPKCS1v15SessionKey(nil, recipient, wrapped, key) //nolint:staticcheck // SA1019: deprecated, but required by partners
	if err != nil {
		clear(key)
		return nil, ErrUnwrap
	}
	return key, nil
}

// Decrypt returns the decrypted message, or [ErrUnwrap] for any failure.
func (PKCS1v15) Decrypt(private crypto.PrivateKey, encrypted []byte) ([]byte, error) {
	recipient, err := rsaFor(private, encrypted)
	if err != nil {
		return nil, err
	}
	message, err := memory.Erased(func() ([]byte, error) {
		return rsa.DecryptPKCS1v15(nil, recipient, encrypted) //nolint:staticcheck // SA1019: deprecated, but required by partners
	})
	if err != nil {
		return nil, ErrUnwrap
	}
	return message, nil
}

// rsaFor returns the private key if the length of the ciphertext fits it. The library would pad
// a short ciphertext with zeros on the left; rsaFor refuses it.
func rsaFor(private crypto.PrivateKey, encrypted []byte) (*rsa.PrivateKey, error) {
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, ErrKey
	}
	if len(encrypted) != key.Size() {
		return nil, ErrUnwrap
	}
	return key, nil
}

func wrapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rsa.ErrMessageTooLong):
		return ErrLength
	default:
		return fmt.Errorf("wrap key: %w", err)
	}
}
