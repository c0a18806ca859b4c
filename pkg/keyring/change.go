package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
)

// The reasons of refused changes.
const (
	ReasonFull      fault.Reason = "KEYRING_FULL"
	ReasonNotFound  fault.Reason = "KEY_NOT_FOUND"
	ReasonInUse     fault.Reason = "KEY_IN_USE"
	ReasonDestroyed fault.Reason = "KEY_DESTROYED"
)

// ErrProvider wraps the error of a provider during a change, which changed nothing.
var ErrProvider = errors.New("the provider of the key-encryption key failed")

// The limits of a keyring.
const (
	// maxKeys is the maximum number of keys that are not destroyed.
	maxKeys = 50
	// maxListed is the maximum number of destroyed keys that are listed.
	maxListed = 100
	// maxRoots is the maximum number of roots.
	maxRoots = 8
	// maxGeneration is the greatest generation of a root, which rows have in one byte.
	maxGeneration = 255
)

// An Also is what a change does in the transaction that stores it. It may run more than once.
type Also func(tx kv.Tx) error

// Rotate adds a key, which seals from now on, and a root. also gets the seed of the next key of the
// change log. Once Rotate returns, call Authenticate, so that new rows depend on the new root. It
// fails with KEYRING_FULL.
func (k *Keyring) Rotate(ctx context.Context, also func(tx kv.Tx, next [RootSize]byte) error) error {
	_, err := k.change(ctx, func(next *opened) (Also, error) {
		if len(next.keys)-next.destroyed() >= maxKeys || len(next.roots) >= maxRoots {
			return nil, fault.New(fault.FailedPrecondition, ReasonFull,
				"the keyring has too many keys or roots; destroy keys that are not used, or wait until earlier roots are erased")
		}
		now := time.Now().UnixNano()
		manager := keyset.NewManagerFromHandle(next.handle)
		id, err := next.add(manager)
		if err != nil {
			return nil, fmt.Errorf("generate key: %w", err)
		}
		root := newRoot(next.freeGeneration(), now)
		next.keys = append(next.keys, &stored.Key{Id: id, Created: now})
		next.roots = append(next.roots, root)
		seed := k.logSeed(root)
		return func(tx kv.Tx) error { return also(tx, seed) }, next.replace(manager)
	})
	return err
}

// add generates the next primary key. Its ID is not that of a destroyed key.
func (o *opened) add(manager *keyset.Manager) (uint32, error) {
	for {
		id, err := manager.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return 0, err
		}
		if o.key(keyID(id)) == nil {
			return id, manager.SetPrimary(id)
		}
		if err := manager.Delete(id); err != nil {
			return 0, err
		}
	}
}

// Enable lets a disabled key open again. It fails with KEY_NOT_FOUND and KEY_DESTROYED. It reports
// false, and does not call also, if the key is enabled.
func (k *Keyring) Enable(ctx context.Context, id string, also Also) (changed bool, err error) {
	return k.switchKey(ctx, id, also, keyset.Disabled, (*keyset.Manager).Enable)
}

// Disable prevents a key from opening until it is enabled again. It fails with KEY_NOT_FOUND,
// KEY_DESTROYED, and with KEY_IN_USE for the key that seals. It reports false, and does not call
// also, if the key is disabled.
func (k *Keyring) Disable(ctx context.Context, id string, also Also) (changed bool, err error) {
	return k.switchKey(ctx, id, also, keyset.Enabled, (*keyset.Manager).Disable)
}

// switchKey changes the status of a key that has the status from.
func (k *Keyring) switchKey(ctx context.Context, id string, also Also, from keyset.KeyStatus, do func(*keyset.Manager, uint32) error) (changed bool, err error) {
	return k.change(ctx, func(next *opened) (Also, error) {
		key, err := next.find(id)
		if err != nil {
			return nil, err
		}
		if key.GetDestroyed() != 0 {
			return nil, fault.New(fault.FailedPrecondition, ReasonDestroyed, "the key is destroyed")
		}
		if id == next.keyID && from == keyset.Enabled {
			return nil, inUse("the key is the primary one", 0)
		}
		if next.status(key.GetId()) != from {
			return nil, errUnchanged
		}
		manager := keyset.NewManagerFromHandle(next.handle)
		return also, errors.Join(do(manager, key.GetId()), next.replace(manager))
	})
}

// Destroy removes a key for good. The caller has made sure that nothing depends on it. It fails with
// KEY_NOT_FOUND, and with KEY_IN_USE for the key that seals. It reports false, and does not call also,
// if the key is destroyed.
func (k *Keyring) Destroy(ctx context.Context, id string, also Also) (changed bool, err error) {
	return k.change(ctx, func(next *opened) (Also, error) {
		key, err := next.find(id)
		switch {
		case err != nil:
			return nil, err
		case key.GetDestroyed() != 0:
			return nil, errUnchanged
		case id == next.keyID:
			return nil, inUse("the key is the primary one", 0)
		}
		manager := keyset.NewManagerFromHandle(next.handle)
		next.setDestroyed(id, time.Now().UnixNano())
		return also, errors.Join(manager.Delete(key.GetId()), next.replace(manager))
	})
}

