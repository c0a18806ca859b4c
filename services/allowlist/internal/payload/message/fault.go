package message

import "github.com/keyward/keyward/pkg/fault"

// NotEncryptable returns the error for a body that cannot be encrypted. Path is the configured
// path that does not match the body, or empty.
func NotEncryptable(message, path string) *fault.Error {
	err := fault.New(fault.InvalidArgument, BodyNotEncryptable, message)
	if path != "" {
		err = err.With("path", path)
	}
	return err
}
