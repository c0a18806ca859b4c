package kek

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Plain is an AEAD without contexts, for code of Tink that takes no other. It keeps what such code
// drops: that the provider was unavailable.
type Plain struct {
	ctx         context.Context //nolint:containedctx // Tink's interface has none
	aead        tink.AEADWithContext
	unavailable atomic.Pointer[error]
}

// OpenPlain is [Open] for code that takes no contexts. All operations end with ctx.
func OpenPlain(ctx context.Context, uri string) (*Plain, error) {
	aead, err := Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	return &Plain{ctx: ctx, aead: aead}, nil
}

// Encrypt encrypts plaintext.
func (p *Plain) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	out, err := p.aead.EncryptWithContext(p.ctx, plaintext, associatedData)
	return out, p.note(err)
}

// Decrypt decrypts ciphertext.
func (p *Plain) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	out, err := p.aead.DecryptWithContext(p.ctx, ciphertext, associatedData)
	return out, p.note(err)
}

func (p *Plain) note(err error) error {
	if errors.Is(err, ErrUnavailable) {
		p.unavailable.Store(&err)
	}
	return err
}

// Cause returns err, or in its place the error of a provider that was unavailable.
func (p *Plain) Cause(err error) error {
	if kept := p.unavailable.Load(); err != nil && kept != nil {
		return *kept
	}
	return err
}
