// Package keyring manages the keys of one service and encrypts with them.
//
// Keys are layered. Only the outermost one is kept outside the store, so changing it rewraps one
// small record:
//
//	key-encryption key   from a provider, such as a file (package kek)
//	└─ keyset            AES-256-GCM keys of Tink, wrapped, in the store
//	   ├─ root           32 random bytes, sealed; [Keyring.Derive] derives keys from it
//	   ├─ short strings  [Keyring.Seal]
//	   └─ data keys      one for each value, used once ([Keyring.SealValue])
//	      └─ value
//
// # Promises
//
//   - [Open] generates keys for a store that has none, once: services that start at the same
//     moment end up with the same keys. With a key-encryption key that does not open the
//     stored keys, it fails with [ErrWrongKey] and changes nothing.
//   - Sealed data opens only with the associated data that it was sealed with, and only for
//     the use that it was sealed for: a string does not open as a data key, and a data key
//     does not open as the root.
//   - Keys are never printed: a [Keyring] that is formatted or logged prints its purpose and
//     the ID of its key.
//
// # Providers
//
// A provider of key-encryption keys is a function that returns a [tink.AEAD]. The interface is
// Tink's, so its clients of key management services can be used directly.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// RootSize is the length of the root secret and of derived keys.
const RootSize = 32

// A Keyring holds the opened keys of one service. It is safe for concurrent use and must not be
// copied.
type Keyring struct {
	purpose string
	keyID   string
	aead    tink.AEAD
	root    []byte
}

// KeyID returns the ID of the key that currently seals.
func (k *Keyring) KeyID() string { return k.keyID }

// Seal encrypts a short string with the keyset. It opens only with the same associated data, which
// may be empty.
func (k *Keyring) Seal(plaintext, associatedData []byte) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plaintext, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts the output of Seal. It fails if the ciphertext or the associated data was changed.
func (k *Keyring) Open(sealed, associatedData []byte) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(sealed, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("open sealed text: %w", err)
	}
	return plaintext, nil
}

// Derive returns the key for a purpose. The key is always the same, even after a restart, and
// reveals nothing about the keys for other purposes.
func (k *Keyring) Derive(purpose string) [RootSize]byte {
	key, err := hkdf.Key(sha256.New, k.root, nil, string(domainDerive.bind(k.purpose, purpose)), RootSize)
	if err != nil {
		// HKDF refuses only lengths above 255 hashes; this length is a constant.
		panic("keyring: derive: " + err.Error())
	}
	defer clear(key)
	return [RootSize]byte(key)
}

// String returns the name of the keyring, without its keys.
func (k *Keyring) String() string { return "keyring " + k.purpose + " (key " + k.keyID + ")" }

// Format writes the result of String for every verb. Otherwise fmt would print the bytes of
// unexported fields.
func (k *Keyring) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, k.String()) // fmt reports what its writer returns
}

// LogValue returns the result of String.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }
