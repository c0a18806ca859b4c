package payload

import (
	"errors"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

// StageKey is where a message stops that was not made or opened since a key cannot be used.
const StageKey = "key"

// A keyError is why the key of a source cannot be used. Senders do not learn it.
type keyError struct {
	*source
	err error
}

func (e *keyError) Error() string { return e.err.Error() }

func (e *keyError) Unwrap() error { return e.err }

// unusable returns the refusal of a key.
func (s *source) unusable(err error) error {
	return unusableKey(s.Field).Because(&keyError{source: s, err: err})
}

// unusableKey returns the refusal of the key at a field.
func unusableKey(field string) *fault.Error {
	return fault.New(fault.FailedPrecondition, KeyNotUsable, "a referenced secret is not a key for this algorithm").
		With("field", field)
}

// Unusable returns the key that an error of a pipeline refuses, with why, and false for all
// other errors.
func Unusable(err error) (Fit, bool) {
	e, ok := errors.AsType[*keyError](err)
	if !ok {
		return Fit{}, false
	}
	return Fit{Field: e.Field, Secret: e.Secret, Cause: e.cause()}, true
}

// Explained returns the refusal of a key with the secret and the cause, for callers who may see
// secrets; other errors as they are.
func Explained(err error) error {
	if fit, ok := Unusable(err); ok {
		return fit.unusable().Because(err)
	}
	return err
}

// cause says why the key cannot be used and what to do, as sentences.
func (e *keyError) cause() string {
	read := "Read as " + e.decoding.String() + ", "
	problem, isProblem := errors.AsType[*keyform.Problem](e.err)
	switch {
	case isProblem:
		return problem.Error()
	case errors.Is(e.err, keyform.ErrDecoding):
		return "The secret is not written in " + e.decoding.String() + ". Set the decoding to what it is written in, or store it again."
	case errors.Is(e.err, keys.ErrSize), errors.Is(e.err, jose.ErrKey) && e.shape.symmetric:
		if e.shape.sized() {
			return read + "the secret is not a key of " + listed(e.shape.bytes) + " bytes. Set the decoding to what it is written in, or store a key of that length."
		}
		return read + "the secret is empty or too short for the algorithm. Store a longer one."
	case errors.Is(e.err, errNoCertificate):
		return "The secret holds no certificate, whose fingerprint is sent. Store the key together with its certificate."
	case errors.Is(e.err, errPublicKey), errors.Is(e.err, pgp.ErrPublic):
		return "The secret holds a public key, and the private key is needed."
	case errors.Is(e.err, pgp.ErrKey):
		return "The secret is not an OpenPGP key that can be used, or the passphrase does not open it."
	case errors.Is(e.err, signature.ErrKey):
		return read + "the secret is not a key for this signature: of another kind, curve or size."
	default:
		return read + "the secret is not a key of a kind and size that the configuration can use."
	}
}

// Hopeless returns the keys of [Pipeline.DecryptReferences] that no variant of the configuration
// can use: what is no key pair where one is needed, the public part of one that opens messages,
// and a key pair where a shared key is needed.
func (p *Pipeline) Hopeless(keys Keys) []Fit {
	openers := p.openers()
	var all []Fit
	for i, w := range p.toDecrypt {
		if i >= len(keys) || len(keys[i]) == 0 || w.Usage == ParameterUsage {
			continue
		}
		looked := keyform.Look(keys[i][0].Value.Reveal())
		facts := Facts{Kind: looked.Kind, Algorithm: looked.Algorithm}
		if looked.Problem != nil {
			facts.Problem = looked.Problem.Error()
		}
		cause := ""
		if !w.shape.sized() || facts.pair() { // a derivation may make a key of any length
			cause, _ = w.against(facts)
		}
		if cause == "" && facts.public() && slices.Contains(openers, w.source) {
			cause = (&keyError{source: w.source, err: errPublicKey}).cause()
		}
		if cause != "" {
			all = append(all, Fit{Field: w.Field, Secret: w.Secret, Cause: cause})
		}
	}
	return all
}
