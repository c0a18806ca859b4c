package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring/internal/stored"
	"github.com/keyward/keyward/pkg/kv"
)

// earlier is the keyring of a release without rotation. Its rows have no URI, so any configured
// provider may have wrapped them:
//
//	keyring/{purpose}/keyset → format byte, Tink keyset wrapped by the key-encryption key
//	keyring/{purpose}/root   → format byte, root secret sealed by the keyset
type earlier struct {
	keyset, root []byte
}

// earlierFormat is the first byte of both rows.
const earlierFormat = 1

func earlierKeysetKey(purpose string) kv.Key { return kv.NewKey(space).Text(purpose).Text("keyset") }

func earlierRootKey(purpose string) kv.Key { return kv.NewKey(space).Text(purpose).Text("root") }

// same reports whether two keyrings are equal, or both nil.
func (e *earlier) same(other *earlier) bool {
	if e == nil || other == nil {
		return e == other
	}
	return bytes.Equal(e.keyset, other.keyset) && bytes.Equal(e.root, other.root)
}

// convert returns the keyring as the content of a record. Its root becomes both the first root and the lasting
// secret, because everything derived from it.
func (e *earlier) convert(ctx context.Context, k *Keyring) (*opened, error) {
	if len(e.keyset) == 0 || e.keyset[0] != earlierFormat || len(e.root) == 0 || e.root[0] != earlierFormat {
		return nil, errors.New("unknown record format")
	}
	handle, err := e.unwrap(ctx, k)
	if err != nil {
		return nil, err
	}
	converted := &opened{provider: k.providers.URI, handle: handle}
	if err := converted.use(); err != nil {
		return nil, err
	}
	if converted.lasting, err = converted.aead.Decrypt(e.root[1:], domainRoot.bind(k.purpose)); err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	for _, info := range handle.KeysetInfo().GetKeyInfo() {
		converted.keys = append(converted.keys, &stored.Key{Id: info.GetKeyId()})
	}
	converted.roots = []*stored.Root{{Generation: 1, Secret: bytes.Clone(converted.lasting)}}
	return converted, converted.check()
}

// unwrap opens the keyset with one of the configured providers.
func (e *earlier) unwrap(ctx context.Context, k *Keyring) (handle *keyset.Handle, err error) {
	err = k.providers.first(ctx, "", func(kek tink.AEADWithContext) error {
		wrapped := keyset.NewBinaryReader(bytes.NewReader(e.keyset[1:]))
		handle, err = keyset.ReadWithContext(ctx, wrapped, kek, domainKeyset.bind(k.purpose))
		return err
	})
	return handle, err
}
