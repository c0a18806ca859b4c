package payload

import (
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// rsaDirect is RSA over the bytes themselves.
type rsaDirect struct {
	wrap rsaWrap
	keys []*source
	// certificate says that the fingerprint of a certificate is sent.
	certificate bool
}

func (r *rsaDirect) needs() (encrypt, decrypt []need) {
	return needFirst(r.keys), needAll(r.keys, r.wrap.oaep != nil)
}

func (r *rsaDirect) encoder(m *message) (encoder, error) {
	return func(value []byte, p *parts) ([]byte, error) {
		ciphertext, err := r.wrap.encrypt(m, r.keys[0], value, p)
		switch {
		case errors.Is(err, keys.ErrLength):
			return nil, notEncryptable("what is encrypted is longer than the RSA key takes", "")
		case err == nil && r.certificate && p[describe.SlotCertificate] == nil:
			return nil, r.keys[0].unusable(errNoCertificate)
		}
		return ciphertext, err
	}, nil
}

func (r *rsaDirect) decoder(m *message) (decoder, error) {
	privates, err := privatesOf(m, r.keys)
	if err != nil {
		return nil, err
	}
	from := rsaUnwrap{rsaWrap: r.wrap, privates: privates}
	return func(p *parts) ([]byte, error) {
		m.tried = true
		for _, private := range from.chosen(p) {
			if err := m.spend(privateKeyWork); err != nil {
				return nil, err
			}
			value, err := from.decrypt(private.key, p[describe.SlotCiphertext])
			switch {
			case errors.Is(err, keys.ErrKey):
				return nil, private.unusable(err)
			case err == nil:
				m.ring.use(private.version)
				return value, nil
			}
		}
		if r.wrap.oaep == nil {
			m.spoiled = true
			return p[describe.SlotCiphertext], nil
		}
		return nil, errCipher
	}, nil
}

// rsaWrap is RSA with one of its paddings; oaep is nil for PKCS #1 v1.5.
type rsaWrap struct{ oaep *keys.OAEP }

func (w rsaWrap) seal(m *message, s *source, key []byte, p *parts) error {
	wrapped, err := w.encrypt(m, s, key, p)
	if errors.Is(err, keys.ErrLength) {
		return s.unusable(err)
	}
	p[describe.SlotWrapped] = wrapped
	return err
}

// encrypt encrypts for the public key of a source, and tells its fingerprints.
func (w rsaWrap) encrypt(m *message, s *source, plaintext []byte, p *parts) ([]byte, error) {
	if err := m.spend(publicKeyWork); err != nil {
		return nil, err
	}
	public, info, err := m.public(m.ring.first(s))
	if err != nil {
		return nil, err
	}
	p[describe.SlotPublicKey] = info.PublicSHA256[:]
	if info.CertificateSHA256 != nil {
		p[describe.SlotCertificate] = info.CertificateSHA256[:]
	}
	var wrapped []byte
	if w.oaep != nil {
		wrapped, err = w.oaep.Wrap(m.Random, public, plaintext)
	} else {
		wrapped, err = keys.PKCS1v15{}.Wrap(m.Random, public, plaintext)
	}
	switch {
	case errors.Is(err, keys.ErrLength):
		return nil, err
	case err != nil:
		return nil, s.unusable(err)
	}
	return wrapped, nil
}

func (w rsaWrap) opener(m *message, sources []*source) (wrapOpener, error) {
	privates, err := privatesOf(m, sources)
	return rsaUnwrap{rsaWrap: w, privates: privates}, err
}

// rsaUnwrap unwraps with the private keys of one message.
type rsaUnwrap struct {
	rsaWrap
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

func (u rsaUnwrap) unwrap(m *message, p *parts, n int) ([]held, error) {
	for _, private := range u.chosen(p) {
		if err := m.spend(privateKeyWork); err != nil {
			return nil, err
		}
		secret, err := u.open(private.key, p[describe.SlotWrapped], n)
		switch {
		case errors.Is(err, keys.ErrKey):
			return nil, private.unusable(err)
		case err == nil:
			return []held{{secret: secret, of: private.version}}, nil
		case !errors.Is(err, keys.ErrUnwrap):
			return nil, fmt.Errorf("unwrap: %w", err)
		}
	}
	return nil, errUnwrap
}

func (u rsaUnwrap) open(key crypto.PrivateKey, wrapped []byte, n int) ([]byte, error) {
	if u.oaep != nil {
		return u.oaep.Unwrap(key, wrapped)
	}
	return keys.PKCS1v15{}.UnwrapKey(key, wrapped, n)
}

// decrypt opens what was encrypted itself. Under PKCS #1 v1.5 this is an oracle in time:
// whoever has a partner that wants it acknowledges that.
func (u rsaUnwrap) decrypt(key crypto.PrivateKey, encrypted []byte) ([]byte, error) {
	if u.oaep != nil {
		return u.oaep.Unwrap(key, encrypted)
	}
	return keys.PKCS1v15{}.Decrypt(key, encrypted)
}

// chosen returns the keys that the fingerprints which came choose: all, if none came.
func (u rsaUnwrap) chosen(p *parts) []private {
	var chosen []private
	for _, private := range u.privates {
		if of := p[describe.SlotPublicKey]; of != nil && subtle.ConstantTimeCompare(of, private.info.PublicSHA256[:]) == 0 {
			continue
		}
		// Of a private key without its certificate the fingerprint is not known.
		of, certificate := p[describe.SlotCertificate], private.info.CertificateSHA256
		if of != nil && certificate != nil && subtle.ConstantTimeCompare(of, certificate[:]) == 0 {
			continue
		}
		chosen = append(chosen, private)
	}
	return chosen
}

// A private is a private key that may open.
type private struct {
	version
	key  crypto.PrivateKey
	info keyform.Info
}

// privatesOf returns the private keys of all versions of the sources. Of several sources
// some may be public keys, which only encrypt.
func privatesOf(m *message, sources []*source) ([]private, error) {
	var all []private
	var unusable error
	for _, v := range m.ring.candidates(sources) {
		key, info, err := m.private(v)
		if err == nil {
			all = append(all, private{version: v, key: key, info: info})
			continue
		}
		if _, _, public := m.public(v); unusable == nil && !v.previous() && (public != nil || len(sources) == 1) {
			unusable = err
		}
	}
	if unusable == nil && len(all) == 0 {
		unusable = sources[0].unusable(keys.ErrKey)
	}
	return all, unusable
}
