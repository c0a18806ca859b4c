package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/sensitive"
)

// An envelope is how one value is kept. Two seals, one inside the other's reach:
//
//	                 keyset ──────── seals ───────┐
//	                                              ▼
//	  data key (32 random bytes, used once) ── wrapped key
//	      │
//	      └── seals ──────────────────────────────┐
//	                                              ▼
//	  length │ value │ zeros ────────────────── ciphertext
//	  └──── padded by PADMÉ ────┘
//
//	associated data of the wrapped key: "data key", algorithm, key id, AD
//	associated data of the ciphertext:  "value",    algorithm,         AD
//
// The key id belongs to the wrap alone, so that a value is rewrapped under a new
// key of the keyset without being touched. Without the wrap, no copy of the
// ciphertext opens. The padded length is all that the ciphertext's length tells.

// Algorithm is how values are sealed.
const Algorithm = "AES-256-GCM"

const (
	dataKeySize = 32
	lengthSize  = 4
	// maxValue is far above the limits of the services, and fits into a transaction.
	maxValue = kv.MaxBytes / 2
)

// errOpen does not reveal which part of an envelope is wrong.
var errOpen = errors.New("the sealed value cannot be opened here")

// AD is the associated data of a sealed value: the place to which it belongs. The value cannot be
// opened for any other place.
type AD struct {
	// Purpose is the kind of value, such as `secret-value`.
	Purpose string
	// Workspace is the tenant.
	Workspace string
	// UID identifies the incarnation of the resource.
	UID string
	// Version is the version of the resource.
	Version uint32
	// Usage is what the value may be used for. It is empty for values that were sealed before it was
	// part of the associated data.
	Usage string
}

// bind returns the associated data of a use in the place, which follows the first parts.
func (ad AD) bind(d domain, first ...string) []byte {
	parts := append(make([]string, 0, 8), first...) // on the stack
	parts = append(parts, ad.Purpose, ad.Workspace, ad.UID, strconv.FormatUint(uint64(ad.Version), 10))
	if ad.Usage != "" {
		parts = append(parts, ad.Usage)
	}
	return d.bind(parts...)
}

// SealValue seals a value with its own data key. The caller keeps ownership of the plaintext.
func (k *Keyring) SealValue(plaintext sensitive.Bytes, ad AD) (Sealed, error) {
	if plaintext.Len() > maxValue {
		return Sealed{}, errors.New("seal value: it is too large")
	}
	dataKey := make([]byte, dataKeySize)
	defer clear(dataKey)
	rand.Read(dataKey)
	now := k.opened.Load()
	sealed := Sealed{Algorithm: Algorithm, KeyID: now.keyID}
	wrapped, err := now.aead.Encrypt(dataKey, ad.bind(domainDataKey, sealed.Algorithm, sealed.KeyID))
	if err != nil {
		return Sealed{}, fmt.Errorf("wrap data key: %w", err)
	}
	gcm, err := valueCipher(dataKey)
	if err != nil {
		return Sealed{}, err
	}
	padded := pad(plaintext.Reveal())
	defer clear(padded)
	sealed.WrappedKey = wrapped
	sealed.Ciphertext = gcm.Seal(nil, nil, padded, ad.bind(domainValue, sealed.Algorithm)) //nolint:gosec // this cipher makes a random nonce itself
	return sealed, nil
}

// OpenValue opens a sealed value. It fails if the value was sealed for another place or has been
// changed, and with [ErrKeyDisabled] if its key is disabled.
func (k *Keyring) OpenValue(sealed Sealed, ad AD) (sensitive.Bytes, error) {
	if sealed.Algorithm != Algorithm {
		return sensitive.Bytes{}, errors.New("open value: unknown algorithm")
	}
	dataKey, err := k.opened.Load().unwrap(sealed, ad)
	if err != nil {
		return sensitive.Bytes{}, err
	}
	defer clear(dataKey)
	gcm, err := valueCipher(dataKey)
	if err != nil {
		return sensitive.Bytes{}, err
	}
	padded, err := gcm.Open(nil, nil, sealed.Ciphertext, ad.bind(domainValue, sealed.Algorithm))
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("open value: %w", errOpen)
	}
	value, err := unpad(padded)
	if err != nil {
		clear(padded)
		return sensitive.Bytes{}, fmt.Errorf("open value: %w", err)
	}
	// The rest of padded is the length of the value and zeros, so zeroing the value is enough.
	return sensitive.New(value), nil
}

// Rewrap wraps the data key of a value under the key that currently seals, and leaves the ciphertext
// as it is. It reports false if that key wraps it already. Like OpenValue, it fails for a wrap of
// another place, or one that was changed. It needs the key that wraps the data key.
func (k *Keyring) Rewrap(sealed Sealed, ad AD) (rewrapped Sealed, changed bool, err error) {
	if sealed.Algorithm != Algorithm {
		return Sealed{}, false, errors.New("rewrap value: unknown algorithm")
	}
	now := k.opened.Load()
	if sealed.KeyID == now.keyID {
		return sealed, false, nil
	}
	dataKey, err := now.unwrap(sealed, ad)
	if err != nil {
		return Sealed{}, false, err
	}
	defer clear(dataKey)
	rewrapped = Sealed{Algorithm: sealed.Algorithm, KeyID: now.keyID, Ciphertext: sealed.Ciphertext}
	rewrapped.WrappedKey, err = now.aead.Encrypt(dataKey, ad.bind(domainDataKey, rewrapped.Algorithm, rewrapped.KeyID))
	if err != nil {
		return Sealed{}, false, fmt.Errorf("wrap data key: %w", err)
	}
	return rewrapped, true, nil
}

// unwrap returns the data key of a value.
func (o *opened) unwrap(sealed Sealed, ad AD) ([]byte, error) {
	dataKey, err := o.aead.Decrypt(sealed.WrappedKey, ad.bind(domainDataKey, sealed.Algorithm, sealed.KeyID))
	if err == nil && len(dataKey) == dataKeySize {
		return dataKey, nil
	}
	clear(dataKey)
	return nil, fmt.Errorf("unwrap data key: %w", o.explain(sealed.KeyID, errOpen))
}

// valueCipher prepends a random nonce. A single-use key would not need one, but with it, an
// accidental second use of a key does no harm.
func valueCipher(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, fmt.Errorf("use data key: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("use data key: %w", err)
	}
	return gcm, nil
}

// pad returns the length of value followed by a copy of value and padding with zeros.
func pad(value []byte) []byte {
	padded := make([]byte, paddedSize(len(value)))
	binary.BigEndian.PutUint32(padded, uint32(len(value)))
	copy(padded[lengthSize:], value)
	return padded
}

// unpad returns the value inside padded, not a copy.
func unpad(padded []byte) ([]byte, error) {
	if len(padded) < lengthSize {
		return nil, errOpen
	}
	size := int64(binary.BigEndian.Uint32(padded))
	if size > int64(len(padded)-lengthSize) {
		return nil, errOpen
	}
	return padded[lengthSize : lengthSize+size : lengthSize+size], nil
}
