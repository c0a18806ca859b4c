package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/keyward/keyward/pkg/keyring/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
)

// ErrWrongKey reports a key-encryption key that does not open the stored keyring: it is another
// key, or the keyring was changed.
var ErrWrongKey = errors.New("keyring: the key-encryption key does not open the stored keys")

// ErrWrongStore reports a store with the keyring of another service.
var ErrWrongStore = errors.New("keyring: the store belongs to another service")

// The key of the store that a keyring uses:
//
//	keyring/{purpose}/record → stored.Record
const space = "keyring"

func recordKey(purpose string) kv.Key { return kv.NewKey(space).Text(purpose).Text("record") }

// Open opens the stored keyring of a purpose, or creates one if the store has none. The purpose
// names the service and is part of all sealed data. A record that another configured provider
// wrapped is wrapped by the first one.
//
// It fails with [ErrWrongKey] if the provider does not have the key with which the keyring was
// wrapped, with [ErrUnavailable] if it cannot be reached, and with [ErrWrongStore] if the store
// contains the keyring of another purpose, which means that it belongs to another service.
func Open(ctx context.Context, store kv.Store, providers Providers, purpose string) (*Keyring, error) {
	k := &Keyring{purpose: purpose, store: store, providers: providers}
	if err := k.open(ctx); err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", purpose, err)
	}
	return k, nil
}

// OpenReadOnly is Open for a store that is only read. It changes nothing: it creates no keys, and leaves
// the record wrapped as it is. Methods that change the keyring fail.
func OpenReadOnly(ctx context.Context, store kv.Store, providers Providers, purpose string) (*Keyring, error) {
	k := &Keyring{purpose: purpose, store: store, providers: providers}
	now, err := k.load(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", purpose, err)
	}
	k.opened.Store(now)
	return k, nil
}

func (k *Keyring) open(ctx context.Context) error {
	now, err := k.load(ctx, k.begin)
	if err != nil {
		return err
	}
	k.opened.Store(now)
	if now.provider == k.providers.URI {
		return nil
	}
	return k.Wrap(ctx, k.providers.URI, nil)
}

// load opens the stored keyring. It passes a new one, and that of an earlier release, to begin, which
// stores the record. Without begin, it stores nothing, and there must be a keyring.
func (k *Keyring) load(ctx context.Context, begin func(context.Context, *opened, *earlier) (*opened, error)) (*opened, error) {
	var found rows
	err := k.store.View(ctx, func(r kv.Reader) (err error) {
		found, err = read(r, k.purpose)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found.record != nil {
		return unseal(ctx, found.record, k.providers, k.purpose)
	}
	if found.earlier == nil && begin == nil {
		return nil, errors.New("the store has no keyring")
	}
	var fresh *opened
	if found.earlier != nil {
		fresh, err = found.earlier.convert(ctx, k)
	} else {
		fresh, err = k.create()
	}
	if err != nil || begin == nil {
		return fresh, err
	}
	return begin(ctx, fresh, found.earlier)
}

// rows are the rows of a keyring. Without any, the store has no keyring.
type rows struct {
	record  []byte
	earlier *earlier
}

// read returns the stored rows. A part without the others means a damaged store, and never leads to
// new keys.
func read(r kv.Reader, purpose string) (found rows, err error) {
	var old earlier
	for pair, err := range r.Scan(kv.Prefix(kv.NewKey(space), 16)) {
		switch {
		case err != nil:
			return rows{}, fmt.Errorf("read keyring: %w", err)
		case bytes.Equal(pair.Key, recordKey(purpose)):
			found.record = nonNil(pair.Value)
		case bytes.Equal(pair.Key, earlierKeysetKey(purpose)):
			old.keyset = nonNil(pair.Value)
		case bytes.Equal(pair.Key, earlierRootKey(purpose)):
			old.root = nonNil(pair.Value)
		default:
			return rows{}, ErrWrongStore
		}
	}
	switch {
	case (old.keyset == nil) != (old.root == nil) || old.keyset != nil && found.record != nil:
		return rows{}, errors.New("the store has only some of the rows of a keyring")
	case old.keyset != nil:
		found.earlier = &old
	case found.record == nil:
		return rows{}, checkEmpty(r)
	}
	return found, nil
}

// checkEmpty fails if the store has rows. Without their keyring, nothing could read them any more.
func checkEmpty(r kv.Reader) error {
	for _, err := range r.Scan(kv.Range{Limit: 1}) { // a row that cannot be verified yet is an error
		return errors.Join(errors.New("the store has data but no keyring: the row of the keyring was removed"), err)
	}
	return nil
}

func nonNil(value []byte) []byte { return append([]byte{}, value...) }

// create generates keys.
func (k *Keyring) create() (*opened, error) {
	now := time.Now().UnixNano()
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generate keyset: %w", err)
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	fresh := &opened{
		provider: k.providers.URI, handle: handle, keys: []*stored.Key{{Id: primary.KeyID(), Created: now}},
		roots: []*stored.Root{newRoot(1, now)}, lasting: random(),
	}
	return fresh, fresh.use()
}

// begin stores the first record, in place of the rows of an earlier release if there were any. If
// another process was faster, it returns what that one stored.
func (k *Keyring) begin(ctx context.Context, fresh *opened, replaced *earlier) (*opened, error) {
	kek, err := k.providers.open(ctx, k.providers.URI)
	if err != nil {
		return nil, err
	}
	if err := fresh.seal(ctx, kek, k.purpose); err != nil {
		return nil, err
	}
	var found rows
	err = k.store.Update(ctx, func(tx kv.Tx) (err error) {
		if found, err = read(tx, k.purpose); err != nil || found.record != nil {
			return err
		}
		if !found.earlier.same(replaced) {
			return errors.New("the stored keyring changed meanwhile")
		}
		if replaced != nil {
			err = errors.Join(tx.Delete(earlierKeysetKey(k.purpose)), tx.Delete(earlierRootKey(k.purpose)))
		}
		return errors.Join(err, tx.Put(recordKey(k.purpose), fresh.raw))
	})
	if err != nil {
		return nil, fmt.Errorf("write keyring: %w", err)
	}
	if found.record != nil {
		return unseal(ctx, found.record, k.providers, k.purpose)
	}
	return fresh, nil
}

// random returns a secret.
func random() []byte {
	secret := make([]byte, RootSize)
	rand.Read(secret)
	return secret
}

func newRoot(generation uint32, created int64) *stored.Root {
	return &stored.Root{Generation: generation, Created: created, Secret: random()}
}
