package payload

import (
	"errors"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// openPGP is an OpenPGP message.
type openPGP struct {
	message    pgp.Message
	keys       []*source
	passphrase *source
	signers    []*source
}

// secret returns the decoded newest version of an optional source.
func (m *message) secret(s *source) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	text, err := s.decode(m.ring.first(s))
	return m.own(text), err
}

func (o *openPGP) encoder(m *message) (encoder, error) {
	recipient, err := m.secret(o.keys[0])
	if err != nil {
		return nil, err
	}
	var signer *pgp.Signer
	if len(o.signers) > 0 {
		signer = new(pgp.Signer)
		if signer.Key, err = m.secret(o.signers[0]); err != nil {
			return nil, err
		}
		if signer.Passphrase, err = m.secret(o.passphrase); err != nil {
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

// texts returns the decoded versions of sources.
func (m *message) texts(sources []*source) (texts [][]byte, by []candidate, err error) {
	for _, c := range m.ring.candidates(sources) {
		text, err := c.decode(c.Key)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return nil, nil, err
		}
		texts, by = append(texts, m.own(text)), append(by, c)
	}
	return texts, by, nil
}

func (o *openPGP) decoder(m *message) (decoder, error) {
	private, by, err := m.texts(o.keys)
	if err != nil {
		return nil, err
	}
	passphrase, err := m.secret(o.passphrase)
	if err != nil {
		return nil, err
	}
	verifiers, _, err := m.texts(o.signers)
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
			value, which, err = pgp.Decrypt(m.Now, private, passphrase, verifiers, p[slotCiphertext])
			return value, err
		})
		m.tried = m.tried || !errors.Is(err, pgp.ErrMessage) // which is told before a key is used
		switch {
		case err == nil:
			// What one value may inflate to, all of a message may: there can be many.
			if inflated += max(0, len(value)-len(p[slotCiphertext])); inflated > pgp.MaxInflated {
				clear(value)
				return nil, errCipher
			}
			m.ring.use(by[which].source, by[which].Version)
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
