// Package keyring manages the keys of one service and encrypts with them.
//
// Keys are layered. Only the outermost one is kept outside the store, so changing it rewraps one
// small record:
//
//	key-encryption key    from a provider ([Providers], package kek)
//	└─ record             in the store, wrapped
//	   ├─ keyset          AES-256-GCM keys of Tink
//	   │  ├─ short strings  [Keyring.Seal]
//	   │  └─ data keys      one for each value, used once ([Keyring.SealValue])
//	   │     └─ value
//	   ├─ roots           32 random bytes each: MACs of rows ([Keyring.Authenticate]) and the key of the
//	   │                  change log ([Keyring.LogSeeds]) derive from them
//	   └─ lasting secret  32 random bytes: all other keys derive from it ([Keyring.Derive])
//
// # Rotation
//
// [Keyring.Rotate] adds a key to the keyset, which seals from then on, and a root. Earlier keys
// continue to open what they sealed, and earlier roots to authenticate rows, until nothing depends
// on them. [Keyring.Destroy] and [Keyring.Retire] then remove them from the record, for good. The
// lasting secret is not replaced: it encrypts no value, and what derives from it, such as
// fingerprints, could not be computed again.
//
// # Promises
//
//   - [Open] generates keys for a store that has none, once: services that start at the same
//     moment end up with the same keys. With a key-encryption key that does not open the
//     stored keys, it fails with [ErrWrongKey] and changes nothing.
//   - A change is either stored or has no effect. New keys are used only after they are stored.
//   - Sealed data opens only with the associated data that it was sealed with, and only for
//     the use that it was sealed for: a string does not open as a data key, and a data key
//     does not open as the record.
//   - Once the record is open, the provider is needed only for changes.
//   - Keys are never printed: a [Keyring] that is formatted or logged prints its purpose and
//     the ID of its key.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/keyward/keyward/pkg/kv"
)

// RootSize is the length of roots, of the lasting secret, and of derived keys.
const RootSize = 32

// A Keyring holds the opened keys of one service. It is safe for concurrent use and must not be
// copied.
type Keyring struct {
	purpose   string
	store     kv.Store
	providers Providers

	changing sync.Mutex // held during a change
	opened   atomic.Pointer[opened]
}

// KeyID returns the ID of the key that currently seals.
func (k *Keyring) KeyID() string { return k.opened.Load().keyID }

// Seal encrypts a short string with the keyset. It opens only with the same associated data, which
// may be empty.
func (k *Keyring) Seal(plaintext, associatedData []byte) ([]byte, error) {
	sealed, err := k.opened.Load().aead.Encrypt(plaintext, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts the output of Seal. It fails if the ciphertext or the associated data was changed,
// and with [ErrKeyDisabled] if its key is disabled.
func (k *Keyring) Open(sealed, associatedData []byte) ([]byte, error) {
	now := k.opened.Load()
	plaintext, err := now.aead.Decrypt(sealed, domainText.bind(k.purpose, string(associatedData)))
	if err != nil {
		return nil, fmt.Errorf("open sealed text: %w", now.explain(WrappedBy(sealed), err))
	}
	return plaintext, nil
}

// Derive returns the key for a purpose. The key is always the same, even after a restart or a
// rotation, and reveals nothing about the keys for other purposes.
func (k *Keyring) Derive(purpose string) [RootSize]byte {
	return k.derive(k.opened.Load().lasting, purpose)
}

// derive returns the key for a purpose that follows from a secret.
func (k *Keyring) derive(secret []byte, purpose string) [RootSize]byte {
	key, err := hkdf.Key(sha256.New, secret, nil, string(domainDerive.bind(k.purpose, purpose)), RootSize)
	if err != nil {
		// HKDF refuses only lengths above 255 hashes; this length is a constant.
		panic("keyring: derive: " + err.Error())
	}
	defer clear(key)
	return [RootSize]byte(key)
}

// String returns the name of the keyring, without its keys.
func (k *Keyring) String() string { return "keyring " + k.purpose + " (key " + k.KeyID() + ")" }

// Format writes the result of String for every verb. Otherwise fmt would print the bytes of
// unexported fields.
func (k *Keyring) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, k.String()) // fmt reports what its writer returns
}

// LogValue returns the result of String.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }
