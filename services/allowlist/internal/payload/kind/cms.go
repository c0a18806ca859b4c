package kind

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/cms"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// CMS is a message of the Cryptographic Message Syntax.
type CMS struct {
	// Cipher and Suite are the cipher of the content, and Wrap encrypts its key. They are unset
	// without Keys: then the content is only signed.
	Cipher cms.Cipher
	Suite  symmetric.Suite
	Wrap   RSAWrap
	Keys   []*message.Source
	// Signers sign with the hash. There may be none.
	Signers []*message.Source
	Hash    crypto.Hash
}

func (c *CMS) needs() (encrypt, decrypt []message.Need) {
	encrypt = append(message.NeedFirst(c.Keys), message.NeedFirst(c.Signers)...)
	decrypt = append(message.NeedAll(c.Keys, c.Wrap.Oaep != nil), message.NeedAll(c.Signers, true)...)
	return encrypt, decrypt
}

func (c *CMS) encoder(m *message.Message) (encoder, error) {
	var recipient *x509.Certificate
	if len(c.Keys) > 0 {
		_, info, err := m.PublicKey(m.Ring.First(c.Keys[0]))
		if recipient, err = certificateOf(c.Keys[0], info, err); err != nil {
			return nil, err
		}
	}
	var signer *x509.Certificate
	var private crypto.PrivateKey
	if len(c.Signers) > 0 {
		key, info, err := m.PrivateKey(m.Ring.First(c.Signers[0]))
		if signer, err = certificateOf(c.Signers[0], info, err); err != nil {
			return nil, err
		}
		private = key
	}
	return func(value []byte, p *envelope.Parts) ([]byte, error) {
		if signer != nil {
			if err := m.Spend(message.PrivateKeyWork); err != nil {
				return nil, err
			}
			signed, err := cms.Sign(m.Random, c.Hash, private, signer, value)
			if err != nil {
				return nil, c.Signers[0].Unusable(err)
			}
			m.Traced("sign inside", "SignedData", signed)
			value = signed
		}
		if recipient == nil {
			return value, nil
		}
		return c.encrypt(m, recipient, value, p)
	}, nil
}

// certificateOf returns the certificate of a key, which must have one.
func certificateOf(s *message.Source, info keyform.Info, err error) (*x509.Certificate, error) {
	switch {
	case err != nil:
		return nil, err
	case info.Certificate == nil:
		return nil, s.Unusable(message.ErrNoCertificate)
	}
	return info.Certificate, nil
}

// encrypt encrypts a value under a key of its own.
func (c *CMS) encrypt(m *message.Message, recipient *x509.Certificate, value []byte, p *envelope.Parts) ([]byte, error) {
	defer m.Release(m.Owns())
	key := m.Own(make([]byte, c.Suite.Key))
	e := &cms.Envelope{Cipher: c.Cipher, IV: make([]byte, c.Suite.IV)}
	for _, random := range [][]byte{key, e.IV} {
		if _, err := io.ReadFull(m.Random, random); err != nil {
			return nil, fmt.Errorf("generate content key: %w", err)
		}
	}
	wrapped, err := c.Wrap.encrypt(m, c.Keys[0], key, p)
	switch {
	case errors.Is(err, keys.ErrLength):
		return nil, c.Keys[0].Unusable(err)
	case err != nil:
		return nil, err
	}
	box, err := c.Suite.NewBox(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt content: %w", err)
	}
	sealed, err := box.Seal(make([]byte, 0, c.Suite.SealedLen(len(value))+c.Suite.Tag), e.IV, value, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt content: %w", err)
	}
	end := len(sealed) - c.Suite.Tag
	e.Ciphertext, e.Tag = sealed[:end], sealed[end:]
	e.Recipients = []cms.Recipient{cms.NewRecipient(recipient, c.Wrap.Oaep, wrapped)}
	return e.Marshal(), nil
}

