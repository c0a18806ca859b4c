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

// A KeyError says why the key of a source cannot be used. It is not shown to senders.
type KeyError struct {
	*Source
	Err error
}

func (e *KeyError) Error() string { return e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

// Unusable returns the error for a key that cannot be used.
func (s *Source) Unusable(err error) error {
	return UnusableKey(s.Field).Because(&KeyError{Source: s, Err: err})
}

// UnusableKey returns the error for the key at a field.
func UnusableKey(field string) *fault.Error {
	return fault.New(fault.FailedPrecondition, KeyNotUsable, "a referenced secret is not a key for this algorithm").
		With("field", field)
}

// Cause says in sentences why the key cannot be used and what to do.
func (e *KeyError) Cause() string {
	read := "Read as " + e.Decoding.String() + ", "
	problem, isProblem := errors.AsType[*keyform.Problem](e.Err)
	switch {
	case isProblem:
		return problem.Error()
	case errors.Is(e.Err, keyform.ErrDecoding):
		return "The secret is not valid " + e.Decoding.String() + ". Set the decoding to the actual encoding, or store it again."
	case errors.Is(e.Err, keys.ErrSize), errors.Is(e.Err, jose.ErrKey) && e.Requirement.Symmetric:
		if e.Requirement.Sized() {
			return read + "the secret is not a key of " + keyfit.Listed(e.Requirement.Bytes) + " bytes. Set the decoding to the actual encoding, or store a key of that length."
		}
		return read + "the secret is empty or too short for the algorithm. Store a longer one."
	case errors.Is(e.Err, ErrNoCertificate):
		return "The secret holds no certificate, which the message names or contains. Store the key together with its certificate."
	case errors.Is(e.Err, ErrPublicKey), errors.Is(e.Err, pgp.ErrPublic):
		return "The secret holds a public key, but the private key is needed."
	case errors.Is(e.Err, pgp.ErrKey):
		return "The secret is not an OpenPGP key that can be used, or the passphrase does not unlock it."
	case errors.Is(e.Err, signature.ErrKey):
		return read + "the secret is not a key for this signature, because its kind, curve, or size differs."
	default:
		return read + "the secret is not a key of a kind and size that the configuration can use."
	}
}
