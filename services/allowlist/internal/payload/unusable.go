package payload

import (
	"errors"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// StageKey is the stage of a message that was not encrypted or decrypted because a key cannot be
// used.
const StageKey = "key"

// Unusable returns the key that a pipeline error refuses, with the cause, and false for all other
// errors.
func Unusable(err error) (Fit, bool) {
	e, ok := errors.AsType[*message.KeyError](err)
	if !ok {
		return Fit{}, false
	}
	return Fit{Field: e.Field, Secret: e.Secret, Cause: e.Cause()}, true
}

// Explained adds the secret and the cause to an error that refuses a key, for callers who may see
// secrets. It returns other errors unchanged.
func Explained(err error) error {
	if fit, ok := Unusable(err); ok {
		return fit.unusable().Because(err)
	}
	return err
}

// Hopeless returns the keys of [Pipeline.DecryptReferences] that no variant of the configuration
// can use: a value that is not a key pair where one is needed, the public part of a key pair that
// decrypts messages, and a key pair where a shared key is needed.
func (p *Pipeline) Hopeless(keys message.Keys) []Fit {
	var all []Fit
	for i, n := range p.plan.ToDecrypt {
		if i >= len(keys) || len(keys[i]) == 0 || n.Usage == message.ParameterUsage {
			continue
		}
		form := keyform.Look(keys[i][0].Value.Reveal())
		facts := keyfit.Facts{Kind: form.Kind, Algorithm: form.Algorithm}
		if form.Problem != nil {
			facts.Problem = form.Problem.Error()
		}
		cause := ""
		if !n.Requirement.Sized() || facts.Pair() { // a derivation may make a key of any length
			cause, _ = n.Requirement.Against(n.Decoding, facts)
		}
		if cause == "" && facts.Public() && n.Opens {
			cause = (&message.KeyError{Source: n.Source, Err: message.ErrPublicKey}).Cause()
		}
		if cause != "" {
			all = append(all, Fit{Field: n.Field, Secret: n.Secret, Cause: cause})
		}
	}
	return all
}
