// Package signature signs messages in headers and verifies such signatures, in the
// many ways that HTTP APIs and webhooks have of doing so.
//
// A [Config] says what is signed, by a template such as `${id}.${timestamp}.${body}`,
// how, by a [Scheme], and how the headers look that carry the signature. [New]
// compiles it, or tells all that is wrong with it; the [Signer] is immutable and may be
// used from many goroutines.
//
// # What is signed
//
// Templates are rendered straight into a hash where the scheme takes one, so that a
// body is not copied. Ed25519 and JWS read the whole input: for them it is put together
// in memory, unless it is the bare body.
//
// # What is verified
//
// A header that carries a placeholder must be there and match its template, white
// space at its ends aside. Of a repeated header the values are joined by a comma and a
// blank (RFC 9110 section 5.3), which matches lists that are separated by commas and
// hardly anything else. Times and ids enter the input with the very characters that
// they have in the header. In a list what does not look like one of our signatures is
// ignored, but not more than a few that do are tried.
//
// Whatever is wrong with a message is [ErrInvalid], one answer for all; an [InvalidError]
// says what it was, for the owners of the endpoint. Keys and the call's context are checked
// before the message is looked at, so that what is said of them tells nothing of it.
//
// That a message comes only once is for the caller to see to, by [Verified.ID].
//
// The package knows nothing of configurations on the wire, of the vault or of
// endpoints; time and randomness are parameters.
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
	// ErrInvalid says that a message's signature is missing, is not right, or is of
	// another time.
	ErrInvalid = errors.New("the signature is not valid")
	// ErrKey says that a key is not one for the scheme, or that there is none.
	ErrKey = errors.New("the key does not fit the scheme of the signature")
	// ErrTooLong says that the input to be signed has more than 64 MiB.
	ErrTooLong = errors.New("the input of the signature is too long")
)

// An InvalidError is [ErrInvalid] with its cause.
type InvalidError struct {
	// Cause is a sentence. It names headers and placeholders as they are configured, and says
	// nothing of what the message holds but how far its time is off.
	Cause string
}

// Error says what all of them say.
func (*InvalidError) Error() string { return ErrInvalid.Error() }

// Unwrap returns [ErrInvalid].
func (*InvalidError) Unwrap() error { return ErrInvalid }

func invalid(format string, args ...any) error {
	return &InvalidError{Cause: fmt.Sprintf(format, args...)}
}

// A ValueError says that something that the template needs is not known, or cannot
// stand where it is needed.
type ValueError struct {
	// Name is the placeholder's, such as `path` or `json:$.amount`.
	Name string
}

// Error names the placeholder.
func (e *ValueError) Error() string { return "no usable value for " + e.Name }

// A Config says how messages are signed.
type Config struct {
	// Scheme is how the signature is made.
	Scheme Scheme
	// Input is the template of what is signed. Empty: `${body}`.
	Input string
	// Headers are the templates of the headers to add, by name. Names are not checked
	// here.
	Headers map[string]string
	// Encoding is how the signature is written. It does not matter for a [JWS].
	Encoding template.Encoding
	// List is set if the signatures of all keys are sent.
	List *List
	// Tolerance is how far the time in a header may be from the time of verification,
	// in both directions.
	Tolerance time.Duration
}

// A List is how several signatures stand in one header.
type List struct {
	// Item is the template of one, such as `v1,${signature}`.
	Item string
	// Separator stands between two.
	Separator string
}

// A Violation is something that is wrong with a configuration.
type Violation struct {
	// Field is the place: `input`, `headers`, `encoding`, `list.item` or `list.separator`.
	Field string
	// Header is the name of the header that is wrong, if one alone is.
	Header string
	// Text says what must be. It does not repeat what is there.
	Text string
}

// A Header is one that is sent with a message.
type Header struct{ Name, Value string }

// A Verified is what a good signature vouches for.
type Verified struct {
	// ID and Time are those in the headers, if the signature covers them.
	ID   string
	Time time.Time
	// Key is the position of the key that fits.
	Key int
}

