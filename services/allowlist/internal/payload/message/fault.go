package message

import "github.com/keyward/keyward/pkg/fault"

// NotEncryptable returns the refusal of a body. Path is the configured path that
// the body does not go with, or empty.
func NotEncryptable(message, path string) *fault.Error {
	err := fault.New(fault.InvalidArgument, BodyNotEncryptable, message)
	if path != "" {
		err = err.With("path", path)
	}
	return err
}
