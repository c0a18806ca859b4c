package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/sensitive"
)

// A BackupKey is the key of one backup, with what opens it again.
type BackupKey struct {
	// Record is the stored record of the keyring, wrapped by the provider.
	Record []byte
	// Provider is the URI of that provider.
	Provider string
	// Wrapped is the key, sealed by the keyset of the record.
	Wrapped []byte
	// Key is 32 random bytes. The caller wipes it.
	Key sensitive.Bytes
}

// NewBackupKey generates the key of a backup.
func (k *Keyring) NewBackupKey() (BackupKey, error) {
	now := k.opened.Load()
	key := make([]byte, dataKeySize)
	rand.Read(key)
	wrapped, err := now.aead.Encrypt(key, domainBackup.bind(k.purpose))
	if err != nil {
		clear(key)
		return BackupKey{}, fmt.Errorf("wrap key of backup: %w", err)
	}
	return BackupKey{Record: now.raw, Provider: now.provider, Wrapped: wrapped, Key: sensitive.New(key)}, nil
}

// OpenBackupKey opens the key of a backup with the record of its keyring. It fails with [ErrWrongKey] if
// no provider has the key-encryption key that wraps the record, and with [ErrUnavailable] if one cannot
// be reached. The caller wipes the key.
func OpenBackupKey(ctx context.Context, providers Providers, purpose string, record, wrapped []byte) (sensitive.Bytes, error) {
	o, err := unseal(ctx, record, providers, purpose)
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("open keyring %s: %w", purpose, err)
	}
	key, err := o.aead.Decrypt(wrapped, domainBackup.bind(purpose))
	if err != nil || len(key) != dataKeySize {
		clear(key)
		return sensitive.Bytes{}, errors.New("open key of backup: the keyring does not open it")
	}
	return sensitive.New(key), nil
}

// StoredRecord returns the record of a keyring as it is stored.
func StoredRecord(r kv.Reader, purpose string) ([]byte, error) {
	record, err := r.Get(recordKey(purpose))
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	return record, nil
}