// InUse returns the error for a key on which versions depend.
func InUse(versions uint64) error {
	return inUse("values depend on the key; rewrap them first", versions)
}

func inUse(message string, versions uint64) error {
	return fault.New(fault.FailedPrecondition, ReasonInUse, message).With("version_count", strconv.FormatUint(versions, 10))
}

// Retire removes all roots but the newest. The caller has made sure that no row depends on them. It
// reports false, and does not call also, if there is no other.
func (k *Keyring) Retire(ctx context.Context, also Also) (changed bool, err error) {
	return k.change(ctx, func(next *opened) (Also, error) {
		if len(next.roots) == 1 {
			return nil, errUnchanged
		}
		next.roots = next.roots[len(next.roots)-1:]
		return also, nil
	})
}

// Wrap wraps the record by a configured provider, whose key is read again.
func (k *Keyring) Wrap(ctx context.Context, uri string, also Also) error {
	_, err := k.change(ctx, func(next *opened) (Also, error) {
		if !slices.Contains(k.providers.All(), uri) {
			return nil, fault.Field("provider", "must be a provider of the configuration")
		}
		next.provider = uri
		return also, nil
	})
	return err
}

// errUnchanged ends a change that has nothing to do.
var errUnchanged = errors.New("nothing to change")

// change stores the keyring as edit changes it, and then uses it. edit gets a copy, and returns what
// else to do in the transaction. change reports false if edit has nothing to change.
func (k *Keyring) change(ctx context.Context, edit func(next *opened) (Also, error)) (changed bool, err error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	before := k.opened.Load()
	next := before.clone()
	also, err := edit(next)
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// The provider may be slow, so it is called before the transaction.
	kek, err := k.providers.open(ctx, next.provider)
	if err == nil {
		err = next.seal(ctx, kek, k.purpose)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	failpoint.Hit(failpoint.KeyringSealed)
	err = k.store.Update(ctx, func(tx kv.Tx) error {
		stored, err := tx.Get(recordKey(k.purpose))
		if err != nil {
			return fmt.Errorf("read keyring: %w", err)
		}
		if !bytes.Equal(stored, before.raw) {
			return fault.New(fault.Aborted, fault.Contention, "another process changed the keyring; restart this one")
		}
		if err := tx.Put(recordKey(k.purpose), next.raw); err != nil {
			return fmt.Errorf("write keyring: %w", err)
		}
		if also == nil {
			return nil
		}
		return also(tx)
	})
	if err != nil {
		return false, err
	}
	failpoint.Hit(failpoint.KeyringStored)
	k.opened.Store(next)
	return true, nil
}

// clone returns a copy that a change may edit.
func (o *opened) clone() *opened {
	next := *o
	next.keys, next.roots = slices.Clone(o.keys), slices.Clone(o.roots)
	return &next
}

// replace takes the keyset of a manager.
func (o *opened) replace(manager *keyset.Manager) (err error) {
	if o.handle, err = manager.Handle(); err != nil {
		return fmt.Errorf("change keyset: %w", err)
	}
	return o.use()
}

// key returns what is known about a key, or nil.
func (o *opened) key(id string) *stored.Key {
	i := slices.IndexFunc(o.keys, func(k *stored.Key) bool { return keyID(k.GetId()) == id })
	if i < 0 {
		return nil
	}
	return o.keys[i]
}

// find is key with an error.
func (o *opened) find(id string) (*stored.Key, error) {
	if key := o.key(id); key != nil {
		return key, nil
	}
	return nil, fault.New(fault.NotFound, ReasonNotFound, "the keyring has no such key")
}

// setDestroyed marks a key as destroyed. Only the last destroyed keys remain listed.
func (o *opened) setDestroyed(id string, at int64) {
	for i, key := range o.keys {
		if keyID(key.GetId()) == id {
			o.keys[i] = proto.CloneOf(key)
			o.keys[i].Destroyed = at
		}
	}
	if o.destroyed() > maxListed {
		oldest := slices.IndexFunc(o.keys, func(k *stored.Key) bool { return k.GetDestroyed() != 0 })
		o.keys = slices.Delete(o.keys, oldest, oldest+1)
	}
}

// destroyed returns the number of destroyed keys.
func (o *opened) destroyed() (n int) {
	for _, key := range o.keys {
		if key.GetDestroyed() != 0 {
			n++
		}
	}
	return n
}

// status returns the status of a key of the keyset.
func (o *opened) status(id uint32) keyset.KeyStatus {
	for i := range o.handle.Len() {
		if entry, err := o.handle.Entry(i); err == nil && entry.KeyID() == id {
			return entry.KeyStatus()
		}
	}
	return keyset.Unknown
}

// freeGeneration returns a generation that no root has. It follows the newest one.
func (o *opened) freeGeneration() uint32 {
	generation := o.roots[len(o.roots)-1].GetGeneration()
	for {
		generation = generation%maxGeneration + 1
		if !slices.ContainsFunc(o.roots, func(r *stored.Root) bool { return r.GetGeneration() == generation }) {
			return generation
		}
	}
}
