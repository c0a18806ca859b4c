package payload

import (
	"bytes"
	"crypto"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// A held secret is what a cipher's key may be made of.
type held struct {
	secret []byte
	// by is the source that it came from or was unwrapped with, nil for an exchange.
	by      *source
	version uint32
}

// A supply is where the secret comes from that a cipher's key is made of.
type supply interface {
	// draw returns the secret for what goes out, and fills in the parts that travel
	// with it.
	draw(m *message, p *parts) (held, error)
	// opener prepares the keys that may open one message.
	opener(m *message) (supplyOpener, error)
	// sources are the references, the one that encrypts first.
	sources() []*source
}

// A supplyOpener finds the secrets of what came in.
type supplyOpener interface {
	// secrets returns those that may be right, in the order to try them. They are zeroed
	// by the caller.
	secrets(m *message, p *parts) ([]held, error)
	// wrappedSizes are the lengths that a wrapped key may have.
	wrappedSizes() []int
}

// noSizes is for supplies that wrap nothing.
var noSizes = [...]int{unknown}

// sharedKey is a key that both sides hold.
type sharedKey struct{ keys []*source }

func (s *sharedKey) sources() []*source { return s.keys }

func (s *sharedKey) draw(m *message, _ *parts) (held, error) {
	key := m.ring.first(s.keys[0])
	secret, err := s.keys[0].decode(key)
	return held{secret: secret, by: s.keys[0], version: key.Version}, err
}

func (s *sharedKey) opener(*message) (supplyOpener, error) { return s, nil }

func (s *sharedKey) wrappedSizes() []int { return noSizes[:] }

func (s *sharedKey) secrets(m *message, _ *parts) ([]held, error) {
	candidates := m.ring.candidates(s.keys)
	all := make([]held, 0, len(candidates))
	for _, c := range candidates {
		secret, err := c.decode(c.Key)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return all, err
		}
		all = append(all, held{secret: secret, by: c.source, version: c.Version})
	}
	return all, nil
}

// agreed is a key that is agreed on, with an ephemeral key of the sender.
type agreed struct {
	curve keys.Curve
	keys  []*source
}

func (s *agreed) sources() []*source { return s.keys }

func (s *agreed) draw(m *message, p *parts) (held, error) {
	if err := m.spend(publicKeyWork); err != nil {
		return held{}, err
	}
	key := m.ring.first(s.keys[0])
	public, _, err := s.keys[0].public(key, m.keepUnused())
	if err != nil {
		return held{}, err
	}
	ephemeral, secret, err := s.curve.Encapsulate(m.Random, public)
	if err != nil {
		return held{}, s.keys[0].unusable(err)
	}
	p[slotEphemeral] = ephemeral
	return held{secret: secret, by: s.keys[0], version: key.Version}, nil
}

func (s *agreed) opener(m *message) (supplyOpener, error) {
	privates, err := m.privates(s.keys)
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
		secret, err := a.curve.Decapsulate(private.key, p[slotEphemeral])
		switch {
		case errors.Is(err, keys.ErrKey):
			return all, private.unusable(err)
		case err != nil:
			return all, errUnwrap
		}
		all = append(all, held{secret: secret, by: private.source, version: private.Version})
	}
	return all, nil
}

// exchanged is the key of the message that this one answers.
type exchanged struct{}

func (exchanged) sources() []*source { return nil }

func (exchanged) draw(m *message, _ *parts) (held, error) {
	if m.Exchange == nil || len(m.Exchange.Key) == 0 {
		return held{}, ErrExchange
	}
	return held{secret: bytes.Clone(m.Exchange.Key)}, nil
}

func (e exchanged) opener(*message) (supplyOpener, error) { return e, nil }

func (exchanged) wrappedSizes() []int { return noSizes[:] }

func (e exchanged) secrets(m *message, p *parts) ([]held, error) {
	secret, err := e.draw(m, p)
	return []held{secret}, err
}

// A form is what of a session key is wrapped.
type form int

const (
	formRaw form = iota
	formAlphanumeric
	formBase64
	formHex
)

// wrappedLen returns the length of what is wrapped for a key of n bytes.
func (f form) wrappedLen(n int) int {
	switch f {
	case formBase64:
		return base64.StdEncoding.EncodedLen(n)
	case formHex:
		return hex.EncodedLen(n)
	default:
		return n
	}
}

// draw returns a key of n bytes and what is wrapped of it.
func (f form) draw(random io.Reader, n int) (key, wrapped []byte, err error) {
	key = make([]byte, n)
	if f == formAlphanumeric {
		return key, key, drawText(random, key)
	}
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, nil, fmt.Errorf("draw session key: %w", err)
	}
	switch f {
	case formBase64:
		return key, base64.StdEncoding.AppendEncode(nil, key), nil
	case formHex:
		return key, hex.AppendEncode(nil, key), nil
	default:
		return key, key, nil
	}
}

// read returns the key that was wrapped. What is not of the form becomes no error but
// other bytes, always the same for it, so that nothing tells it from a key that opens
// nothing; see [keys.PKCS1v15.UnwrapKey].
func (f form) read(wrapped []byte, n int) []byte {
	key := make([]byte, n+1) // one more, to see what is too long
	var got int
	var err error
	switch f {
	case formBase64:
		trimmed := bytes.TrimRight(wrapped, "=")
		if base64.RawStdEncoding.DecodedLen(len(trimmed)) <= n {
			got, err = base64.RawStdEncoding.Decode(key, trimmed)
		}
	case formHex:
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

// alphanumeric are the characters of random texts.
const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// drawText fills dst with random characters, each as likely as the others.
func drawText(random io.Reader, dst []byte) error {
	const fair = 256 - 256%len(alphanumeric)
	for len(dst) > 0 {
		if _, err := io.ReadFull(random, dst); err != nil {
			return fmt.Errorf("draw text: %w", err)
		}
		n := 0
		for _, b := range dst {
			if int(b) < fair {
				dst[n] = alphanumeric[int(b)%len(alphanumeric)]
				n++
			}
		}
		dst = dst[n:]
	}
	return nil
}

// A private is a private key that may open.
type private struct {
	candidate
	key  crypto.PrivateKey
	info keyform.Info
}

// privates returns the private keys of all versions of the sources. Of several sources
// some may be public keys, which only encrypt.
func (m *message) privates(sources []*source) ([]private, error) {
	var all []private
	var unusable error
	for _, c := range m.ring.candidates(sources) {
		key, info, err := c.private(c.Key, m.keepUnused())
		if err == nil {
			all = append(all, private{candidate: c, key: key, info: info})
			continue
		}
		if _, _, public := c.public(c.Key, m.keepUnused()); unusable == nil && !c.previous && (public != nil || len(sources) == 1) {
			unusable = err
		}
	}
	if unusable == nil && len(all) == 0 {
		unusable = sources[0].unusable(keys.ErrKey)
	}
	return all, unusable
}
