package payload

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// idBytes is how many random bytes an id has.
const idBytes = 16

// SignedString is the detail of the step of [Trace] that shows what is signed, with
// [signature.Hidden] in the place of secrets.
const SignedString = "string that is signed"

// A signer signs the messages of a direction, and verifies them.
type signer struct {
	config   signature.Config
	compiled *signature.Signer
	keys     []*source
	shared   bool // the keys are bytes, not pairs
	list     bool // all keys sign
}

// needs returns what it takes to sign and to verify.
func (s *signer) needs() (sign, verify []need) {
	verify = needAll(s.keys, true)
	if s.list {
		return needAll(s.keys, true), verify
	}
	return needFirst(s.keys), verify
}

// key returns one version of a key, private to sign or public to verify.
func (s *signer) key(m *message, v version, private bool) (any, keyform.Info, error) {
	key, info, err := joseKey(m, v, s.shared, private)
	if secret, ok := key.([]byte); ok && err == nil && len(secret) == 0 {
		return nil, info, v.unusable(keys.ErrSize)
	}
	return key, info, err
}

// withFingerprints returns the compiled signer with the fingerprints of a key in its JOSE header.
func (s *signer) withFingerprints(from *source, info keyform.Info) (*signature.Signer, error) {
	jws, ok := s.config.Scheme.(signature.JWS)
	if !ok || !describe.HoldsFingerprint(jws.Header) {
		return s.compiled, nil
	}
	header, err := fingerprinted(from, jws.Header, info)
	if err != nil {
		return nil, err
	}
	config := s.config
	jws.Header = header
	config.Scheme = jws
	made, wrong := signature.New(config)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("make signer: %s", wrong[0].Text)
	}
	return made, nil
}

// sign returns the headers that carry the signature of a message that goes out.
func (s *signer) sign(m *message, out *Output) error {
	signing := s.keys[:1]
	if s.list {
		signing = s.keys
	}
	var all []any
	compiled := s.compiled
	for i, v := range m.ring.candidates(signing) {
		if !s.list && i > 0 {
			break
		}
		key, info, err := s.key(m, v, true)
		switch {
		case err != nil && v.previous():
			continue
		case err != nil:
			return err
		}
		all = append(all, key)
		m.ring.use(v)
		if i == 0 {
			if compiled, err = s.withFingerprints(v.source, info); err != nil {
				return err
			}
		}
	}
	signed := s.message(m, out.Body, m.Body, true)
	if out.ContentType != "" {
		signed.ContentType = out.ContentType
	}
	if signed.ID == "" && s.compiled.NeedsID() {
		id := make([]byte, idBytes)
		if _, err := io.ReadFull(m.Random, id); err != nil {
			return fmt.Errorf("generate id: %w", err)
		}
		signed.ID = base64.RawURLEncoding.EncodeToString(id)
	}
	headers, err := compiled.Sign(m.Random, all, signed)
	if err != nil {
		return s.refused(err)
	}
	if m.Trace != nil {
		text, err := compiled.SignedString(signed)
		if err != nil {
			return s.refused(err)
		}
		m.Trace("sign", SignedString, text)
	}
	for _, h := range headers {
		out.Headers = append(out.Headers, Header(h))
		m.traced("sign", "signature header", []byte(h.Value))
	}
	out.ID, out.Time = signed.ID, signed.Time
	return nil
}

// message returns what is signed.
func (s *signer) message(m *message, body, plaintext []byte, known bool) signature.Message {
	at := m.Context.Time
	if at.IsZero() {
		at = m.Now
	}
	return signature.Message{
		Body: body, Plaintext: plaintext, PlaintextKnown: known, Time: at, ID: m.Context.ID,
		Method: m.Context.Method, Host: m.Context.Host, Path: m.Context.Path, Query: m.Context.Query,
		ContentType: m.ContentType, KeepUnused: m.keepUnused(),
	}
}

// refused returns the refusal of what cannot be signed or verified as it is.
func (s *signer) refused(err error) error {
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok {
		if path, ofBody := strings.CutPrefix(wanting.Name, "json:"); ofBody {
			return notEncryptable("a value that is signed is missing", path)
		}
		return fault.Fields(fault.Violation{Field: "context." + wanting.Name, Description: "is required: the signature covers it"})
	}
	switch {
	case errors.Is(err, signature.ErrKey):
		return s.keys[0].unusable(err)
	case errors.Is(err, signature.ErrTooLong):
		return notEncryptable("what is signed is longer than 64 MiB", "")
	}
	return err
}

// verify checks the signature of a message that came in, which has this plaintext if it
// is known.
func (s *signer) verify(m *message, plaintext []byte, known bool, out *Output) error {
	all, of, err := usable(m, s.keys, func(v version) (any, error) {
		key, _, err := s.key(m, v, false)
		return key, err
	})
	if err != nil {
		return err
	}
	verified, err := s.compiled.Verify(all, s.message(m, m.Body, plaintext, known), func(name string) (string, bool) {
		value, ok := m.Headers[name]
		return value, ok
	})
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok && strings.HasPrefix(wanting.Name, "json:") {
		return badSignature("The plaintext, of which a value is signed, is not known.")
	}
	wrong, _ := errors.AsType[*signature.InvalidError](err)
	switch {
	case wrong != nil:
		return badSignature(wrong.Cause)
	case errors.Is(err, signature.ErrTooLong):
		return badSignature("What is signed is longer than 64 MiB.")
	case err != nil:
		return s.refused(err)
	}
	out.ID, out.Time = verified.ID, verified.Time
	m.ring.use(of[verified.Key])
	return nil
}
