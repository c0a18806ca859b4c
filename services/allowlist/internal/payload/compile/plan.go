package compile

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
)

// A Plan is a compiled profile: it says how the messages of one direction are processed. It is
// immutable and safe for concurrent use.
type Plan struct {
	acknowledged []acknowledgement

	// Without a kind, the body stays as it is, and these fields are unset.
	Kind        kind.Kind
	Nested      *signing.Nested // nil if there is no nested signature
	Selection   selection.Selection
	Whole       bool // the whole body is selected
	Envelope    *envelope.Envelope
	ContentType string
	IvSuffix    *suffix
	AadSuffix   *suffix

	Signer *signing.Signer // nil if messages are not signed

	// The needs of each call.
	ToEncrypt, ToDecrypt, ToVerify []message.Need
	NeedsExchange, AnswersOnce     bool
	ShowsKey, Oracle               bool
	// OneStage says that received messages fail at a single stage once a key was used.
	OneStage bool

	// WorkLimit is the maximum work of a message; 0 means the general limit.
	WorkLimit int
}

// finish collects the needs of the plan, once its parts are complete.
func (p *Plan) finish() *Plan {
	p.ToEncrypt, p.ToDecrypt, p.ToVerify = nil, nil, nil
	if p.Kind != nil {
		p.ToEncrypt, p.ToDecrypt = p.Kind.Needs()
	}
	if p.Nested != nil {
		p.ToEncrypt = append(p.ToEncrypt, message.NeedFirst(p.Nested.Keys)...)
		p.ToDecrypt = append(p.ToDecrypt, message.NeedAll(p.Nested.Keys, true)...)
	}
	if p.Signer == nil {
		return p
	}
	sign, verify := p.Signer.Needs()
	p.ToEncrypt, p.ToDecrypt, p.ToVerify = append(p.ToEncrypt, sign...), append(p.ToDecrypt, verify...), verify
	if p.VerifiesPlaintext() {
		p.ToVerify = p.ToDecrypt // the signed plaintext must be decrypted
	}
	return p
}

// SignsPlaintext reports whether messages are signed before they are encrypted.
func (p *Plan) SignsPlaintext() bool { return p.Signer != nil && p.Signer.BeforeEncryption }

// VerifiesPlaintext reports whether messages are decrypted before their signature is verified.
func (p *Plan) VerifiesPlaintext() bool {
	return p.Kind != nil && p.Signer != nil && p.Signer.Compiled != nil && (p.Signer.BeforeEncryption || p.Signer.Compiled.NeedsPlaintext())
}

// A suffix is the end of a string in the body.
type suffix struct {
	path   string
	lookup *jsonbytes.Lookup
	bytes  int
}

// Of returns the suffix of a body.
func (s *suffix) Of(body []byte) ([]byte, error) {
	raw, ok := s.lookup.Value(body)
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return nil, message.NotEncryptable("a string whose end is needed is missing, or the body is not JSON", s.path)
	}
	text, ok := jsonbytes.Text(raw)
	if !ok || len(text) < s.bytes {
		return nil, message.NotEncryptable("a string whose end is needed is too short", s.path)
	}
	return text[len(text)-s.bytes:], nil
}
