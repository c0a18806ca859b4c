// Package keyring holds the keys of one service and seals with them.
//
// Keys are layered. Only the outermost one lives outside the store, so to change
// it is to rewrap one small record:
//
//	key-encryption key   from a provider, such as a file ([FileKEK])
//	└─ keyset            AES-256-GCM keys of Tink, wrapped, in the store
//	   ├─ root           32 random bytes, sealed; [Keyring.Derive] grows from it
//	   ├─ short texts    [Keyring.Seal]
//	   └─ data keys      one for each value, used once ([Keyring.SealValue])
//	      └─ value
//
// # Promises
//
//   - [Open] makes keys in a store that has none, once: services that start at the
//     same moment end up with the same keys. With a key-encryption key that does
//     not open what is stored it fails with [ErrWrongKey] and changes nothing.
//   - What is sealed opens only with the associated data it was sealed with, and
//     only for the use it was sealed for: a text does not open as a data key, nor
//     a data key as the root.
//   - Nothing prints a key: a [Keyring] that is formatted or logged says its
//     purpose and the id of its key.
//
// # Providers
//
// A provider of key-encryption keys is a function that returns a [tink.AEAD]. The
// interface is Tink's, so the clients of key management services fit as they are.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// RootSize is the length of the root secret and of what is derived from it.
const RootSize = 32

// A Keyring is the opened keys of one service. It may be used from many
// goroutines and is not to be copied.
type Keyring struct {
	purpose string
	keyID   string
	aead    tink.AEAD
	root    []byte
}

// KeyID names the key that seals now.
func (k *Keyring) KeyID() string { return k.keyID }

// Seal encrypts a short text under the keyset. It opens only with the same
// associated data, which may be empty.
func (k *Keyring) Seal(plaintext, associatedData []byte) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plaintext, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made. It fails if a bit of it or of the associated data
// differs.
func (k *Keyring) Open(sealed, associatedData []byte) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(sealed, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("open sealed text: %w", err)
	}
	return plaintext, nil
}

// Derive returns the key for a purpose: the same one each time, after restarts
// too, and one that tells nothing of the key for another purpose.
func (k *Keyring) Derive(purpose string) [RootSize]byte {
	key, err := hkdf.Key(sha256.New, k.root, nil, string(domainDerive.bind(k.purpose, purpose)), RootSize)
	if err != nil {
		// HKDF refuses only lengths beyond 255 hashes; ours is a constant one.
		panic("keyring: derive: " + err.Error())
	}
	defer clear(key)
	return [RootSize]byte(key)
}

// String names the keyring without its keys.
func (k *Keyring) String() string { return "keyring " + k.purpose + " (key " + k.keyID + ")" }

// Format writes what String returns, whatever the verb: fmt would print the
// bytes of unexported fields otherwise.
func (k *Keyring) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, k.String()) // fmt reports what its writer returns
}

// LogValue returns what String returns.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }
