package payload

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

// cause says why the key cannot be used and what to do, as sentences.
func (e *keyError) cause() string {
	read := "Read as " + e.decoding.String() + ", "
	problem, isProblem := errors.AsType[*keyform.Problem](e.err)
	switch {
	case isProblem:
		return problem.Error()
	case errors.Is(e.err, keyform.ErrDecoding):
		return "The secret is not written in " + e.decoding.String() + ". Set the decoding to what it is written in, or store it again."
	case errors.Is(e.err, keys.ErrSize), errors.Is(e.err, jose.ErrKey) && e.requirement.Symmetric:
		if e.requirement.Sized() {
			return read + "the secret is not a key of " + keyfit.Listed(e.requirement.Bytes) + " bytes. Set the decoding to what it is written in, or store a key of that length."
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
