package kind

import (
	"fmt"
	"io"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// fernetSkew is how far the clock of a partner may be ahead.
const fernetSkew = time.Minute

// Fernet writes values as Fernet tokens.
type Fernet struct {
	Keys   []*message.Source
	MaxAge time.Duration // 0 accepts tokens of any time
}

func (f *Fernet) needs() (encrypt, decrypt []message.Need) {
	return message.NeedFirst(f.Keys), message.NeedAll(f.Keys, true)
}

// key returns one version of a key.
func (*Fernet) key(m *message.Message, v message.Candidate) (*symmetric.Fernet, error) {
	bytes, err := m.Bytes(v)
	if err != nil {
		return nil, err
	}
	key, err := symmetric.NewFernet(bytes)
	if err != nil {
		return nil, v.Unusable(err)
	}
	return key, nil
}

func (f *Fernet) encoder(m *message.Message) (encoder, error) {
	key, err := f.key(m, m.Ring.First(f.Keys[0]))
	if err != nil {
		return nil, err
	}
	return func(value []byte, _ *envelope.Parts) ([]byte, error) {
		iv := make([]byte, symmetric.FernetIV)
		if _, err := io.ReadFull(m.Random, iv); err != nil {
			return nil, fmt.Errorf("generate iv: %w", err)
		}
		m.Traced("iv", "initialization vector", iv)
		return key.Seal(m.Time(), iv, value)
	}, nil
}

func (f *Fernet) decoder(m *message.Message) (decoder, error) {
	keys, of, err := message.Usable(m, f.Keys, func(v message.Candidate) (*symmetric.Fernet, error) { return f.key(m, v) })
	if err != nil {
		return nil, err
	}
	return func(p *envelope.Parts) ([]byte, error) {
		m.Tried = true
		token := p[describe.SlotCiphertext]
		for i, key := range keys {
			if !key.Verify(token) {
				continue
			}
			if !f.timely(symmetric.FernetTime(token), m.Time()) {
				return nil, message.ErrCipher
			}
			value, ok := key.Open(token)
			if !ok {
				return nil, message.ErrCipher
			}
			m.Ring.Use(of[i])
			return value, nil
		}
		return nil, message.ErrMAC
	}, nil
}

// timely reports whether the time of a token is accepted.
func (f *Fernet) timely(made, now time.Time) bool {
	return f.MaxAge == 0 || !made.Before(now.Add(-f.MaxAge)) && !made.After(now.Add(fernetSkew))
}
