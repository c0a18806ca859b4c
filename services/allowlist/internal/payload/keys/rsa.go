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
	// MGF1 is the hash of the mask generation; zero means Hash. Java's
	// `OAEPWithSHA-256AndMGF1Padding` has SHA-1 here.
	MGF1 crypto.Hash
	// Label is empty almost everywhere.
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

// Wrap encrypts key, which may be any short message. It fails with [ErrKey] if public
// is not an RSA key, and with [ErrLength] if the message is too long for it.
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

// Unwrap decrypts what Wrap made.
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
// An answer that tells good padding from bad lets whoever may send messages decrypt any
// other and sign with the key (Bleichenbacher 1998). With [PKCS1v15.UnwrapKey] there is
// no such answer as long as the caller goes on with whatever key it returns. With
// [PKCS1v15.Decrypt] there is, in time if not in words; it exists for partners whose
// bodies are encrypted so.
type PKCS1v15 struct{}

// Wrap is as [OAEP.Wrap]. The library draws the padding from its own source.
func (PKCS1v15) Wrap(random io.Reader, public crypto.PublicKey, key []byte) ([]byte, error) {
	recipient, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, ErrKey
	}
	wrapped, err := rsa.EncryptPKCS1v15(random, recipient, key) //nolint:staticcheck // SA1019: deprecated, and what the partner speaks
	return wrapped, wrapError(err)
}

// UnwrapKey returns the wrapped key of n bytes, at least 16. If the padding is wrong or
// the key has another length it returns n other bytes, in the same time: nothing opens
// with them. A key that is itself a text may then turn out not to be one, which must
// not be answered in another way either.
//
// The other bytes look random to who does not have the private key, but are always the
// same for the same message (as in draft-irtf-cfrg-rsa-guidance). Were they drawn, a
// message under CBC alone that is sent a thousand times would now and then seem to
// open if its padding is wrong, and always or never if it is right.
//
// It fails only for what everybody can see: [ErrUnwrap] if wrapped is not as long as the
// modulus or greater, [ErrKey] if private is not an RSA key, [ErrParameters] for n.
func (PKCS1v15) UnwrapKey(private crypto.PrivateKey, wrapped []byte, n int) ([]byte, error) {
	recipient, err := rsaFor(private, wrapped)
	if err != nil {
		return nil, err
	}
	// Fewer bytes could be guessed, and with them whether the padding was right. The
	// padding itself takes eleven.
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
	err = rsa.DecryptPKCS1v15SessionKey(nil, recipient, wrapped, key) //nolint:staticcheck // SA1019: deprecated, and what the partner speaks
	if err != nil {
		clear(key)
		return nil, ErrUnwrap
	}
	return key, nil
}

// Decrypt returns the message that was encrypted, or [ErrUnwrap] whatever is wrong.
func (PKCS1v15) Decrypt(private crypto.PrivateKey, encrypted []byte) ([]byte, error) {
	recipient, err := rsaFor(private, encrypted)
	if err != nil {
		return nil, err
	}
	message, err := memory.Erased(func() ([]byte, error) {
		return rsa.DecryptPKCS1v15(nil, recipient, encrypted) //nolint:staticcheck // SA1019: deprecated, and what the partner speaks
	})
	if err != nil {
		return nil, ErrUnwrap
	}
	return message, nil
}

// rsaFor returns the private key if it can have been meant by what is encrypted: what
// the library pads with zeros on the left is not.
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
