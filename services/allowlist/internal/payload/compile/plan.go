package compile

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
)

// A Plan is a profile that was compiled: what is done to the messages of one direction. It is
// immutable and may be used from many goroutines.
type Plan struct {
	acknowledged []acknowledgement

	// Without a kind the body stays as it is, and these are unset.
	Kind        kind.Kind
	Nested      *signing.Nested // nil: nothing is signed inside
	Selection   selection.Selection
	Whole       bool // all of the body is selected
	Envelope    *envelope.Envelope
	ContentType string
	IvSuffix    *suffix
	AadSuffix   *suffix

	Signer *signing.Signer // nil: not signed

	// What each of the calls needs.
	ToEncrypt, ToDecrypt, ToVerify []message.Need
	NeedsExchange, AnswersOnce     bool
	ShowsKey, Oracle               bool
	// OneStage says that what came in stops at one stage once a key was used.
	OneStage bool

	// WorkLimit is how much work a message may make; 0: as much as any.
	WorkLimit int
}

// finish collects what the plan needs, once its parts are there.
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
	if p.Kind != nil && p.Signer.Compiled != nil && p.Signer.Compiled.NeedsPlaintext() {
		p.ToVerify = p.ToDecrypt // what is signed has to be opened
	}
	return p
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
