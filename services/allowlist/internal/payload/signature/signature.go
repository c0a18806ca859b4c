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
// Templates are rendered directly into a hash if the scheme uses one, so that the body is not
// copied. Ed25519 and JWS read the whole input, which is assembled in memory unless it is the
// bare body.
//
// # Verification
//
// A header with a placeholder must exist and match its template, except for white space at its
// ends. The values of a repeated header are joined by a comma and a space (RFC 9110 section
// 5.3). The result matches comma-separated lists and hardly anything else. Times and IDs enter
// the input with the exact characters from the header. Items of a list that do not look like our
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
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

var (
	// ErrInvalid means that a message's signature is missing, wrong, or from another time.
	ErrInvalid = errors.New("the signature is not valid")
	// ErrKey means that a key does not fit the scheme, or that there are no keys.
	ErrKey = errors.New("the key does not fit the signature scheme")
	// ErrTooLong means that the input to sign has more than 64 MiB.
	ErrTooLong = errors.New("the input to sign is too long")
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

// A ValueError means that a value that the template needs is unknown, or not valid in its place.
type ValueError struct {
	// Name is the placeholder's name, such as `path` or `json:$.amount`.
	Name string
}

// Error names the placeholder.
func (e *ValueError) Error() string { return "no usable value for " + e.Name }

// A Config says how messages are signed.
type Config struct {
	// Scheme computes the signature.
	Scheme Scheme
	// Input is the template of the signed string. Empty means `${body}`.
	Input string
	// Headers are the templates of the headers to add, by name. The names are not checked here.
	Headers map[string]string
	// Encoding is the encoding of the signature. A [JWS] ignores it.
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
	// Field is `input`, `headers`, `encoding`, `list.item`, or `list.separator`.
	Field string
	// Header is the name of the header with the violation, if it concerns only one.
	Header string
	// Text says what the field must be. It does not repeat its value.
	Text string
}

// A Header is a header to send with a message.
type Header struct{ Name, Value string }

// A Verified holds the facts that a valid signature covers.
type Verified struct {
	// ID and Time are the values in the headers, if the signature covers them.
	ID   string
	Time time.Time
	// Key is the position of the matching key.
	Key int
}

// A Signer is a compiled configuration.
type Signer struct {
	scheme    Scheme
	input     *input
	headers   *headers
	tolerance time.Duration
	// needed are the times and the ID that the input or a header contains.
	needed [carriedCount]bool
}

// New compiles a configuration. If there are violations, it returns no signer.
func New(c Config) (*Signer, []Violation) {
	var violations []Violation
	in, violation := parseInput(c.Input)
	if violation != "" {
		violations = append(violations, Violation{Field: "input", Text: violation})
	}
	h, wrong := newHeaders(c)
	violations = append(violations, wrong...)
	if in == nil || h == nil {
		return nil, violations
	}
	if violation := compare(in, h, c.Scheme); violation != "" {
		return nil, []Violation{{Field: "input", Text: violation}}
	}
	s := &Signer{scheme: c.Scheme, input: in, headers: h, tolerance: c.Tolerance}
	for i, name := range carriedNames() {
		s.needed[i] = in.has(name) || h.carries[i]
	}
	return s, nil
}

// compare returns the violation in an input, given the scheme and the headers.
func compare(in *input, h *headers, scheme Scheme) string {
	if _, digest := scheme.(SecretDigest); digest != in.has(nameSecret) {
		return "must contain ${secret} if and only if the scheme is a secret digest"
	}
	anyTime := h.carries[timestamp] || h.carries[timestampMS] || h.carries[timestampRFC3339]
	for i, name := range carriedNames()[:id] {
		if anyTime && in.has(name) && !h.carries[i] {
			return "must use the same form of the time as the headers"
		}
	}
	return ""
}

// NeedsPlaintext reports whether the input contains the plaintext or values of it. Such a
// message must be decrypted before its signature can be verified.
func (s *Signer) NeedsPlaintext() bool {
	for _, p := range s.input.placeholders {
		if p.name == namePlaintext || p.lookup != nil {
			return true
		}
	}
	return false
}

// NeedsID reports whether a message to sign needs an ID.
func (s *Signer) NeedsID() bool { return s.needed[id] }

// Sign returns the headers that carry the signature of a message: with a list, the signatures of
// all keys, and otherwise that of the first key. Keys are []byte for [HMAC] and [SecretDigest],
// and private keys for the other schemes.
//
// It fails with a [*ValueError], [ErrKey], or [ErrTooLong].
func (s *Signer) Sign(random io.Reader, keys []any, m Message) ([]Header, error) {
	if len(keys) == 0 {
		return nil, ErrKey
	}
	if s.headers.item == nil {
		keys = keys[:1]
	}
	var texts carried
	if err := s.fill(&m, &texts); err != nil {
		return nil, err
	}
	if s.headers.carries[id] && !isID(texts[id], &s.headers.idChars) {
		return nil, &ValueError{nameID}
	}
	in, err := s.input.signed(&m, &texts)
	if err != nil {
		return nil, err
	}
	signatures := make([][]byte, len(keys))
	for i, key := range keys {
		if signatures[i], err = s.scheme.sign(random, key, in); err != nil {
			return nil, err
		}
	}
	return s.headers.write(&texts, signatures), nil
}

// fill sets the values that the headers or the input need and that were not read from a header.
func (s *Signer) fill(m *Message, texts *carried) error {
	for i, name := range carriedNames() {
		if !s.needed[i] || texts[i] != nil {
			continue
		}
		text, ok := m.text(i)
		if !ok {
			return &ValueError{name}
		}
		texts[i] = text
	}
	return nil
}

// Verify verifies the signature of a message under any of the keys: []byte for [HMAC] and
// [SecretDigest], and public keys for the other schemes. Header returns the value of a header by
// its lowercase name. The time in a header is compared with the message's time.
//
// Verify fails with [ErrKey] if any key does not fit the scheme, with a [*ValueError] if the
// context lacks a value, and otherwise with [ErrInvalid].
func (s *Signer) Verify(keys []any, m Message, header func(name string) (string, bool)) (Verified, error) {
	if err := s.check(keys, &m); err != nil {
		return Verified{}, err
	}
	texts, signatures, err := s.headers.read(header)
	if err != nil {
		return Verified{}, err
	}
	if s.input.has(nameID) && m.ID != "" && texts[id] != nil && string(texts[id]) != m.ID {
		return Verified{}, invalid("The ID in the header differs from the ID in the call's context.")
	}
	sent, err := texts.time(m.Time, s.tolerance)
	if err != nil {
		return Verified{}, err
	}
	if err := s.fill(&m, &texts); err != nil {
		return Verified{}, invalid("The message has %s.", err)
	}
	in, err := s.input.signed(&m, &texts)
	if err != nil {
		return Verified{}, invalid("The signed string cannot be assembled: %s.", err)
	}
	for i, key := range keys {
		if s.scheme.verify(key, in, signatures) {
			return s.verified(i, sent, &texts), nil
		}
	}
	return Verified{}, invalid("The signature does not match: the key, the signed string, or the algorithm differs.")
}

// Hidden replaces secrets in a [Signer.SignedString].
const Hidden = "‹secret›"

// SignedString returns the signed string of a message; for a JWS, its signing input. Secrets,
// with the functions on them, are replaced by [Hidden]. It fails like Sign does.
func (s *Signer) SignedString(m Message) ([]byte, error) {
	var texts carried
	if err := s.fill(&m, &texts); err != nil {
		return nil, err
	}
	in, err := s.input.signed(&m, &texts)
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

// check checks the preconditions of a verification that do not depend on the message.
func (s *Signer) check(keys []any, m *Message) error {
	if len(keys) == 0 {
		return ErrKey
	}
	for _, key := range keys {
		if !s.scheme.verifies(key) {
			return ErrKey
		}
	}
	for i, name := range carriedNames() {
		if !s.needed[i] || s.headers.carries[i] {
			continue
		}
		if _, ok := m.text(i); !ok {
			return &ValueError{name}
		}
	}
	for _, p := range s.input.placeholders {
		if _, ok := m.context(p.name); !ok || p.lookup != nil && !m.PlaintextKnown {
			return &ValueError{p.name}
		}
	}
	return nil
}

// verified returns the facts that a signature covers. Anyone could have changed a header value
// that is not in the input.
func (s *Signer) verified(key int, sent time.Time, texts *carried) Verified {
	v := Verified{Key: key}
	if s.headers.carries[id] && s.input.has(nameID) {
		v.ID = string(texts[id])
	}
	for i, name := range carriedNames()[:id] {
		if s.headers.carries[i] && s.input.has(name) {
			v.Time = sent
		}
	}
	return v
}
