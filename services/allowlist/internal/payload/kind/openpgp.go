package payload

import (
	"errors"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// openPGP is an OpenPGP message.
type openPGP struct {
	message    pgp.Message
	keys       []*source
	passphrase *source
	signers    []*source
}

func (o *openPGP) needs() (encrypt, decrypt []need) {
	encrypt = append(needFirst(o.keys), needFirst(o.signers)...)
	decrypt = append(needAll(o.keys, true), needAll(o.signers, true)...)
	if o.passphrase != nil {
		passphrase := need{source: o.passphrase}
		decrypt = append(decrypt, passphrase)
		if len(o.signers) > 0 {
			encrypt = append(encrypt, passphrase)
		}
	}
	return encrypt, decrypt
}

func (o *openPGP) encoder(m *message) (encoder, error) {
	recipient, err := m.optional(o.keys[0])
	if err != nil {
		return nil, err
	}
	var signer *pgp.Signer
	if len(o.signers) > 0 {
		signer = new(pgp.Signer)
		if signer.Key, err = m.optional(o.signers[0]); err != nil {
			return nil, err
		}
		if signer.Passphrase, err = m.optional(o.passphrase); err != nil {
			return nil, err
		}
	}
	return func(value []byte, _ *parts) ([]byte, error) {
		if err := m.spend(pgpWork); err != nil {
			return nil, err
		}
		ciphertext, err := memory.Erased(func() ([]byte, error) {
			return o.message.Encrypt(m.Now, m.Random, recipient, signer, value)
		})
		if err != nil {
			return nil, o.keys[0].unusable(err)
		}
		return ciphertext, nil
	}, nil
}

func (o *openPGP) decoder(m *message) (decoder, error) {
	private, of, err := usable(m, o.keys, m.bytes)
	if err != nil {
		return nil, err
	}
	passphrase, err := m.optional(o.passphrase)
	if err != nil {
		return nil, err
	}
	verifiers, _, err := usable(m, o.signers, m.bytes)
	if err != nil {
		return nil, err
	}
	inflated := 0
	return func(p *parts) ([]byte, error) {
		// A passphrase is derived for each key.
		if err := m.spend(pgpWork * len(private)); err != nil {
			return nil, err
		}
		var which int
		value, err := memory.Erased(func() (value []byte, err error) {
			value, which, err = pgp.Decrypt(m.Now, private, passphrase, verifiers, p[describe.SlotCiphertext])
			return value, err
		})
		m.tried = m.tried || !errors.Is(err, pgp.ErrMessage) // which is told before a key is used
		switch {
		case err == nil:
			// What one value may inflate to, all of a message may: there can be many.
			if inflated += max(0, len(value)-len(p[describe.SlotCiphertext])); inflated > pgp.MaxInflated {
				clear(value)
				return nil, errCipher
			}
			m.ring.use(of[which])
			return value, nil
		case errors.Is(err, pgp.ErrKey):
			return nil, o.keys[0].unusable(err)
		case errors.Is(err, pgp.ErrMessage):
			return nil, errDecode
		case errors.Is(err, pgp.ErrUnwrap):
			return nil, errUnwrap
		case errors.Is(err, pgp.ErrSignature):
			return nil, errSignInside
		default:
			return nil, errCipher
		}
	}, nil
}
