package kind

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// Session is a key that is generated and sent, wrapped.
type Session struct {
	Form  describe.SessionForm
	Bytes int // of the key
	Wrap  wrap
	Keys  []*message.Source
}

// A wrap encrypts session keys with another key.
type wrap interface {
	// seal wraps the key of an outgoing message, and fills in the parts that are sent.
	seal(m *message.Message, s *message.Source, key []byte, p *envelope.Parts) error
	opener(m *message.Message, sources []*message.Source) (wrapOpener, error)
}

// A wrapOpener unwraps the session key of a received message.
type wrapOpener interface {
	wrappedSizes() []int
	// unwrap returns the wrapped secret of n bytes, for each key that unwraps it.
	unwrap(m *message.Message, p *envelope.Parts, n int) ([]held, error)
}

// Sources returns the keys, the encrypting one first.
func (s *Session) Sources() []*message.Source { return s.Keys }

func (s *Session) generate(m *message.Message, p *envelope.Parts) (held, error) {
	key, wrapped, err := generateSession(m.Random, s.Form, s.Bytes)
	if err != nil {
		return held{}, err
	}
	m.Own(key)
	m.Own(wrapped)
	if err := s.Wrap.seal(m, s.Keys[0], wrapped, p); err != nil {
		return held{}, err
	}
	m.Traced("key", "session key wrapped", p[describe.SlotWrapped])
	return held{secret: key, of: m.Ring.Newest(s.Keys[0])}, nil
}

func (s *Session) opener(m *message.Message) (supplyOpener, error) {
	opener, err := s.Wrap.opener(m, s.Keys)
	return &unwrapping{Session: s, wrapOpener: opener}, err
}

// unwrapping finds the session keys of one message.
type unwrapping struct {
	*Session
	wrapOpener
}

func (u *unwrapping) secrets(m *message.Message, p *envelope.Parts) ([]held, error) {
	wrapped, err := u.unwrap(m, p, u.Form.WrappedLen(u.Bytes))
	for i := range wrapped {
		m.Own(wrapped[i].secret)
		wrapped[i].secret = m.Own(readSession(u.Form, wrapped[i].secret, u.Bytes))
	}
	return wrapped, err
}

// wrapIV wraps an IV like a session key.
func (s *Session) wrapIV(m *message.Message, iv []byte) ([]byte, error) {
	var p envelope.Parts
	err := s.Wrap.seal(m, s.Keys[0], formed(s.Form, iv), &p)
	return p[describe.SlotWrapped], err
}

// unwrapIV unwraps the IV of a message.
func (u *unwrapping) unwrapIV(m *message.Message, p *envelope.Parts, iv []byte) error {
	wrapped := *p
	wrapped[describe.SlotWrapped] = p[describe.SlotWrappedIV]
	found, err := u.unwrap(m, &wrapped, u.Form.WrappedLen(len(iv)))
	if err != nil {
		return err
	}
	copy(iv, readSession(u.Form, found[0].secret, len(iv)))
	return nil
}

// hashOf returns the SHA-256 of a session key.
func hashOf(secret []byte) []byte {
	var sum [sha256.Size]byte
	memory.Do(func() { sum = sha256.Sum256(secret) })
	return sum[:]
}

// AESWrap is AES Key Wrap.
type AESWrap struct{ sources []*message.Source }

func (AESWrap) seal(m *message.Message, s *message.Source, key []byte, p *envelope.Parts) error {
	kek, err := m.Bytes(m.Ring.First(s))
	if err != nil {
		return err
	}
	wrapped, err := keys.WrapAES(kek, key)
	if err != nil {
		return s.Unusable(err)
	}
	p[describe.SlotWrapped] = wrapped
	return nil
}

func (AESWrap) opener(_ *message.Message, sources []*message.Source) (wrapOpener, error) { //nolint:unparam // the signature that all wraps have
	return AESWrap{sources}, nil
}

func (AESWrap) wrappedSizes() []int { return noSizes[:] }

func (w AESWrap) unwrap(m *message.Message, p *envelope.Parts, _ int) ([]held, error) {
	for _, v := range m.Ring.Candidates(w.sources) {
		kek, err := m.Bytes(v)
		switch {
		case err != nil && v.Superseded():
			continue
		case err != nil:
			return nil, err
		}
		secret, err := keys.UnwrapAES(kek, p[describe.SlotWrapped])
		switch {
		case errors.Is(err, keys.ErrKey) && !v.Superseded():
			return nil, v.Unusable(err)
		case err == nil:
			return []held{{secret: secret, of: v}}, nil
		}
	}
	return nil, message.ErrUnwrap
}

// generateSession returns a key of n bytes and its form that is wrapped.
func generateSession(random io.Reader, f describe.SessionForm, n int) (key, wrapped []byte, err error) {
	key = make([]byte, n)
	if f == describe.FormAlphanumeric {
		return key, key, symmetric.RandomText(random, key)
	}
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, nil, fmt.Errorf("generate session key: %w", err)
	}
	return key, formed(f, key), nil
}

// formed returns the form of a key that is wrapped. It may be the key itself.
func formed(f describe.SessionForm, key []byte) []byte {
	switch f {
	case describe.FormBase64:
		return base64.StdEncoding.AppendEncode(nil, key)
	case describe.FormHex:
		return hex.AppendEncode(nil, key)
	default:
		return key
	}
}

// readSession returns the key that was wrapped. If the bytes do not have the form, it returns no
// error but different bytes, always the same ones for the same input. This makes the case
// indistinguishable from a key that decrypts nothing; see [keys.PKCS1v15.UnwrapKey].
func readSession(f describe.SessionForm, wrapped []byte, n int) []byte {
	key := make([]byte, n+1) // one more, to detect a key that is too long
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
