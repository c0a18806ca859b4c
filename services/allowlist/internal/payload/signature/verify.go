package signature

import (
	"errors"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// A Verified holds the facts that a valid signature covers.
type Verified struct {
	// ID and Time are the values in the headers, if the signature covers them.
	ID   string
	Time time.Time
	// Key is the position of the matching key.
	Key int
}

// Verify verifies the signature of a message under any of the keys: []byte for [HMAC],
// [SecretDigest], and [Computed], and public keys for the other schemes. Header returns the value of
// a header by its lowercase name. The time in the message is compared with the message's time.
//
// Verify fails with [ErrKey] if any key does not fit the scheme, with a [*ValueError] if the
// context lacks a value, and otherwise with [ErrInvalid].
func (s *Signer) Verify(keys []any, m Message, header func(name string) (string, bool)) (Verified, error) {
	if err := s.precheck(keys, &m); err != nil {
		return Verified{}, err
	}
	w := s.begin(m)
	w.m.Headers = header
	placed, err := s.detach(&w.m)
	if err != nil {
		return Verified{}, err
	}
	texts := w.texts
	signatures, err := s.carriers.read(header, placed, texts)
	if err != nil {
		return Verified{}, err
	}
	given, err := s.readClaims(signatures, texts)
	if err != nil {
		return Verified{}, err
	}
	if s.covered[id] && m.ID != "" && texts[id] != nil && string(texts[id]) != m.ID {
		return Verified{}, invalid("The ID in the message differs from the ID in the call's context.")
	}
	sent, err := s.time(texts, m.Time)
	if err != nil {
		return Verified{}, err
	}
	if !sent.IsZero() {
		w.m.Time = sent
	}
	in, err := w.received(given)
	if err != nil {
		return Verified{}, err
	}
	for i, key := range keys {
		if s.scheme.verify(key, in, signatures) {
			return s.verified(i, sent, texts), nil
		}
	}
	return Verified{}, invalid("The signature does not match: the key, the signed string, or the algorithm differs.")
}

// received returns the string that a received message should have signed.
func (w *work) received(given *claims) (*signed, error) {
	err := w.fill(nil)
	if wrong, ok := errors.AsType[*InvalidError](err); ok {
		return nil, wrong
	}
	if err != nil {
		return nil, invalid("The message has %s.", err)
	}
	if given != nil {
		return w.compareClaims(given)
	}
	in, err := w.signed()
	if err != nil {
		return nil, invalid("The signed string cannot be assembled: %s.", err)
	}
	return in, nil
}

// precheck checks the preconditions of a verification that do not depend on the message.
func (s *Signer) precheck(keys []any, m *Message) error {
	if len(keys) == 0 {
		return ErrKey
	}
	for _, key := range keys {
		if !s.scheme.verifies(key) {
			return ErrKey
		}
	}
	for i, name := range carriedNames() {
		if !s.needed[i] || s.inMessage[i] {
			continue
		}
		if _, ok := m.text(i); !ok {
			return missing(name)
		}
	}
	for i, v := range s.texts.Values {
		if v.single.Kind == expression.Context && !s.inMessage[carriedCount+i] {
			if _, known := m.Values[v.single.Name]; !known {
				return &ValueError{Variable: v.single}
			}
		}
	}
	for _, p := range s.programs {
		for _, v := range p.Variables() {
			if v.Kind != expression.Plain {
				continue
			}
			if _, ok := m.context(v.Name); !ok {
				return &ValueError{Variable: v}
			}
		}
	}
	return nil
}

// verified returns the facts that a signature covers. Anyone could have changed a value in the
// message that is not in the signed string.
func (s *Signer) verified(key int, sent time.Time, texts carried) Verified {
	v := Verified{Key: key}
	if texts[id] != nil && s.covered[id] {
		v.ID = string(texts[id])
	}
	for i := range id {
		if s.inMessage[i] && s.covered[i] {
			v.Time = sent
		}
	}
	for i, value := range s.texts.Values {
		at := carriedCount + i
		if !s.inMessage[at] || !s.covered[at] {
			continue
		}
		switch {
		case value.single.Kind == expression.Time:
			v.Time = sent
		case value.single.Kind == expression.Nonce && v.ID == "":
			v.ID = string(texts[at])
		}
	}
	return v
}
