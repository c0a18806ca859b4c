package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/keyring/internal/stored"
)

// # The record
//
// A provider encrypts only 32 random bytes, which are new in each record. They encrypt the rest, so
// that a provider with a small limit suffices, and is called once for each change:
//
//	provider ── wraps ── record key (32 random bytes)
//	                         └── seals ── body: keyset, roots, lasting secret, times
//
//	associated data of the record key: "record key", purpose, URI of the provider
//	associated data of the body:       "record", purpose
//	associated data of the keyset:     "keyset", purpose
const recordKeySize = 32

// opened is the content of a record. It is never changed.
type opened struct {
	// raw is the stored record.
	raw []byte
	// provider is the URI of the provider that wrapped it.
	provider string
	handle   *keyset.Handle
	// keys are all keys, oldest first, also destroyed ones.
	keys []*stored.Key
	// roots are oldest first.
	roots   []*stored.Root
	lasting []byte
	// unknown are fields of the body that this program does not know.
	unknown []byte

	keyID string
	aead  tink.AEAD
}

// use completes what follows from the keyset.
func (o *opened) use() error {
	primary, err := o.handle.Primary()
	if err != nil {
		return fmt.Errorf("use keyset: %w", err)
	}
	if o.aead, err = aead.New(o.handle); err != nil {
		return fmt.Errorf("use keyset: %w", err)
	}
	o.keyID = keyID(primary.KeyID())
	return nil
}

// seal encrypts the content for a provider, and sets raw to the record.
func (o *opened) seal(ctx context.Context, kek tink.AEADWithContext, purpose string) error {
	recordKey := make([]byte, recordKeySize)
	defer clear(recordKey)
	rand.Read(recordKey)
	wrapped, err := kek.EncryptWithContext(ctx, recordKey, domainRecordKey.bind(purpose, o.provider))
	if err != nil {
		return fmt.Errorf("wrap keyring: %w", err)
	}
	sealer, err := subtle.NewAESGCM(recordKey)
	if err != nil {
		return fmt.Errorf("seal keyring: %w", err)
	}
	var encrypted bytes.Buffer
	if err := o.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&encrypted), sealer, domainKeyset.bind(purpose)); err != nil {
		return fmt.Errorf("seal keyset: %w", err)
	}
	message := &stored.Body{Keyset: encrypted.Bytes(), Keys: o.keys, Roots: o.roots, Lasting: o.lasting}
	message.ProtoReflect().SetUnknown(o.unknown)
	body, err := proto.Marshal(message)
	if err != nil {
		return errors.New("encode keyring") // the cause could repeat its content
	}
	defer clear(body)
	sealed, err := sealer.Encrypt(body, domainRecord.bind(purpose))
	if err != nil {
		return fmt.Errorf("seal keyring: %w", err)
	}
	o.raw, err = proto.Marshal(&stored.Record{Provider: o.provider, WrappedKey: wrapped, Body: sealed})
	if err != nil {
		return fmt.Errorf("encode keyring: %w", err)
	}
	return nil
}

// unseal opens a stored record. It fails with [ErrWrongKey] if no key-encryption key opens it.
func unseal(ctx context.Context, raw []byte, providers Providers, purpose string) (o *opened, err error) {
	var record stored.Record
	if err := proto.Unmarshal(raw, &record); err != nil || len(record.GetWrappedKey()) == 0 {
		return nil, errMalformed
	}
	err = providers.first(ctx, record.GetProvider(), func(kek tink.AEADWithContext) error {
		recordKey, err := kek.DecryptWithContext(ctx, record.GetWrappedKey(), domainRecordKey.bind(purpose, record.GetProvider()))
		if err != nil {
			return err
		}
		defer clear(recordKey)
		o, err = openBody(recordKey, record.GetBody(), purpose)
		return err
	})
	if err != nil {
		return nil, err
	}
	o.raw, o.provider = raw, record.GetProvider()
	return o, nil
}

// openBody opens the body of a record.
func openBody(recordKey, sealed []byte, purpose string) (*opened, error) {
	sealer, err := subtle.NewAESGCM(recordKey)
	if err != nil {
		return nil, err
	}
	plain, err := sealer.Decrypt(sealed, domainRecord.bind(purpose))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	var body stored.Body
	if err := proto.Unmarshal(plain, &body); err != nil {
		return nil, errMalformed
	}
	o := &opened{
		keys: body.GetKeys(), roots: body.GetRoots(), lasting: body.GetLasting(), unknown: body.ProtoReflect().GetUnknown(),
	}
	o.handle, err = keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(body.GetKeyset())), sealer, domainKeyset.bind(purpose))
	if err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	return o, errors.Join(o.check(), o.use())
}

var errMalformed = errors.New("malformed keyring")

// check fails for secrets of another length, and for roots without a generation.
func (o *opened) check() error {
	if len(o.lasting) != RootSize || len(o.roots) == 0 {
		return errMalformed
	}
	for _, root := range o.roots {
		if len(root.GetSecret()) != RootSize || root.GetGeneration() == 0 || root.GetGeneration() > maxGeneration {
			return errMalformed
		}
	}
	return nil
}

// keyID returns the ID of a key as text.
func keyID(id uint32) string { return fmt.Sprintf("%08x", id) }
