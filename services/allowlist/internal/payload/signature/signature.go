// Package signature signs messages in headers and verifies such signatures, for the many
// conventions of HTTP APIs and webhooks.
//
// A [Config] contains the template of the signed string, such as `${id}.${timestamp}.${body}`,
// the [Scheme] that signs it, and the templates of the headers that carry the signature. [New]
// compiles it, or returns all its violations. The [Signer] is immutable and safe for concurrent
// use.
//
// # Signing
//
// The signed string is a template or an expression (package expression). It is rendered directly
// into a hash if the scheme uses one, so that the body is not copied. Ed25519 and JWS read the whole
// string, which is assembled in memory unless it is the bare body. Templates say where the result
// goes: headers, query parameters, form fields, and members of a JSON body. They may contain named
// values, which are expressions too.
//
// # Verification
//
// A header with a placeholder must exist and match its template, except for white space at its
// ends. The values of a repeated header are joined by a comma and a space (RFC 9110 section
// 5.3). The result matches comma-separated lists and hardly anything else. Times, IDs, nonces, and
// strings of the call enter the signed string with the exact characters from the message. All other
// named values are computed again and compared. Items of a list that do not look like our
// signatures are ignored, and only a few of the others are tried.
//
// Every fault of a message is reported as [ErrInvalid]. An [InvalidError] names the cause, for
// the owners of the endpoint. Keys and the call's context are checked before the message, so
// that errors about them reveal nothing about it.
//
// The caller must detect replays, with [Verified.ID].
//
// The package does not know about configurations on the wire, the vault, or endpoints. Time and
// randomness are parameters.
package signature

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

var (
	// ErrInvalid means that a message's signature is missing, wrong, or from another time.
	ErrInvalid = errors.New("the signature is not valid")
	// ErrKey means that a key does not fit the scheme, or that there are no keys.
	ErrKey = errors.New("the key does not fit the signature scheme")
	// ErrTooLong means that the message is too long to assemble the string to sign.
	ErrTooLong = expression.ErrTooLong
)

// An InvalidError is [ErrInvalid] with its cause.
type InvalidError struct {
	// Cause is a sentence. It names headers and placeholders as they are configured, and reveals
	// nothing about the message except how far its time is off.
	Cause string
}

// Error returns the same text for all causes.
func (*InvalidError) Error() string { return ErrInvalid.Error() }

// Unwrap returns [ErrInvalid].
func (*InvalidError) Unwrap() error { return ErrInvalid }

func invalid(format string, args ...any) error {
	return &InvalidError{Cause: fmt.Sprintf(format, args...)}
}

// A ValueError means that a value that the signature needs is unknown, or not valid in its place.
type ValueError = expression.ValueError

// missing returns the error for a variable of the message.
func missing(name string) error { return &ValueError{Variable: expression.Variable{Name: name}} }

// A Config says how messages are signed.
type Config struct {
	// Scheme computes the signature.
	Scheme Scheme
	// Input is the template of the signed string, and InputExpression the expression in its place.
	// If both are empty, the body is signed.
	Input, InputExpression string
	// Values are the expressions of named values, and Constants fixed strings, by name.
	Values, Constants map[string]string
	// Claims are the expressions of the claims of a [JWS] that is sent with its payload, in place of
	// an input.
	Claims map[string]string
	// Headers, QueryParameters, FormFields, and BodyMembers are the templates of what to add to a
	// message, by name. The names are not checked here. Those of BodyMembers may be paths; see
	// [MemberPath].
	Headers, QueryParameters, FormFields, BodyMembers map[string]string
	// Encoding is the encoding of the signature. A [JWS] and [Computed] ignore it.
	Encoding template.Encoding
	// List is set to send the signatures of all keys.
	List *List
	// Tolerance is the maximum difference between the time in a header and the time of
	// verification, in both directions.
	Tolerance time.Duration
}

// A List is the format of several signatures in one header.
type List struct {
	// Item is the template of one signature, such as `v1,${signature}`.
	Item string
	// Separator separates two items.
	Separator string
}

