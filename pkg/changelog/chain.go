package changelog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
)

// A chain is a verified succession of keys. The zero chain has none.
type chain struct {
	notes []string
	// keys has the key that signed the first note, and then the key that each note names.
	keys []string
	// stored is the encoded form.
	stored []byte
}

// decodeChain verifies each succession but the first of a log, because the key of the first is taken
// from the same row.
func decodeChain(value []byte) (chain, error) {
	m := new(stored.Successions)
	if err := proto.Unmarshal(value, m); err != nil || len(m.GetNotes()) == 0 || len(m.GetNotes()) > MaxSuccessions {
		return chain{}, errSuccession
	}
	c := chain{notes: m.GetNotes(), keys: []string{m.GetFirstKey()}, stored: bytes.Clone(value)}
	for i, succession := range c.notes {
		next, err := openSuccession(succession, c.keys[i])
		if err != nil {
			return chain{}, err
		}
		if slices.Contains(c.keys, next) {
			return chain{}, errSuccession
		}
		c.keys = append(c.keys, next)
	}
	return c, nil
}

// extend returns the chain with another succession.
func (c chain) extend(signer noteSigner, next string) (chain, error) {
	switch {
	case len(c.notes) >= MaxSuccessions:
		return chain{}, ErrTooManyKeys
	case slices.Contains(c.keys, next) || next == signer.verifierKey:
		return chain{}, errors.New("change log: the next key has signed this log before")
	case len(c.keys) > 0 && c.keys[len(c.keys)-1] != signer.verifierKey:
		return chain{}, errors.New("change log: the last succession of keys is not in use yet")
	}
	signed, err := signer.succeed(next)
	if err != nil {
		return chain{}, fmt.Errorf("sign succession of keys: %w", err)
	}
	keys := c.keys
	if len(keys) == 0 {
		keys = []string{signer.verifierKey}
	}
	longer := chain{notes: append(slices.Clip(c.notes), signed), keys: append(slices.Clip(keys), next)}
	row := &stored.Successions{Notes: longer.notes, FirstKey: keys[0]}
	if longer.stored, err = (proto.MarshalOptions{Deterministic: true}).Marshal(row); err != nil {
		return chain{}, fmt.Errorf("encode successions of keys: %w", err)
	}
	return longer, nil
}

// cut returns the chain up to the key at an index.
func (c chain) cut(last int) chain {
	return chain{notes: c.notes[:last], keys: c.keys[:last+1]}
}

// fits reports whether the chain ends with the newest of the known keys, and has the others before it
// in their order. Without a succession there is one key.
func (c chain) fits(known []noteSigner) bool {
	if len(c.keys) == 0 {
		return len(known) == 1
	}
	if c.keys[len(c.keys)-1] != known[0].verifierKey {
		return false
	}
	rest := c.keys
	for _, s := range known {
		i := slices.Index(rest, s.verifierKey)
		if i < 0 {
			return false
		}
		rest = rest[:i]
	}
	return true
}

// current returns the key that signs heads according to a reader with these successions, and the
// successions up to it.
func (c chain) current(k *keys) (noteSigner, []string) {
	for last := len(c.keys) - 1; last >= 0; last-- {
		if s, ok := k.of(c.keys[last]); ok {
			return s, slices.Clone(c.cut(last).notes)
		}
	}
	return k.oldest(), nil
}
