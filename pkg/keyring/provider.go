package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrUnavailable reports a provider of a key-encryption key that cannot be reached at the moment.
var ErrUnavailable = errors.New("the key provider is unavailable")

// Providers are the providers of key-encryption keys that an operator configured.
type Providers struct {
	// URI names the provider that wraps the record.
	URI string
	// Further are the URIs of other providers. One of them may have wrapped the stored record, and
	// [Keyring.Wrap] may choose one of them.
	Further []string
	// Open returns the AEAD of a provider. It may contact the provider. An error that wraps
	// [ErrUnavailable] may go away by itself.
	Open func(ctx context.Context, uri string) (tink.AEADWithContext, error)
}

// All returns all URIs, that of the provider that wraps the record first.
func (p Providers) All() []string { return append([]string{p.URI}, p.Further...) }

// Local returns the only provider of a key that the process has.
func Local(uri string, kek tink.AEAD) Providers {
	return Providers{URI: uri, Open: func(context.Context, string) (tink.AEADWithContext, error) { return local{kek}, nil }}
}

// local needs no context.
type local struct{ kek tink.AEAD }

func (l local) EncryptWithContext(_ context.Context, plaintext, associatedData []byte) ([]byte, error) {
	return l.kek.Encrypt(plaintext, associatedData)
}

func (l local) DecryptWithContext(_ context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	return l.kek.Decrypt(ciphertext, associatedData)
}

// open returns the AEAD of a configured provider.
func (p Providers) open(ctx context.Context, uri string) (tink.AEADWithContext, error) {
	kek, err := p.Open(ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("open key-encryption key: %w", err)
	}
	return kek, nil
}

// first calls try with the AEAD of each configured provider until it succeeds, that of a URI first. The
// URI of the provider that wrapped a record is only a hint: a key file may have moved since. The
// error wraps [ErrUnavailable] if a provider cannot be reached, and [ErrWrongKey] otherwise.
func (p Providers) first(ctx context.Context, uri string, try func(kek tink.AEADWithContext) error) error {
	candidates := p.All()
	if i := slices.Index(candidates, uri); i > 0 {
		candidates = append([]string{uri}, slices.Delete(candidates, i, i+1)...)
	}
	var errs []error
	for _, candidate := range candidates {
		kek, err := p.open(ctx, candidate)
		if err == nil {
			err = try(kek)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", candidate, err))
	}
	err := errors.Join(errs...)
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrWrongKey, err)
}
