package tryout

import (
	"errors"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// RoundTrip encrypts a sample with the keys that resolve returns for references, decrypts the
// output, and returns why the keys cannot work, or nil if they can, as far as it can tell. It
// reveals nothing of the output, and keeps nothing. It fails with a [SampleError] if the keys
// are not at fault and the configuration does not fit the sample.
//
// Errors that say nothing about the keys are ignored: keys of which we have only the public
// part, an expired acknowledgement, and a message to a key that is not ours.
func RoundTrip(s Sample, resolve func([]payload.Reference) (payload.Keys, error)) error {
	s.Nonces = payload.Uncounted // the output never leaves
	exchange, _, err := makeExchange(s.profile())
	if err != nil {
		return err
	}
	if exchange != nil {
		defer wipe(*exchange)
	}
	pipeline := s.Config.Pipeline(s.Direction)
	keys, err := resolve(pipeline.EncryptReferences())
	if err != nil {
		return err
	}
	out, unfit := s.encrypt(given(keys), exchange, nil)
	if err := cause(unfit); err != nil {
		return err
	}
	defer wipe(out.Exchange)
	if unfit != nil {
		out.Body = s.Body // it does not decrypt, but its keys are checked first
	}
	if keys, err = resolve(pipeline.DecryptReferences()); err != nil {
		return err
	}
	opened, err := s.reopen(out, given(keys), exchange)
	clear(opened.Body)
	wipe(opened.Exchange)
	if err := cause(err); err != nil {
		return err
	}
	return sampleError(unfit)
}

// A SampleError describes why a configuration does not encrypt a sample.
type SampleError struct{ cause *fault.Error }

// Error returns the reason without the sample.
func (e *SampleError) Error() string {
	text := e.cause.Message
	if path := e.cause.Metadata["path"]; path != "" {
		text += ": " + path
	}
	for _, v := range e.cause.Violations {
		text += ": " + v.Field + " " + v.Description
	}
	return text
}

// sampleError returns the error of an encryption if the plaintext caused it.
func sampleError(err error) error {
	if f, ok := fault.From(err); ok && f.Kind == fault.InvalidArgument {
		return &SampleError{cause: f}
	}
	return nil
}

// given returns the same keys for any references.
func given(keys payload.Keys) keySource {
	return func([]payload.Reference) payload.Keys { return keys }
}

// cause returns an error if it is about the keys or our side.
func cause(err error) error {
	f, ok := fault.From(err)
	switch {
	case err == nil, errors.Is(err, payload.ErrExchange), payload.OneSided(err):
		return nil
	case ok && (f.Kind == fault.InvalidArgument || f.Reason == payload.LegacyNotAcknowledged):
		return nil
	default:
		return err
	}
}
