package payload

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// session is a key that is generated and sent, wrapped.
type session struct {
	form  describe.SessionForm
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

func (s *session) generate(m *message, p *parts) (held, error) {
	key, wrapped, err := generateSession(m.Random, s.form, s.bytes)
	if err != nil {
		return held{}, err
	}
	m.own(key)
	m.own(wrapped)
	if err := s.wrap.seal(m, s.keys[0], wrapped, p); err != nil {
		return held{}, err
	}
	m.traced("key", "session key wrapped", p[describe.SlotWrapped])
	return held{secret: key, of: m.ring.newest(s.keys[0])}, nil
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
	wrapped, err := u.unwrap(m, p, u.form.WrappedLen(u.bytes))
	for i := range wrapped {
		m.own(wrapped[i].secret)
		wrapped[i].secret = m.own(readSession(u.form, wrapped[i].secret, u.bytes))
	}
	return wrapped, err
}

// aesWrap is AES Key Wrap.
type aesWrap struct{ sources []*source }

func (aesWrap) seal(m *message, s *source, key []byte, p *parts) error {
	kek, err := m.bytes(m.ring.first(s))
	if err != nil {
		return err
	}
	wrapped, err := keys.WrapAES(kek, key)
	if err != nil {
		return s.unusable(err)
	}
	p[describe.SlotWrapped] = wrapped
	return nil
}

func (aesWrap) opener(_ *message, sources []*source) (wrapOpener, error) {
	return aesWrap{sources}, nil
}

func (aesWrap) wrappedSizes() []int { return noSizes[:] }

func (w aesWrap) unwrap(m *message, p *parts, _ int) ([]held, error) {
	for _, v := range m.ring.candidates(w.sources) {
		kek, err := m.bytes(v)
		switch {
		case err != nil && v.previous():
			continue
		case err != nil:
			return nil, err
		}
		secret, err := keys.UnwrapAES(kek, p[describe.SlotWrapped])
		switch {
		case errors.Is(err, keys.ErrKey) && !v.previous():
			return nil, v.unusable(err)
		case err == nil:
			return []held{{secret: secret, of: v}}, nil
		}
	}
	return nil, errUnwrap
}

// generateSession returns a key of n bytes and what is wrapped of it.
func generateSession(random io.Reader, f describe.SessionForm, n int) (key, wrapped []byte, err error) {
	key = make([]byte, n)
	if f == describe.FormAlphanumeric {
		return key, key, symmetric.RandomText(random, key)
	}
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, nil, fmt.Errorf("generate session key: %w", err)
	}
	switch f {
	case describe.FormBase64:
		return key, base64.StdEncoding.AppendEncode(nil, key), nil
	case describe.FormHex:
		return key, hex.AppendEncode(nil, key), nil
	default:
		return key, key, nil
	}
}

// readSession returns the key that was wrapped. What is not of the form becomes no error but
// other bytes, always the same for it, so that nothing tells it from a key that opens
// nothing; see [keys.PKCS1v15.UnwrapKey].
func readSession(f describe.SessionForm, wrapped []byte, n int) []byte {
	key := make([]byte, n+1) // one more, to see what is too long
	var got int
	var err error
	switch f {
	case describe.FormBase64:
		trimmed := bytes.TrimRight(wrapped, "=")
		if base64.RawStdEncoding.DecodedLen(len(trimmed)) <= n {
			got, err = base64.RawStdEncoding.Decode(key, trimmed)
		}
	case describe.FormHex:
		if hex.DecodedLen(len(wrapped)) <= n {
			got, err = hex.Decode(key, wrapped)
		}
	default:
		got = copy(key, wrapped)
	}
	if got == n && err == nil {
		return key[:n]
	}
	other := sha512.Sum512(wrapped) // as long as the longest session key
	return key[:copy(key[:n], other[:])]
}
