package jose

import (
	"bytes"
	"errors"
	"maps"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// MaxRecipients is the maximum number of recipients of a message in the general JSON serialization.
const MaxRecipients = 8

// A General is a message in the general JSON serialization (RFC 7516 section 7.2.1), which has one
// content and several recipients. It aliases the text that it was read from.
type General struct {
	parts       Parts
	unprotected header
	recipients  []recipient
}

// A recipient has the content key, encrypted for its key.
type recipient struct {
	header       header
	encryptedKey []byte
}

// Recipients returns the number of recipients, 1-8.
func (g *General) Recipients() int { return len(g.recipients) }

// SplitGeneral reads a general JSON serialization. Additional authenticated data (`aad`), members
// that the RFC does not define, and duplicate members are refused. Go-jose writes the encrypted key
// of the first recipient once more, as in the flattened serialization, which is accepted.
func SplitGeneral(text []byte) (*General, error) {
	g := new(General)
	s := jsonbytes.Scan(text)
	p := &g.parts
	err := readMembers(s, map[string]*[]byte{
		"protected": &p.Protected, "iv": &p.IV, "ciphertext": &p.Ciphertext, "tag": &p.Tag, "encrypted_key": &p.EncryptedKey,
	}, map[string]func() bool{
		"unprotected": readUnprotected(s, &g.unprotected),
		"recipients": func() bool {
			return s.Array(func(i int) bool { return i < MaxRecipients && g.readRecipient(s) })
		},
	})
	if err != nil || !s.End() || len(g.recipients) == 0 {
		return nil, ErrMessage
	}
	if p.EncryptedKey != nil && !bytes.Equal(p.EncryptedKey, g.recipients[0].encryptedKey) {
		return nil, ErrMessage
	}
	return g, nil
}

// readRecipient reads the next recipient.
func (g *General) readRecipient(s *jsonbytes.Scanner) bool {
	var r recipient
	err := readMembers(s, map[string]*[]byte{"encrypted_key": &r.encryptedKey}, map[string]func() bool{"header": readUnprotected(s, &r.header)})
	g.recipients = append(g.recipients, r)
	return err == nil
}

// DecryptGeneral is [JWE.Decrypt] for a general JSON serialization. It tries the recipients whose
// `alg` is the configured one, in their order, and skips the others. The protected header must hold
// the configured `enc`. A member is in one of the headers that apply to a recipient, as RFC 7516
// section 7.2.1 requires.
func (j JWE) DecryptGeneral(keys []any, g *General) (plaintext []byte, which int, err error) {
	s, err := j.scheme()
	if err != nil {
		return nil, 0, err
	}
	protected, err := readHeader(g.parts.Protected, j.Lenient)
	if err != nil {
		return nil, 0, err
	}
	if s.bare() && len(g.recipients) > 1 {
		return nil, 0, ErrMessage // they would need the same content key (RFC 7516 section 5.1)
	}
	m := &message{scheme: s, parts: g.parts}
	failure := ErrMessage // without a recipient for the algorithm
	for _, r := range g.recipients {
		if m.header, err = union(protected, g.unprotected, r.header); err != nil {
			return nil, 0, err
		}
		if !m.header.is("alg", j.Alg) {
			continue
		}
		m.parts.EncryptedKey = r.encryptedKey
		if err := m.readParts(); err != nil {
			return nil, 0, err
		}
		plaintext, which, err := m.decrypt(keys)
		switch {
		case err == nil:
			return plaintext, which, nil
		case errors.Is(err, ErrUnwrap):
			if errors.Is(failure, ErrMessage) {
				failure = err
			}
		case errors.Is(err, ErrDecrypt):
			failure = err // it got further than the other recipients
		default:
			return nil, 0, err
		}
	}
	return nil, 0, failure
}

// union returns the members of the headers that apply to a recipient. The parameters of the content
// must be protected.
func union(protected header, others ...header) (header, error) {
	all := maps.Clone(protected)
	for _, h := range others {
		for name, value := range h {
			if all.has(name) || name == "enc" || name == "zip" || name == "crit" {
				return nil, ErrMessage
			}
			all[name] = value
		}
	}
	return all, nil
}