// A Signer is a compiled configuration.
type Signer struct {
	scheme    Scheme
	input     *input
	headers   *headers
	tolerance time.Duration
	// needed are the times and the id that stand in the input or in a header.
	needed [carriedCount]bool
}

// New compiles a configuration. If there are findings, there is no signer.
func New(c Config) (*Signer, []Violation) {
	var findings []Violation
	in, finding := parseInput(c.Input)
	if finding != "" {
		findings = append(findings, Violation{Field: "input", Text: finding})
	}
	h, wrong := newHeaders(c)
	findings = append(findings, wrong...)
	if in == nil || h == nil {
		return nil, findings
	}
	if finding := compare(in, h, c.Scheme); finding != "" {
		return nil, []Violation{{Field: "input", Text: finding}}
	}
	s := &Signer{scheme: c.Scheme, input: in, headers: h, tolerance: c.Tolerance}
	for i, name := range carriedNames() {
		s.needed[i] = in.has(name) || h.carries[i]
	}
	return s, nil
}

// compare returns what is wrong with an input, given the scheme and the headers.
func compare(in *input, h *headers, scheme Scheme) string {
	if _, digest := scheme.(SecretDigest); digest != in.has(nameSecret) {
		return "must hold ${secret} with a secret digest, and only then"
	}
	anyTime := h.carries[timestamp] || h.carries[timestampMS] || h.carries[timestampRFC3339]
	for i, name := range carriedNames()[:id] {
		if anyTime && in.has(name) && !h.carries[i] {
			return "must hold the time in the form in which a header carries it"
		}
	}
	return ""
}

// NeedsPlaintext reports whether the input holds the plaintext or values of it. Then a
// message has to be opened before its signature can be verified.
func (s *Signer) NeedsPlaintext() bool {
	for _, p := range s.input.placeholders {
		if p.name == namePlaintext || p.lookup != nil {
			return true
		}
	}
	return false
}

// NeedsID reports whether a message that is signed needs an id.
func (s *Signer) NeedsID() bool { return s.needed[id] }

// Sign returns the headers that carry the signature of a message: with a list those
// of all keys, else that of the first. Keys are []byte for [HMAC] and [SecretDigest],
// else private keys.
//
// It fails with a [*ValueError], [ErrKey] or [ErrTooLong].
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

// fill sets the texts that the headers or the input need and that were not read from a header.
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

// Verify verifies the signature of a message under any of the keys: []byte for [HMAC]
// and [SecretDigest], else public keys. Header returns the value of a header, asked
// for in lower case. The message's time is the one that the time in a header is
// compared with.
//
// It fails with [ErrKey] if any key is not of the scheme, with a [*ValueError] if the
// context lacks something, else with [ErrInvalid].
func (s *Signer) Verify(keys []any, m Message, header func(name string) (string, bool)) (Verified, error) {
	if err := s.check(keys, &m); err != nil {
		return Verified{}, err
	}
	texts, signatures, err := s.headers.read(header)
	if err != nil {
		return Verified{}, err
	}
	if s.input.has(nameID) && m.ID != "" && texts[id] != nil && string(texts[id]) != m.ID {
		return Verified{}, invalid("The id in the header is not the one of the call's context.")
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
		return Verified{}, invalid("The string that is signed cannot be put together: %s.", err)
	}
	for i, key := range keys {
		if s.scheme.verify(key, in, signatures) {
			return s.verified(i, sent, &texts), nil
		}
	}
	return Verified{}, invalid("The signature does not match: the key, the string that is signed or the algorithm is another one.")
}

// Hidden stands in the place of secrets in a [Signer.SignedString].
const Hidden = "‹secret›"

// SignedString returns the string that is signed of a message: of a JWS its signing input. In
// the place of a secret, with the functions on it, it has [Hidden]. It fails as Sign does.
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

// check checks what a verification needs besides the message.
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

// verified tells what a signature covers. What stands in a header and not in the input
// anybody can have changed.
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
