package payload

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// A held secret is what a cipher's key may be made of.
type held struct {
	secret []byte
	// of is the version that it came from or was unwrapped with, zero for an exchange.
	of version
}

// A supply is where the secret comes from that a cipher's key is made of.
type supply interface {
	// generate returns the secret for what goes out, and fills in the parts that travel
	// with it. The message owns it.
	generate(m *message, p *parts) (held, error)
	// opener prepares the keys that may open one message.
	opener(m *message) (supplyOpener, error)
	// sources are the references, the one that encrypts first.
	sources() []*source
}

// A supplyOpener finds the secrets of what came in.
type supplyOpener interface {
	// secrets returns those that may be right, in the order to try them. The message
	// owns them.
	secrets(m *message, p *parts) ([]held, error)
	// wrappedSizes are the lengths that a wrapped key may have.
	wrappedSizes() []int
}

// noSizes is for supplies that wrap nothing.
var noSizes = [...]int{describe.Unknown}

// sharedKey is a key that both sides hold.
type sharedKey struct{ keys []*source }

func (s *sharedKey) sources() []*source { return s.keys }

func (s *sharedKey) generate(m *message, _ *parts) (held, error) {
	return sharedSecret(m, m.ring.first(s.keys[0]))
}

func (s *sharedKey) opener(*message) (supplyOpener, error) { return s, nil }

func (s *sharedKey) wrappedSizes() []int { return noSizes[:] }

func (s *sharedKey) secrets(m *message, _ *parts) ([]held, error) {
	all, _, err := usable(m, s.keys, func(v version) (held, error) { return sharedSecret(m, v) })
	return all, err
}

// sharedSecret returns a version of a shared key.
func sharedSecret(m *message, v version) (held, error) {
	secret, err := m.bytes(v)
	return held{secret: secret, of: v}, err
}

// agreed is a key that is agreed on, with an ephemeral key of the sender.
type agreed struct {
	curve keys.Curve
	keys  []*source
}

func (s *agreed) sources() []*source { return s.keys }

func (s *agreed) generate(m *message, p *parts) (held, error) {
	if err := m.spend(publicKeyWork); err != nil {
		return held{}, err
	}
	key := m.ring.first(s.keys[0])
	public, _, err := m.public(key)
	if err != nil {
		return held{}, err
	}
	ephemeral, secret, err := s.curve.Encapsulate(m.Random, public)
	if err != nil {
		return held{}, s.keys[0].unusable(err)
	}
	p[describe.SlotEphemeral] = ephemeral
	return held{secret: m.own(secret), of: key}, nil
}

func (s *agreed) opener(m *message) (supplyOpener, error) {
	privates, err := privatesOf(m, s.keys)
	return &agreement{agreed: s, privates: privates}, err
}

// agreement finds the agreed keys of one message.
type agreement struct {
	*agreed
	privates []private
}

func (a *agreement) wrappedSizes() []int { return noSizes[:] }

func (a *agreement) secrets(m *message, p *parts) ([]held, error) {
	var all []held
	for _, private := range a.privates {
		if err := m.spend(publicKeyWork); err != nil {
			return all, err
		}
		secret, err := a.curve.Decapsulate(private.key, p[describe.SlotEphemeral])
		switch {
		case errors.Is(err, keys.ErrKey):
			return all, private.unusable(err)
		case err != nil:
			return all, errUnwrap
		}
		all = append(all, held{secret: m.own(secret), of: private.version})
	}
	return all, nil
}

// exchanged is the key of the message that this one answers.
type exchanged struct{}

func (exchanged) sources() []*source { return nil }

func (exchanged) generate(m *message, _ *parts) (held, error) {
	if m.Exchange == nil || len(m.Exchange.Key) == 0 {
		return held{}, ErrExchange
	}
	return held{secret: m.own(bytes.Clone(m.Exchange.Key))}, nil
}

func (e exchanged) opener(*message) (supplyOpener, error) { return e, nil }

func (exchanged) wrappedSizes() []int { return noSizes[:] }

func (e exchanged) secrets(m *message, p *parts) ([]held, error) {
	secret, err := e.generate(m, p)
	return []held{secret}, err
}
