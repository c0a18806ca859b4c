package vaulttest

import (
	"context"
	"errors"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
)

// AddPrimary adds a key to the stored keyring of a vault and makes it the primary one. A keyring that is
// then opened seals with it, and opens what the keys before it sealed.
func AddPrimary(ctx context.Context, store kv.Store, kek tink.AEAD) error {
	keys, err := keyring.Open(ctx, store, keyring.Local("file:key", kek), "vault")
	if err != nil {
		return err
	}
	return keys.Rotate(ctx, func(kv.Tx, [keyring.RootSize]byte) error { return nil })
}

// DropKeys removes all keys but the primary one from the stored keyring of a vault.
func DropKeys(ctx context.Context, store kv.Store, kek tink.AEAD) error {
	keys, err := keyring.Open(ctx, store, keyring.Local("file:key", kek), "vault")
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range keys.Info().Keys {
		if key.State != keyring.Primary {
			_, err := keys.Destroy(ctx, key.ID, nil)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
