package tryout

import (
	"errors"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// RoundTrip encrypts a sample with the keys that resolve returns for references, and opens
// what came out, and returns why the keys cannot work: nil if they can, as far as that can be
// told. It tells nothing of what came out, and keeps nothing. It fails with a [SampleError] if
// nothing is wrong with the keys and the configuration does not go with the sample.
//
// What says nothing of the keys is passed over: keys of which one side has only the public
// part, an expired acknowledgement, and a message for another key than ours.
func RoundTrip(s Sample, resolve func([]payload.Reference) (payload.Keys, error)) error {
	s.Nonces = payload.Uncounted // what is made never leaves
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
		out.Body = s.Body // which does not open; but the keys are looked at before
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

// A SampleError is why a configuration does not encrypt a sample.
type SampleError struct{ cause *fault.Error }

// Error says why, without the sample.
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

// sampleError returns the error of an encryption if it is about what was to be encrypted.
func sampleError(err error) error {
	if f, ok := fault.From(err); ok && f.Kind == fault.InvalidArgument {
		return &SampleError{cause: f}
	}
	return nil
}

// given returns keys whatever the references are.
func given(keys payload.Keys) keySource {
	return func([]payload.Reference) payload.Keys { return keys }
}

// cause returns an error that says something of the keys, or of our side.
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
