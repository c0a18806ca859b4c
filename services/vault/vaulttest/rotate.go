package vaulttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/kv"
)

// AddPrimary adds a key to the stored keyring of a vault and makes it the primary one. A keyring that is
// then opened seals with it, and opens what the keys before it sealed.
func AddPrimary(ctx context.Context, store kv.Store, kek tink.AEAD) error {
	return changeKeys(ctx, store, kek, func(keys *keyset.Manager, _ *keyset.Handle) error {
		id, err := keys.Add(aead.AES256GCMKeyTemplate())
		return errors.Join(err, keys.SetPrimary(id))
	})
}

// DropKeys removes all keys but the primary one from the stored keyring of a vault.
func DropKeys(ctx context.Context, store kv.Store, kek tink.AEAD) error {
	return changeKeys(ctx, store, kek, func(keys *keyset.Manager, now *keyset.Handle) error {
		var errs []error
		for i := range now.Len() {
			key, err := now.Entry(i)
			if errs = append(errs, err); err == nil && !key.IsPrimary() {
				errs = append(errs, keys.Delete(key.KeyID()))
			}
		}
		return errors.Join(errs...)
	})
}

// changeKeys changes the keys of the stored keyring, and seals its root again.
func changeKeys(ctx context.Context, store kv.Store, kek tink.AEAD, change func(*keyset.Manager, *keyset.Handle) error) error {
	const purpose = "vault"
	at := kv.NewKey("keyring").Text(purpose)
	bind := func(domain string) (ad []byte) {
		for _, part := range []string{domain, purpose} {
			ad = append(binary.BigEndian.AppendUint64(ad, uint64(len(part))), part...)
		}
		return ad
	}
	return store.Update(ctx, func(tx kv.Tx) error {
		wrapped, err := tx.Get(at.Text("keyset"))
		if err != nil {
			return err
		}
		sealed, err := tx.Get(at.Text("root"))
		if err != nil {
			return err
		}
		before, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped[1:])), kek, bind("keyward keyset"))
		if err != nil {
			return err
		}
		keys := keyset.NewManagerFromHandle(before)
		if err := change(keys, before); err != nil {
			return err
		}
		after, err := keys.Handle()
		if err != nil {
			return err
		}
		rewrapped := bytes.NewBuffer(wrapped[:1])
		if err := after.WriteWithAssociatedData(keyset.NewBinaryWriter(rewrapped), kek, bind("keyward keyset")); err != nil {
			return err
		}
		resealed, err := reseal(before, after, sealed[1:], bind("keyward root"))
		return errors.Join(err, tx.Put(at.Text("keyset"), rewrapped.Bytes()), tx.Put(at.Text("root"), append(sealed[:1], resealed...)))
	})
}

func reseal(before, after *keyset.Handle, sealed, ad []byte) ([]byte, error) {
	from, err := aead.New(before)
	if err != nil {
		return nil, err
	}
	to, err := aead.New(after)
	if err != nil {
		return nil, err
	}
	plain, err := from.Decrypt(sealed, ad)
	if err != nil {
		return nil, err
	}
	return to.Encrypt(plain, ad)
}