// A Violation is an error in a configuration.
type Violation struct {
	// Field is a field of the contract's Signing, such as `input` or `list.item`.
	Field string
	// Name is the name of the entry with the violation, if the field is a map and the violation
	// concerns only one entry.
	Name string
	// Text says what the field must be. It does not repeat its value.
	Text string
}

// A Header is a header to send with a message.
type Header struct{ Name, Value string }

// A Signer is a compiled configuration.
type Signer struct {
	scheme    Scheme
	texts     *Strings
	carriers  *carriers
	insertion *jsonbytes.Insertion
	tolerance time.Duration
	// needed are the times and the ID that a string or a template contains.
	needed [carriedCount]bool
	// fine is the position of a carried time with seconds, or -1.
	fine int
	// programs are those of all strings.
	programs []*expression.Program
	// inMessage says which values a message carries, in a template or a claim, and covered which
	// values the signature covers, by position.
	inMessage, covered []bool
}

// New compiles a configuration. If there are violations, it returns no signer.
func New(c Config) (*Signer, []Violation) {
	texts, violations := ParseStrings(c)
	h, wrong := newCarriers(c, texts)
	violations = append(violations, wrong...)
	if len(violations) > 0 {
		return nil, violations
	}
	s := &Signer{scheme: c.Scheme, texts: texts, carriers: h, tolerance: c.Tolerance, fine: -1}
	for i, name := range carriedNames() {
		s.needed[i] = texts.has(name) || h.carries[i]
		if i < id && h.carries[i] {
			s.fine = i
		}
	}
	for i, v := range texts.Values {
		if at, ok := v.time(); ok && at.Later == 0 && at.Fine && h.carries[carriedCount+i] && s.fine < 0 {
			s.fine = carriedCount + i
		}
	}
	for _, claim := range texts.Claims {
		if i := claim.position(); i >= 0 && i < id && s.fine < 0 {
			s.fine = i
		}
	}
	s.insertion = jsonbytes.NewInsertion(h.members...)
	s.programs = texts.all()
	for _, name := range carriedNames() {
		s.covered = append(s.covered, texts.covers(name))
	}
	for _, v := range texts.Values {
		s.covered = append(s.covered, texts.Covers(v.Name))
	}
	for i, carries := range h.carries {
		s.inMessage = append(s.inMessage, carries || s.claims(i))
	}
	if v := s.check(c); v != (Violation{}) {
		return nil, []Violation{v}
	}
	return s, nil
}

// check returns the violation in how the parts of a configuration work together.
func (s *Signer) check(c Config) Violation {
	field := "input"
	if c.InputExpression != "" {
		field = "input_expression"
	}
	_, jws := c.Scheme.(JWS)
	_, digest := c.Scheme.(SecretDigest)
	_, computed := c.Scheme.(Computed)
	in := s.texts.Input
	switch {
	case len(c.Claims) > 0 && (!jws || c.List != nil):
		return Violation{Field: "claims", Text: "must be empty unless the scheme is a JWS without a list"}
	case len(c.FormFields) > 0 && len(c.BodyMembers) > 0:
		return Violation{Field: "form_fields", Text: "must be empty if there are body_members"}
	case in != nil && digest && c.InputExpression != "":
		return Violation{Field: field, Text: "must be empty with secret_digest; use computed"}
	case in != nil && !computed && digest != in.Has(nameSecret):
		return Violation{Field: field, Text: "must contain ${secret} if and only if the scheme is a secret digest"}
	case computed && !in.Has(nameSecret):
		return Violation{Field: field, Text: "must use secret, because it computes the signature"}
	}
	for i := range id {
		if s.fine >= 0 && s.covered[i] && !s.inMessage[i] {
			return Violation{Field: field, Text: "must use the same form of the time as the headers"}
		}
	}
	for i, v := range s.texts.Values {
		inMessage := s.inMessage[carriedCount+i]
		switch at, ok := v.time(); {
		case v.single.Kind == expression.Nonce && !inMessage:
			return Violation{Field: "values", Name: v.Name, Text: "must be in a template, so that the receiver learns the nonce"}
		case ok && at.Later == 0 && inMessage && s.fine < 0:
			return Violation{Field: "values", Name: v.Name, Text: "must have a layout with seconds, unless another value has one"}
		}
	}
	return s.checkSorted(field)
}

