package message

import (
	"errors"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keyfit"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

// A KeyError is why the key of a source cannot be used. Senders do not learn it.
type KeyError struct {
	*Source
	Err error
}

func (e *KeyError) Error() string { return e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

// Unusable returns the refusal of a key.
func (s *Source) Unusable(err error) error {
	return UnusableKey(s.Field).Because(&KeyError{Source: s, Err: err})
}

// UnusableKey returns the refusal of the key at a field.
func UnusableKey(field string) *fault.Error {
	return fault.New(fault.FailedPrecondition, KeyNotUsable, "a referenced secret is not a key for this algorithm").
		With("field", field)
}

// Cause says why the key cannot be used and what to do, as sentences.
func (e *KeyError) Cause() string {
	read := "Read as " + e.Decoding.String() + ", "
	problem, isProblem := errors.AsType[*keyform.Problem](e.Err)
	switch {
	case isProblem:
		return problem.Error()
	case errors.Is(e.Err, keyform.ErrDecoding):
		return "The secret is not written in " + e.Decoding.String() + ". Set the decoding to what it is written in, or store it again."
	case errors.Is(e.Err, keys.ErrSize), errors.Is(e.Err, jose.ErrKey) && e.Requirement.Symmetric:
		if e.Requirement.Sized() {
			return read + "the secret is not a key of " + keyfit.Listed(e.Requirement.Bytes) + " bytes. Set the decoding to what it is written in, or store a key of that length."
		}
		return read + "the secret is empty or too short for the algorithm. Store a longer one."
	case errors.Is(e.Err, ErrNoCertificate):
		return "The secret holds no certificate, whose fingerprint is sent. Store the key together with its certificate."
	case errors.Is(e.Err, ErrPublicKey), errors.Is(e.Err, pgp.ErrPublic):
		return "The secret holds a public key, and the private key is needed."
	case errors.Is(e.Err, pgp.ErrKey):
		return "The secret is not an OpenPGP key that can be used, or the passphrase does not open it."
	case errors.Is(e.Err, signature.ErrKey):
		return read + "the secret is not a key for this signature: of another kind, curve or size."
	default:
		return read + "the secret is not a key of a kind and size that the configuration can use."
	}
}
