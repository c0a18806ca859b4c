package kind

import (
	"errors"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// OpenPGP is an OpenPGP message.
type OpenPGP struct {
	Message    pgp.Message
	Keys       []*message.Source
	Passphrase *message.Source
	Signers    []*message.Source
}

func (o *OpenPGP) needs() (encrypt, decrypt []message.Need) {
	encrypt = append(message.NeedFirst(o.Keys), message.NeedFirst(o.Signers)...)
	decrypt = append(message.NeedAll(o.Keys, true), message.NeedAll(o.Signers, true)...)
	if o.Passphrase != nil {
		passphrase := message.Need{Source: o.Passphrase}
		decrypt = append(decrypt, passphrase)
		if len(o.Signers) > 0 {
			encrypt = append(encrypt, passphrase)
		}
	}
	return encrypt, decrypt
}

func (o *OpenPGP) encoder(m *message.Message) (encoder, error) {
	recipient, err := m.Optional(o.Keys[0])
	if err != nil {
		return nil, err
	}
	var signer *pgp.Signer
	if len(o.Signers) > 0 {
		signer = new(pgp.Signer)
		if signer.Key, err = m.Optional(o.Signers[0]); err != nil {
			return nil, err
		}
		if signer.Passphrase, err = m.Optional(o.Passphrase); err != nil {
			return nil, err
		}
	}
	return func(value []byte, _ *envelope.Parts) ([]byte, error) {
		if err := m.Spend(message.PgpWork); err != nil {
			return nil, err
		}
		ciphertext, err := memory.Erased(func() ([]byte, error) {
			return o.Message.Encrypt(m.Now, m.Random, recipient, signer, value)
		})
		if err != nil {
			return nil, o.Keys[0].Unusable(err)
		}
		return ciphertext, nil
	}, nil
}

func (o *OpenPGP) decoder(m *message.Message) (decoder, error) {
	private, of, err := message.Usable(m, o.Keys, m.Bytes)
	if err != nil {
		return nil, err
	}
	passphrase, err := m.Optional(o.Passphrase)
	if err != nil {
		return nil, err
	}
	verifiers, _, err := message.Usable(m, o.Signers, m.Bytes)
	if err != nil {
		return nil, err
	}
	inflated := 0
	return func(p *envelope.Parts) ([]byte, error) {
		// A passphrase is derived for each key.
		if err := m.Spend(message.PgpWork * len(private)); err != nil {
			return nil, err
		}
		var which int
		value, err := memory.Erased(func() (value []byte, err error) {
			value, which, err = pgp.Decrypt(m.Now, private, passphrase, verifiers, p[describe.SlotCiphertext])
			return value, err
		})
		m.Tried = m.Tried || !errors.Is(err, pgp.ErrMessage) // which is returned before a key is used
		switch {
		case err == nil:
			// The limit of one inflated value applies to the whole message, because there can be many
			// values.
			if inflated += max(0, len(value)-len(p[describe.SlotCiphertext])); inflated > pgp.MaxInflated {
				clear(value)
				return nil, message.ErrCipher
			}
			m.Ring.Use(of[which])
			return value, nil
		case errors.Is(err, pgp.ErrKey):
			return nil, o.Keys[0].Unusable(err)
		case errors.Is(err, pgp.ErrMessage):
			return nil, message.ErrDecode
		case errors.Is(err, pgp.ErrUnwrap):
			return nil, message.ErrUnwrap
		case errors.Is(err, pgp.ErrSignature):
			return nil, message.ErrSignInside
		default:
			return nil, message.ErrCipher
		}
	}, nil
}