func (c *CMS) decoder(m *message.Message) (decoder, error) {
	var privates []private
	var err error
	if len(c.Keys) > 0 {
		if privates, err = privatesOf(m, c.Keys); err != nil {
			return nil, err
		}
	}
	verifiers, of, err := message.Usable(m, c.Signers, func(v message.Candidate) (crypto.PublicKey, error) {
		key, _, err := m.PublicKey(v)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	return func(p *envelope.Parts) ([]byte, error) {
		value, bare := p[describe.SlotCiphertext], false
		if len(c.Keys) > 0 {
			e, err := cms.ReadEnvelope(value, c.Cipher)
			if err != nil {
				return nil, message.ErrDecode
			}
			m.Tried = true
			if value, err = c.decrypt(m, e, privates); err != nil {
				return nil, err
			}
			bare = e.Signed
		}
		if len(c.Signers) == 0 {
			return value, nil
		}
		content, which, err := c.verify(m, verifiers, value, bare)
		if err != nil {
			return nil, err
		}
		m.Ring.Use(of[which])
		return content, nil
	}, nil
}

// decrypt returns the content. If a key decrypts with PKCS #1 v1.5, only what everyone can see in the
// message ends the decryption early.
func (c *CMS) decrypt(m *message.Message, e *cms.Envelope, privates []private) ([]byte, error) {
	err := error(message.ErrUnwrap)
	for _, private := range privates {
		ours := c.recipients(e, private)
		if len(ours) > 1 && !c.tellsKeys() {
			continue // the right one cannot be distinguished
		}
		for _, recipient := range ours {
			if err := m.Spend(message.PrivateKeyWork); err != nil {
				return nil, err
			}
			key, unwrapErr := rsaUnwrap{RSAWrap: c.Wrap}.open(private.key, recipient.Key, c.Suite.Key)
			switch {
			case errors.Is(unwrapErr, keys.ErrKey):
				return nil, private.Unusable(unwrapErr)
			case unwrapErr != nil:
				continue
			}
			value, ok := c.content(m, e, key)
			if ok {
				m.Ring.Use(private.Candidate)
				return value, nil
			}
			err = message.ErrCipher
		}
	}
	return nil, err
}

// tellsKeys reports whether the wrong content key is distinguished from the right one.
func (c *CMS) tellsKeys() bool { return c.Wrap.Oaep != nil || c.Suite.AEAD() }

// recipients returns the recipients that a key may be for: those that its certificate names, or else
// all whose encrypted key has its length.
func (c *CMS) recipients(e *cms.Envelope, private private) []cms.Recipient {
	var named, others []cms.Recipient
	size := 0
	if key, ok := private.key.(*rsa.PrivateKey); ok {
		size = key.Size()
	}
	for _, r := range e.Recipients {
		switch {
		case !cms.SameOAEP(r.OAEP, c.Wrap.Oaep) || len(r.Key) != size:
		case private.info.Certificate != nil && r.Is(private.info.Certificate):
			named = append(named, r)
		default:
			others = append(others, r)
		}
	}
	if len(named) > 0 {
		return named
	}
	return others
}

// content decrypts the content with its key. If nothing authenticates it, wrong padding spoils the
// message and does not end it.
func (c *CMS) content(m *message.Message, e *cms.Envelope, key []byte) ([]byte, bool) {
	defer m.Release(m.Owns())
	box, err := c.Suite.NewBox(m.Own(key))
	if err != nil {
		return nil, false // OAEP held something else than a key of this cipher
	}
	sealed := make([]byte, 0, len(e.Ciphertext)+len(e.Tag))
	sealed = append(append(sealed, e.Ciphertext...), e.Tag...)
	value, ok := box.Open(sealed[:0], e.IV, sealed, e.AAD)
	if !ok && !c.Suite.AEAD() {
		m.Spoiled, ok = true, true
	}
	return value, ok
}

// verify returns the content of a message that one of the keys has signed.
func (c *CMS) verify(m *message.Message, verifiers []crypto.PublicKey, value []byte, bare bool) (content []byte, which int, err error) {
	signed, err := cms.Parse(value, c.Hash, bare)
	if err != nil {
		return nil, 0, message.ErrSignInside
	}
	if err := m.Spend(message.PublicKeyWork * len(verifiers) * signed.Signers()); err != nil {
		return nil, 0, err
	}
	if which, err = signed.Verify(verifiers); err != nil {
		return nil, 0, message.ErrSignInside
	}
	return signed.Content, which, nil
}
