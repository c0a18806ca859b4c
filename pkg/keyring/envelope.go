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
	// maxValue is far above what a service accepts and within a transaction.
	maxValue = kv.MaxBytes / 2
)

// errOpen says nothing about which part of an envelope does not fit.
var errOpen = errors.New("the sealed value does not open here")

// AD is what a sealed value belongs to. It opens nowhere else.
type AD struct {
	// Purpose is the kind of value, such as `secret-value`.
	Purpose string
	// Workspace is the tenant.
	Workspace string
	// UID is the resource within all of time.
	UID string
	// Version is the version of the resource.
	Version uint32
}

func (ad AD) parts(first ...string) []string {
	return append(first, ad.Purpose, ad.Workspace, ad.UID, strconv.FormatUint(uint64(ad.Version), 10))
}

// SealValue seals a value under a data key of its own. The plaintext stays the
// caller's, to use and to zero.
func (k *Keyring) SealValue(plaintext sensitive.Bytes, ad AD) (Sealed, error) {
	if plaintext.Len() > maxValue {
		return Sealed{}, errors.New("seal value: it is too large")
	}
	dataKey := make([]byte, dataKeySize)
	defer clear(dataKey)
	rand.Read(dataKey)
	sealed := Sealed{Algorithm: Algorithm, KeyID: k.keyID}
	wrapped, err := k.aead.Encrypt(dataKey, domainDataKey.bind(ad.parts(sealed.Algorithm, sealed.KeyID)...))
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
	sealed.Ciphertext = gcm.Seal(nil, nil, padded, domainValue.bind(ad.parts(sealed.Algorithm)...)) //nolint:gosec // this cipher makes a random nonce itself
	return sealed, nil
}

// OpenValue opens a sealed value. It fails if the value was sealed for another
// place, or if anything of it was changed.
func (k *Keyring) OpenValue(sealed Sealed, ad AD) (sensitive.Bytes, error) {
	if sealed.Algorithm != Algorithm {
		return sensitive.Bytes{}, errors.New("open value: unknown algorithm")
	}
	dataKey, err := k.aead.Decrypt(sealed.WrappedKey, domainDataKey.bind(ad.parts(sealed.Algorithm, sealed.KeyID)...))
	if err != nil || len(dataKey) != dataKeySize {
		return sensitive.Bytes{}, fmt.Errorf("unwrap data key: %w", errOpen)
	}
	defer clear(dataKey)
	gcm, err := valueCipher(dataKey)
	if err != nil {
		return sensitive.Bytes{}, err
	}
	padded, err := gcm.Open(nil, nil, sealed.Ciphertext, domainValue.bind(ad.parts(sealed.Algorithm)...))
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("open value: %w", errOpen)
	}
	value, err := unpad(padded)
	if err != nil {
		clear(padded)
		return sensitive.Bytes{}, fmt.Errorf("open value: %w", err)
	}
	// The rest of padded is the value's length and zeros, so zeroing the value is enough.
	return sensitive.New(value), nil
}

// valueCipher writes a random nonce in front, although a key that is used once
// could do without: should a key ever be used twice, nothing breaks.
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

// pad returns a copy of value behind its length, padded with zeros.
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