// claims reports whether a claim carries the value at a position.
func (s *Signer) claims(at int) bool {
	return slices.ContainsFunc(s.texts.Claims, func(claim Value) bool { return s.claimed(claim) == at })
}

// claimed returns the position of the value that a claim carries, or -1 if the claim is computed.
func (s *Signer) claimed(claim Value) int {
	if claim.single.Kind == expression.Named {
		return s.named(claim.single.Name)
	}
	return claim.position()
}

// named returns the position of a named value.
func (s *Signer) named(name string) int {
	return carriedCount + slices.IndexFunc(s.texts.Values, func(v Value) bool { return v.Name == name })
}

// checkSorted checks that the named values that a sorted digest orders are not the sender's choice.
func (s *Signer) checkSorted(field string) Violation {
	if s.texts.Input == nil {
		return Violation{}
	}
	for _, name := range s.texts.Input.SortedNames() {
		kind := s.texts.Values[s.named(name)-carriedCount].single.Kind
		if kind != expression.Nonce && kind != expression.Time {
			return Violation{Field: field, Text: "must list only times, nonces, and json(body, …) in sorted_sha1, which the sender does not choose"}
		}
	}
	return Violation{}
}

// Sorts reports whether the signature sorts the secret among other values. The time of a message to
// sign must then not be the sender's choice.
func (s *Signer) Sorts() bool { return s.texts.Input != nil && s.texts.Input.Sorts() }

// NeedsPlaintext reports whether a string contains the plaintext or values of it. Such a message
// must be decrypted before its signature can be verified.
func (s *Signer) NeedsPlaintext() bool { return s.texts.has(namePlaintext) }

// NeedsID reports whether a message to sign needs an ID.
func (s *Signer) NeedsID() bool { return s.needed[id] }

// ChangesBody reports whether the signature is added to the body.
func (s *Signer) ChangesBody() bool {
	return len(s.carriers.at[inForm])+len(s.carriers.at[inMember]) > 0
}

// A Signed is what to send with a message.
type Signed struct {
	Headers, Query []Header
	// Body is the message's body with what the signature adds to it. It is the message's own body if
	// it adds nothing.
	Body []byte
}

// Sign signs a message: with a list, by all keys, and otherwise by the first key. Keys are []byte
// for [HMAC], [SecretDigest], and [Computed], and private keys for the other schemes.
//
// It fails with a [*ValueError], [ErrKey], [ErrTooLong], [ErrText], or [ErrBody].
func (s *Signer) Sign(random io.Reader, keys []any, m Message) (Signed, error) {
	if len(keys) == 0 {
		return Signed{}, ErrKey
	}
	if s.carriers.item == nil {
		keys = keys[:1]
	}
	w := s.begin(m)
	texts := w.texts
	in, err := w.input(random)
	if err != nil {
		return Signed{}, err
	}
	if s.carriers.carries[id] && !isID(texts[id], &s.carriers.idChars) {
		return Signed{}, missing(nameID)
	}
	signatures := make([][]byte, len(keys))
	for i, key := range keys {
		if signatures[i], err = s.scheme.sign(random, key, in); err != nil {
			return Signed{}, err
		}
	}
	var out Signed
	if out.Headers, err = s.carriers.write(inHeader, texts, signatures); err != nil {
		return Signed{}, err
	}
	if out.Query, err = s.carriers.write(inQuery, texts, signatures); err != nil {
		return Signed{}, err
	}
	if out.Body, err = s.attach(m.Body, texts, signatures); err != nil {
		return Signed{}, err
	}
	return out, nil
}

// Hidden replaces secrets in a [Signer.SignedString].
const Hidden = "‹secret›"

// SignedString returns the signed string of a message; for a JWS, its signing input. Secrets,
// with the functions on them, are replaced by [Hidden]. For [Computed], it is what the MAC or the
// digest is of. It fails like Sign does. A nonce differs from that of any signature.
func (s *Signer) SignedString(m Message) ([]byte, error) {
	in, err := s.begin(m).input(rand.Reader)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if jws, ok := s.scheme.(JWS); ok {
		jws.WriteSigningInput(&text, in.time, in.bytes())
	} else {
		in.show(&text)
	}
	return text.Bytes(), nil
}
