package keyring

import (
	"bytes"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/kv"
)

// EarlierRows returns the rows that a release without rotation stored, with a string that it sealed
// for a context, and a key that it derived.
func EarlierRows(kek tink.AEAD, purpose, text, context string) (pairs []kv.Pair, sealed []byte, derived [RootSize]byte, err error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, derived, err
	}
	wrapped := bytes.NewBuffer([]byte{earlierFormat})
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(wrapped), kek, domainKeyset.bind(purpose)); err != nil {
		return nil, nil, derived, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, nil, derived, err
	}
	root := random()
	sealedRoot, err := primitive.Encrypt(root, domainRoot.bind(purpose))
	if err != nil {
		return nil, nil, derived, err
	}
	if sealed, err = primitive.Encrypt([]byte(text), domainText.bind(purpose, context)); err != nil {
		return nil, nil, derived, err
	}
	k := Keyring{purpose: purpose}
	return []kv.Pair{
		{Key: earlierKeysetKey(purpose), Value: wrapped.Bytes()},
		{Key: earlierRootKey(purpose), Value: append([]byte{earlierFormat}, sealedRoot...)},
	}, sealed, k.derive(root, "change log"), nil
}

// StoreOf returns the store of a keyring.
func StoreOf(k *Keyring) kv.Store { return k.store }
