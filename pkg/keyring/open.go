package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/kv"
)

// ErrWrongKey reports a key-encryption key that does not open the stored keyset: it is another
// key, or the keyset was changed.
var ErrWrongKey = errors.New("keyring: the key-encryption key does not open the stored keys")

// ErrWrongStore reports a store with the keyring of another service.
var ErrWrongStore = errors.New("keyring: the store belongs to another service")

// format is the first byte of both records.
const format = 1

// The keys of the store that a keyring uses:
//
//	keyring/{purpose}/keyset → format byte, Tink keyset wrapped by the key-encryption key
//	keyring/{purpose}/root   → format byte, root secret sealed by the keyset
const space = "keyring"

func keysetKey(purpose string) kv.Key { return kv.NewKey(space).Text(purpose).Text("keyset") }

func rootKey(purpose string) kv.Key { return kv.NewKey(space).Text(purpose).Text("root") }

// records is the stored form of a keyring.
type records struct {
	keyset, root []byte
}

// Open opens the stored keyring of a purpose, or creates one if the store has none. The purpose
// names the service and is part of all sealed data.
//
// It fails with [ErrWrongKey] if kek is not the key with which the keyring was created, and with
// [ErrWrongStore] if the store contains the keyring of another purpose, which means that it
// belongs to another service.
func Open(ctx context.Context, store kv.Store, kek tink.AEAD, purpose string) (*Keyring, error) {
	var stored records
	err := store.View(ctx, func(r kv.Reader) (err error) {
		stored, err = read(r, purpose)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		stored, err = create(ctx, store, kek, purpose)
	}
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", purpose, err)
	}
	k, err := unwrap(stored, kek, purpose)
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", purpose, err)
	}
	return k, nil
}

// read returns the stored records, or kv.ErrNotFound if the store has none. One record without the
// other means a damaged store, and never leads to new keys.
func read(r kv.Reader, purpose string) (records, error) {
	wrapped, err := r.Get(keysetKey(purpose))
	absent := errors.Is(err, kv.ErrNotFound)
	if absent {
		for pair, err := range r.Scan(kv.Prefix(kv.NewKey(space), 1)) {
			if err != nil || !bytes.Equal(pair.Key, rootKey(purpose)) {
				return records{}, errors.Join(ErrWrongStore, err)
			}
		}
	}
	if err != nil && !absent {
		return records{}, fmt.Errorf("read keyset: %w", err)
	}
	root, err := r.Get(rootKey(purpose))
	if absent != errors.Is(err, kv.ErrNotFound) {
		return records{}, errors.New("the store holds one of keyset and root, but not the other")
	}
	if err != nil {
		return records{}, fmt.Errorf("read root: %w", err)
	}
	return records{keyset: wrapped, root: root}, nil
}

// create generates keys and stores them, unless another process was faster. It returns the records
// in the store.
func create(ctx context.Context, store kv.Store, kek tink.AEAD, purpose string) (records, error) {
	fresh, err := generate(kek, purpose)
	if err != nil {
		return records{}, err
	}
	var stored records
	err = store.Update(ctx, func(tx kv.Tx) (err error) {
		stored, err = read(tx, purpose)
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		stored = fresh
		if err := tx.Put(keysetKey(purpose), fresh.keyset); err != nil {
			return fmt.Errorf("write keyset: %w", err)
		}
		if err := tx.Put(rootKey(purpose), fresh.root); err != nil {
			return fmt.Errorf("write root: %w", err)
		}
		return nil
	})
	return stored, err
}

func generate(kek tink.AEAD, purpose string) (records, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return records{}, fmt.Errorf("generate keyset: %w", err)
	}
	wrapped := bytes.NewBuffer([]byte{format})
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(wrapped), kek, domainKeyset.bind(purpose)); err != nil {
		return records{}, fmt.Errorf("wrap keyset: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return records{}, fmt.Errorf("use keyset: %w", err)
	}
	root := make([]byte, RootSize)
	defer clear(root)
	rand.Read(root)
	sealed, err := primitive.Encrypt(root, domainRoot.bind(purpose))
	if err != nil {
		return records{}, fmt.Errorf("seal root: %w", err)
	}
	return records{keyset: wrapped.Bytes(), root: append([]byte{format}, sealed...)}, nil
}

// unwrap opens stored records.
func unwrap(stored records, kek tink.AEAD, purpose string) (*Keyring, error) {
	if len(stored.keyset) == 0 || stored.keyset[0] != format || len(stored.root) == 0 || stored.root[0] != format {
		return nil, errors.New("unknown record format")
	}
	wrapped := keyset.NewBinaryReader(bytes.NewReader(stored.keyset[1:]))
	handle, err := keyset.ReadWithAssociatedData(wrapped, kek, domainKeyset.bind(purpose))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongKey, err)
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	root, err := primitive.Decrypt(stored.root[1:], domainRoot.bind(purpose))
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	if len(root) != RootSize {
		return nil, errors.New("the root has the wrong length")
	}
	return &Keyring{purpose: purpose, keyID: fmt.Sprintf("%08x", primary.KeyID()), aead: primitive, root: root}, nil
}
