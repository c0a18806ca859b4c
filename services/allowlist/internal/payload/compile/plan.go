package payload

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// A plan is a profile that was compiled: what is done to the messages of one direction. It is
// immutable and may be used from many goroutines.
type plan struct {
	acknowledged []acknowledgement

	// Without a kind the body stays as it is, and these are unset.
	kind        kind
	nested      *nested // nil: nothing is signed inside
	selection   selection.Selection
	whole       bool // all of the body is selected
	envelope    *envelope
	contentType string
	ivSuffix    *suffix
	aadSuffix   *suffix

	signer *signer // nil: not signed

	// What each of the calls needs.
	toEncrypt, toDecrypt, toVerify []need
	needsExchange, answersOnce     bool
	showsKey, oracle               bool
	// oneStage says that what came in stops at one stage once a key was used.
	oneStage bool

	// workLimit is how much work a message may make; 0: as much as any.
	workLimit int
}

// finish collects what the plan needs, once its parts are there.
func (p *plan) finish() *plan {
	p.toEncrypt, p.toDecrypt, p.toVerify = nil, nil, nil
	if p.kind != nil {
		p.toEncrypt, p.toDecrypt = p.kind.needs()
	}
	if p.nested != nil {
		p.toEncrypt = append(p.toEncrypt, needFirst(p.nested.keys)...)
		p.toDecrypt = append(p.toDecrypt, needAll(p.nested.keys, true)...)
	}
	if p.signer == nil {
		return p
	}
	sign, verify := p.signer.needs()
	p.toEncrypt, p.toDecrypt, p.toVerify = append(p.toEncrypt, sign...), append(p.toDecrypt, verify...), verify
	if p.kind != nil && p.signer.compiled != nil && p.signer.compiled.NeedsPlaintext() {
		p.toVerify = p.toDecrypt // what is signed has to be opened
	}
	return p
}

// A suffix is the end of a string in the body.
type suffix struct {
	path   string
	lookup *jsonbytes.Lookup
	bytes  int
}

// of returns the suffix of a body.
func (s *suffix) of(body []byte) ([]byte, error) {
	raw, ok := s.lookup.Value(body)
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return nil, notEncryptable("a string whose end is needed is missing, or the body is not JSON", s.path)
	}
	text, ok := jsonbytes.Text(raw)
	if !ok || len(text) < s.bytes {
		return nil, notEncryptable("a string whose end is needed is too short", s.path)
	}
	return text[len(text)-s.bytes:], nil
}
