package payload

import (
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// session is a key that is drawn and sent, wrapped.
type session struct {
	form  form
	bytes int // of the key
	wrap  wrap
	keys  []*source
}

// A wrap encrypts session keys for who has another key.
type wrap interface {
	// seal wraps for what goes out, and fills in the parts that travel.
	seal(m *message, s *source, key []byte, p *parts) error
	opener(m *message, sources []*source) (wrapOpener, error)
}

// A wrapOpener unwraps what came in.
type wrapOpener interface {
	wrappedSizes() []int
	// unwrap returns what was wrapped, of n bytes, for each key that opens it.
	unwrap(m *message, p *parts, n int) ([]held, error)
}

func (s *session) sources() []*source { return s.keys }

func (s *session) draw(m *message, p *parts) (held, error) {
	key, wrapped, err := s.form.draw(m.Random, s.bytes)
	if err != nil {
		return held{}, err
	}
	if err := s.wrap.seal(m, s.keys[0], wrapped, p); err != nil {
		return held{}, err
	}
	m.traced("key", "session key wrapped", p[slotWrapped])
	return held{secret: key, by: s.keys[0], version: m.ring.versions(s.keys[0])[0].Version}, nil
}

func (s *session) opener(m *message) (supplyOpener, error) {
	opener, err := s.wrap.opener(m, s.keys)
	return &unwrapping{session: s, wrapOpener: opener}, err
}

// unwrapping finds the session keys of one message.
type unwrapping struct {
	*session
	wrapOpener
}

func (u *unwrapping) secrets(m *message, p *parts) ([]held, error) {
	wrapped, err := u.unwrap(m, p, u.form.wrappedLen(u.bytes))
	for i := range wrapped {
		key := u.form.read(wrapped[i].secret, u.bytes)
		clear(wrapped[i].secret)
		wrapped[i].secret = key
	}
	return wrapped, err
}

// rsaWrap is RSA with one of its paddings; oaep is nil for PKCS #1 v1.5.
type rsaWrap struct{ oaep *keys.OAEP }

func (w rsaWrap) seal(m *message, s *source, key []byte, p *parts) error {
	wrapped, err := w.encrypt(m, s, key, p)
	if errors.Is(err, keys.ErrLength) {
		return s.unusable(err)
	}
	p[slotWrapped] = wrapped
	return err
}

// encrypt encrypts for the public key of a source, and tells its fingerprints.
func (w rsaWrap) encrypt(m *message, s *source, plaintext []byte, p *parts) ([]byte, error) {
	if err := m.spend(publicKeyWork); err != nil {
		return nil, err
	}
	public, info, err := s.public(m.ring.first(s), m.keepUnused())
	if err != nil {
		return nil, err
	}
	p[slotPublicKey] = info.PublicSHA256[:]
	if info.CertificateSHA256 != nil {
		p[slotCertificate] = info.CertificateSHA256[:]
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
	privates, err := m.privates(sources)
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
		secret, err := u.open(private.key, p[slotWrapped], n)
		switch {
		case errors.Is(err, keys.ErrKey):
			return nil, private.unusable(err)
		case err == nil:
			return []held{{secret: secret, by: private.source, version: private.Version}}, nil
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
		if of := p[slotPublicKey]; of != nil && subtle.ConstantTimeCompare(of, private.info.PublicSHA256[:]) == 0 {
			continue
		}
		// Of a private key without its certificate the fingerprint is not known.
		of, certificate := p[slotCertificate], private.info.CertificateSHA256
		if of != nil && certificate != nil && subtle.ConstantTimeCompare(of, certificate[:]) == 0 {
			continue
		}
		chosen = append(chosen, private)
	}
	return chosen
}

// aesWrap is AES Key Wrap.
type aesWrap struct{ sources []*source }

func (aesWrap) seal(m *message, s *source, key []byte, p *parts) error {
	kek, err := s.decode(m.ring.first(s))
	if err != nil {
		return err
	}
	defer clear(kek)
	wrapped, err := keys.WrapAES(kek, key)
	if err != nil {
		return s.unusable(err)
	}
	p[slotWrapped] = wrapped
	return nil
}

func (aesWrap) opener(_ *message, sources []*source) (wrapOpener, error) {
	return aesWrap{sources}, nil
}

func (aesWrap) wrappedSizes() []int { return noSizes[:] }

func (w aesWrap) unwrap(m *message, p *parts, _ int) ([]held, error) {
	for _, c := range m.ring.candidates(w.sources) {
		kek, err := c.decode(c.Key)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return nil, err
		}
		secret, err := keys.UnwrapAES(kek, p[slotWrapped])
		clear(kek)
		switch {
		case errors.Is(err, keys.ErrKey) && !c.previous:
			return nil, c.unusable(err)
		case err == nil:
			return []held{{secret: secret, by: c.source, version: c.Version}}, nil
		}
	}
	return nil, errUnwrap
}
