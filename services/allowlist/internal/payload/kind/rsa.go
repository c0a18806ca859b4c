package kind

import (
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// RSA encrypts the bytes themselves with RSA.
type RSA struct {
	Wrap RSAWrap
	Keys []*message.Source
	// Certificate says that the fingerprint of a certificate is sent.
	Certificate bool
}

func (r *RSA) needs() (encrypt, decrypt []message.Need) {
	return message.NeedFirst(r.Keys), message.NeedAll(r.Keys, r.Wrap.Oaep != nil)
}

func (r *RSA) encoder(m *message.Message) (encoder, error) { //nolint:unparam // the signature that all kinds have
	return func(value []byte, p *envelope.Parts) ([]byte, error) {
		ciphertext, err := r.Wrap.encrypt(m, r.Keys[0], value, p)
		switch {
		case errors.Is(err, keys.ErrLength):
			return nil, message.NotEncryptable("the plaintext is too long for the RSA key", "")
		case err == nil && r.Certificate && p[describe.SlotCertificate] == nil:
			return nil, r.Keys[0].Unusable(message.ErrNoCertificate)
		}
		return ciphertext, err
	}, nil
}

func (r *RSA) decoder(m *message.Message) (decoder, error) {
	privates, err := privatesOf(m, r.Keys)
	if err != nil {
		return nil, err
	}
	from := rsaUnwrap{RSAWrap: r.Wrap, privates: privates}
	return func(p *envelope.Parts) ([]byte, error) {
		m.Tried = true
		for _, private := range from.chosen(p) {
			if err := m.Spend(message.PrivateKeyWork); err != nil {
				return nil, err
			}
			value, err := from.decrypt(private.key, p[describe.SlotCiphertext])
			switch {
			case errors.Is(err, keys.ErrKey):
				return nil, private.Unusable(err)
			case err == nil:
				m.Ring.Use(private.Candidate)
				return value, nil
			}
		}
		if r.Wrap.Oaep == nil {
			m.Spoiled = true
			return p[describe.SlotCiphertext], nil
		}
		return nil, message.ErrCipher
	}, nil
}

// RSAWrap is RSA with one of its paddings. Oaep is nil for PKCS #1 v1.5.
type RSAWrap struct{ Oaep *keys.OAEP }

func (w RSAWrap) seal(m *message.Message, s *message.Source, key []byte, p *envelope.Parts) error {
	wrapped, err := w.encrypt(m, s, key, p)
	if errors.Is(err, keys.ErrLength) {
		return s.Unusable(err)
	}
	p[describe.SlotWrapped] = wrapped
	return err
}

// encrypt encrypts for the public key of a source, and writes its fingerprints to the parts.
func (w RSAWrap) encrypt(m *message.Message, s *message.Source, plaintext []byte, p *envelope.Parts) ([]byte, error) {
	if err := m.Spend(message.PublicKeyWork); err != nil {
		return nil, err
	}
	public, info, err := m.PublicKey(m.Ring.First(s))
	if err != nil {
		return nil, err
	}
	p[describe.SlotPublicKey] = info.PublicSHA256[:]
	if info.CertificateSHA256 != nil {
		p[describe.SlotCertificate] = info.CertificateSHA256[:]
	}
	var wrapped []byte
	if w.Oaep != nil {
		wrapped, err = w.Oaep.Wrap(m.Random, public, plaintext)
	} else {
		wrapped, err = keys.PKCS1v15{}.Wrap(m.Random, public, plaintext)
	}
	switch {
	case errors.Is(err, keys.ErrLength):
		return nil, err
	case err != nil:
		return nil, s.Unusable(err)
	}
	return wrapped, nil
}

func (w RSAWrap) opener(m *message.Message, sources []*message.Source) (wrapOpener, error) {
	privates, err := privatesOf(m, sources)
	return rsaUnwrap{RSAWrap: w, privates: privates}, err
}

// rsaUnwrap unwraps with the private keys of one message.
type rsaUnwrap struct {
	RSAWrap
	privates []private
}

func (u rsaUnwrap) wrappedSizes() []int {
	sizes := make([]int, 0, len(u.privates))
	for _, private := range u.privates {
		if key, ok := private.key.(*rsa.PrivateKey); ok {
			sizes = append(sizes, key.Size())
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

func (u rsaUnwrap) unwrap(m *message.Message, p *envelope.Parts, n int) ([]held, error) {
	for _, private := range u.chosen(p) {
		if err := m.Spend(message.PrivateKeyWork); err != nil {
			return nil, err
		}
		secret, err := u.open(private.key, p[describe.SlotWrapped], n)
		switch {
		case errors.Is(err, keys.ErrKey):
			return nil, private.Unusable(err)
		case err == nil:
			return []held{{secret: secret, of: private.Candidate}}, nil
		case !errors.Is(err, keys.ErrUnwrap):
			return nil, fmt.Errorf("unwrap: %w", err)
		}
	}
	return nil, message.ErrUnwrap
}

func (u rsaUnwrap) open(key crypto.PrivateKey, wrapped []byte, n int) ([]byte, error) {
	if u.Oaep != nil {
		return u.Oaep.Unwrap(key, wrapped)
	}
	return keys.PKCS1v15{}.UnwrapKey(key, wrapped, n)
}

// decrypt decrypts directly encrypted bytes. With PKCS #1 v1.5, this is a timing oracle. Owners
// whose partner requires it acknowledge that.
func (u rsaUnwrap) decrypt(key crypto.PrivateKey, encrypted []byte) ([]byte, error) {
	if u.Oaep != nil {
		return u.Oaep.Unwrap(key, encrypted)
	}
	return keys.PKCS1v15{}.Decrypt(key, encrypted)
}

// chosen returns the keys that the received fingerprints select, or all keys if none was received.
func (u rsaUnwrap) chosen(p *envelope.Parts) []private {
	var chosen []private
	for _, private := range u.privates {
		if of := p[describe.SlotPublicKey]; of != nil && subtle.ConstantTimeCompare(of, private.info.PublicSHA256[:]) == 0 {
			continue
		}
		// The fingerprint is unknown for a private key without its certificate.
		of, certificate := p[describe.SlotCertificate], private.info.CertificateSHA256
		if of != nil && certificate != nil && subtle.ConstantTimeCompare(of, certificate[:]) == 0 {
			continue
		}
		chosen = append(chosen, private)
	}
	return chosen
}

// A private is a private key that may decrypt the message.
type private struct {
	message.Candidate
	key  crypto.PrivateKey
	info keyform.Info
}

// privatesOf returns the private keys of all versions of the sources. If there are several
// sources, some may be public keys, which can only encrypt.
func privatesOf(m *message.Message, sources []*message.Source) ([]private, error) {
	var all []private
	var unusable error
	for _, v := range m.Ring.Candidates(sources) {
		key, info, err := m.PrivateKey(v)
		if err == nil {
			all = append(all, private{Candidate: v, key: key, info: info})
			continue
		}
		if _, _, public := m.PublicKey(v); unusable == nil && !v.Superseded() && (public != nil || len(sources) == 1) {
			unusable = err
		}
	}
	if unusable == nil && len(all) == 0 {
		unusable = sources[0].Unusable(keys.ErrKey)
	}
	return all, unusable
}
