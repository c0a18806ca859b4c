package kind

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A held is a secret that a cipher's key may be derived from.
type held struct {
	secret []byte
	// of is the version that the secret came from or was unwrapped with. It is zero for an exchange.
	of message.Candidate
}

// A supply provides the secret that a cipher's key is derived from.
type supply interface {
	// generate returns the secret of an outgoing message, and fills in the parts that are sent with
	// it. The message owns the secret.
	generate(m *message.Message, p *envelope.Parts) (held, error)
	// opener prepares the candidate keys of one message.
	opener(m *message.Message) (supplyOpener, error)
	// Sources returns the references, the encrypting one first.
	Sources() []*message.Source
}

// A supplyOpener finds the candidate secrets of a received message.
type supplyOpener interface {
	// secrets returns the candidate secrets, in the order to try them. The message owns them.
	secrets(m *message.Message, p *envelope.Parts) ([]held, error)
	// wrappedSizes returns the lengths that a wrapped key may have.
	wrappedSizes() []int
}

// noSizes is for supplies that do not wrap a key.
var noSizes = [...]int{describe.Unknown}

// SharedKey is a key that both sides have.
type SharedKey struct{ Keys []*message.Source }

// Sources returns the keys, the encrypting one first.
func (s *SharedKey) Sources() []*message.Source { return s.Keys }

func (s *SharedKey) generate(m *message.Message, _ *envelope.Parts) (held, error) {
	return sharedSecret(m, m.Ring.First(s.Keys[0]))
}

func (s *SharedKey) opener(*message.Message) (supplyOpener, error) { return s, nil }

func (s *SharedKey) wrappedSizes() []int { return noSizes[:] }

func (s *SharedKey) secrets(m *message.Message, _ *envelope.Parts) ([]held, error) {
	all, _, err := message.Usable(m, s.Keys, func(v message.Candidate) (held, error) { return sharedSecret(m, v) })
	return all, err
}

// sharedSecret returns a version of a shared key.
func sharedSecret(m *message.Message, v message.Candidate) (held, error) {
	secret, err := m.Bytes(v)
	return held{secret: secret, of: v}, err
}

// Agreed is a key that both sides agree on with an ephemeral key of the sender.
type Agreed struct {
	Curve keys.Curve
	Keys  []*message.Source
	// SPKI says that the ephemeral key is sent as a SubjectPublicKeyInfo. First says that the
	// ephemeral key, as it is sent, precedes the agreed secret in the derivation.
	SPKI, First bool
}

// secret returns what the key is derived from. The message owns it.
func (s *Agreed) secret(m *message.Message, sent, shared []byte) []byte {
	m.Own(shared)
	if !s.First {
		return shared
	}
	return m.Own(append(append(make([]byte, 0, len(sent)+len(shared)), sent...), shared...))
}

// Sources returns the keys, the encrypting one first.
func (s *Agreed) Sources() []*message.Source { return s.Keys }

func (s *Agreed) generate(m *message.Message, p *envelope.Parts) (held, error) {
	if err := m.Spend(message.PublicKeyWork); err != nil {
		return held{}, err
	}
	key := m.Ring.First(s.Keys[0])
	public, _, err := m.PublicKey(key)
	if err != nil {
		return held{}, err
	}
	ephemeral, secret, err := s.Curve.Encapsulate(m.Random, public)
	if err != nil {
		return held{}, s.Keys[0].Unusable(err)
	}
	if s.SPKI {
		ephemeral = s.Curve.SPKI(ephemeral)
	}
	p[describe.SlotEphemeral] = ephemeral
	return held{secret: s.secret(m, ephemeral, secret), of: key}, nil
}

func (s *Agreed) opener(m *message.Message) (supplyOpener, error) {
	privates, err := privatesOf(m, s.Keys)
	return &agreement{Agreed: s, privates: privates}, err
}

// agreement computes the agreed keys of one message.
type agreement struct {
	*Agreed
	privates []private
}

func (a *agreement) wrappedSizes() []int { return noSizes[:] }

func (a *agreement) secrets(m *message.Message, p *envelope.Parts) ([]held, error) {
	sent := p[describe.SlotEphemeral]
	ephemeral := sent
	if a.SPKI {
		var err error
		if ephemeral, err = a.Curve.FromSPKI(sent); err != nil {
			return nil, message.ErrUnwrap
		}
	}
	var all []held
	for _, private := range a.privates {
		if err := m.Spend(message.PublicKeyWork); err != nil {
			return all, err
		}
		secret, err := a.Curve.Decapsulate(private.key, ephemeral)
		switch {
		case errors.Is(err, keys.ErrKey):
			return all, private.Unusable(err)
		case err != nil:
			return all, message.ErrUnwrap
		}
		all = append(all, held{secret: a.secret(m, sent, secret), of: private.Candidate})
	}
	return all, nil
}

// Exchanged is the key of the message that this one answers.
type Exchanged struct{}

// Sources returns no keys.
func (Exchanged) Sources() []*message.Source { return nil }

func (Exchanged) generate(m *message.Message, _ *envelope.Parts) (held, error) {
	if m.Exchange == nil || len(m.Exchange.Key) == 0 {
		return held{}, message.ErrExchange
	}
	return held{secret: m.Own(bytes.Clone(m.Exchange.Key))}, nil
}

func (e Exchanged) opener(*message.Message) (supplyOpener, error) { return e, nil }

func (Exchanged) wrappedSizes() []int { return noSizes[:] }

func (e Exchanged) secrets(m *message.Message, p *envelope.Parts) ([]held, error) {
	secret, err := e.generate(m, p)
	return []held{secret}, err
}
