package payload

import (
	"errors"

	"github.com/keyward/keyward/pkg/fault"
)

// Where a decryption stopped. This is for the operator's log; what the caller
// gets is the same for all. Padding and tag are one stage even here.
var (
	errSelection = errors.New("stage: selection")
	errEnvelope  = errors.New("stage: envelope")
	errEncoding  = errors.New("stage: encoding")
	errCipher    = errors.New("stage: cipher")
	errValue     = errors.New("stage: value")
)

// notOpened returns the one answer for a partner's data that does not open.
func notOpened(stage error) *fault.Error {
	return fault.New(fault.InvalidArgument, DecryptionFailed, "what came from the partner does not open").Because(stage)
}

// notEncryptable returns the refusal of a body. Path is the configured path that
// the body does not go with, or empty.
func notEncryptable(message, path string) *fault.Error {
	err := fault.New(fault.InvalidArgument, BodyNotEncryptable, message)
	if path != "" {
		err = err.With("path", path)
	}
	return err
}
