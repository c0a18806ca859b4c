// Package signing signs and verifies messages, and the values inside ciphertexts, with the keys of
// a message. Packages signature and jose implement the signatures.
package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// idBytes is the number of random bytes of an ID.
const idBytes = 16

// SignedString is the detail of the [Trace] step that shows the signed string, with
// [signature.Hidden] in place of secrets.
const SignedString = "string that is signed"

// A Signer signs and verifies the messages of one direction.
type Signer struct {
	Config   signature.Config
	Compiled *signature.Signer
	Keys     []*message.Source
	Shared   bool // the keys are bytes, not pairs
	List     bool // all keys sign
	// BeforeEncryption says that the plaintext is signed.
	BeforeEncryption bool
}

// Needs returns the keys that are needed to sign and to verify.
func (s *Signer) Needs() (sign, verify []message.Need) {
	verify = message.NeedAll(s.Keys, true)
	if s.List {
		return message.NeedAll(s.Keys, true), verify
	}
	return message.NeedFirst(s.Keys), verify
}

// key returns one version of a key, private to sign or public to verify.
func (s *Signer) key(m *message.Message, v message.Candidate, private bool) (any, keyform.Info, error) {
	key, info, err := JoseKey(m, v, s.Shared, private)
	if secret, ok := key.([]byte); ok && err == nil && len(secret) == 0 {
		return nil, info, v.Unusable(keys.ErrSize)
	}
	return key, info, err
}

// withFingerprints returns the compiled signer with the fingerprints of a key in its JOSE header.
func (s *Signer) withFingerprints(from *message.Source, info keyform.Info) (*signature.Signer, error) {
	jws, ok := s.Config.Scheme.(signature.JWS)
	if !ok || !describe.HoldsFingerprint(jws.Header) {
		return s.Compiled, nil
	}
	header, err := Fingerprinted(from, jws.Header, info)
	if err != nil {
		return nil, err
	}
	config := s.Config
	jws.Header = header
	config.Scheme = jws
	made, wrong := signature.New(config)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("create signer: %s", wrong[0].Text)
	}
	return made, nil
}

// Sign adds the headers that carry the signature of an outgoing message.
func (s *Signer) Sign(m *message.Message, out *message.Output) error {
	signing := s.Keys[:1]
	if s.List {
		signing = s.Keys
	}
	var all []any
	compiled := s.Compiled
	for i, v := range m.Ring.Candidates(signing) {
		if !s.List && i > 0 {
			break
		}
		key, info, err := s.key(m, v, true)
		switch {
		case err != nil && v.Superseded():
			continue
		case err != nil:
			return err
		}
		all = append(all, key)
		m.Ring.Use(v)
		if i == 0 {
			if compiled, err = s.withFingerprints(v.Source, info); err != nil {
				return err
			}
		}
	}
	signed := s.message(m, out.Body, m.Body, true)
	if out.ContentType != "" {
		signed.ContentType = out.ContentType
	}
	if signed.ID == "" && s.Compiled.NeedsID() {
		id := make([]byte, idBytes)
		if _, err := io.ReadFull(m.Random, id); err != nil {
			return fmt.Errorf("generate id: %w", err)
		}
		signed.ID = base64.RawURLEncoding.EncodeToString(id)
	}
	if at := m.Context.Time; !at.IsZero() && !at.Equal(m.Now) && compiled.Sorts() {
		return fault.Fields(fault.Violation{Field: "context.time", Description: "must be unset: the signature sorts it together with the secret"})
	}
	sent, err := compiled.Sign(m.Random, all, signed)
	if err != nil {
		return s.refused(err)
	}
	out.Body = sent.Body
	if m.Trace != nil {
		text, err := compiled.SignedString(signed)
		if err != nil {
			return s.refused(err)
		}
		m.Trace("sign", SignedString, text)
	}
	for _, h := range sent.Headers {
		out.Headers = append(out.Headers, message.Header(h))
		m.Traced("sign", "signature header", []byte(h.Value))
	}
	for _, q := range sent.Query {
		out.Query = append(out.Query, message.Header(q))
		m.Traced("sign", "signature query parameter", []byte(q.Value))
	}
	out.ID, out.Time = signed.ID, signed.Time
	return nil
}

// message returns the message to sign.
func (s *Signer) message(m *message.Message, body, plaintext []byte, known bool) signature.Message {
	return signature.Message{
		Body: body, Plaintext: plaintext, PlaintextKnown: known, Time: m.Time(), ID: m.Context.ID,
		Method: m.Context.Method, Host: m.Context.Host, Path: m.Context.Path, Query: m.Context.Query,
		ContentType: m.ContentType, KeepUnused: m.CacheFor(), Values: m.Context.Values,
		Headers: func(name string) (string, bool) {
			value, ok := m.Context.Headers[name]
			return value, ok
		},
	}
}

// refused returns the error for a message that cannot be signed or verified as it is.
func (s *Signer) refused(err error) error {
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok {
		return unusable(wanting)
	}
	switch {
	case errors.Is(err, signature.ErrKey):
		return s.Keys[0].Unusable(err)
	case errors.Is(err, signature.ErrTooLong):
		return message.NotEncryptable("the string to sign is too long, or takes too much work", "")
	case errors.Is(err, signature.ErrText):
		return message.NotEncryptable("a string of the signature is not UTF-8, or has a control character in a header", "")
	case errors.Is(err, signature.ErrBody):
		return message.NotEncryptable("the body is not what the signature is added to, or has a member or a field of its name already", "")
	}
	return err
}

// spend records the work of verifying the signatures of a message with a number of keys, if it is
// considerable: on P-521, whose signatures take milliseconds.
func (s *Signer) spend(m *message.Message, keys int) error {
	jws, ok := s.Config.Scheme.(signature.JWS)
	if !ok || jws.Alg != "ES512" {
		return nil
	}
	work := message.P521Work * keys
	if s.List {
		work *= signature.MaxSignatures
	}
	err := m.Spend(work)
	if errors.Is(err, message.ErrTooMuchWork) {
		return message.BadSignature("The signature takes too much work in addition to that of the decryption.")
	}
	return err
}

// unusable returns the error for a message that lacks a value, or whose value a function does not
// accept.
func unusable(err *signature.ValueError) error {
	switch {
	case err.Path != "":
		return message.NotEncryptable("a signed value is missing", err.Path)
	case err.Function != "":
		return message.NotEncryptable("a signed value does not suit the function "+err.Function, "")
	}
	field := "context." + err.Variable.Name
	switch {
	case err.Variable.Kind == expression.Context:
		field = violation.Entry("context.values", err.Variable.Name)
	case err.Variable.Kind == expression.Header:
		field = violation.Entry("context.headers", err.Variable.Name)
	case field == "context.content_type":
		field = "endpoint.content_type"
	}
	return fault.Field(field, "is required: the signature covers it")
}

// Strip returns a received body without what the signature added to it.
func (s *Signer) Strip(body []byte) ([]byte, error) {
	rest, err := s.Compiled.Strip(body)
	if wrong, ok := errors.AsType[*signature.InvalidError](err); ok {
		return nil, message.BadSignature(wrong.Cause)
	}
	return rest, err
}

// Verify checks the signature of a received body, whose plaintext is given if known.
func (s *Signer) Verify(m *message.Message, body, plaintext []byte, known bool, out *message.Output) error {
	all, of, err := message.Usable(m, s.Keys, func(v message.Candidate) (any, error) {
		key, _, err := s.key(m, v, false)
		return key, err
	})
	if err != nil {
		return err
	}
	if err := s.spend(m, len(all)); err != nil {
		return err
	}
	verified, err := s.Compiled.Verify(all, s.message(m, body, plaintext, known), func(name string) (string, bool) {
		value, ok := m.Headers[name]
		return value, ok
	})
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok && (wanting.Path != "" || wanting.Variable == expression.Variable{Name: "plaintext"}) {
		return message.BadSignature("A value of the plaintext is signed, but the plaintext is not known.")
	}
	wrong, _ := errors.AsType[*signature.InvalidError](err)
	switch {
	case wrong != nil:
		return message.BadSignature(wrong.Cause)
	case errors.Is(err, signature.ErrTooLong):
		return message.BadSignature("The signed string is too long, or takes too much work.")
	case err != nil:
		return s.refused(err)
	}
	out.ID, out.Time = verified.ID, verified.Time
	m.Ring.Use(of[verified.Key])
	return nil
}
