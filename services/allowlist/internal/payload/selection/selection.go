// Package selection selects the part of a body to encrypt: the whole body, values of a JSON
// document, one value that becomes the envelope, or values of a form.
//
// A [Selection] finds its values, has its caller seal or open each of them, and replaces the
// value with the result. It does not know about keys, ciphers, or envelopes. A sealed value is
// text, or possibly a JSON document for [NewObject]; the selection quotes it as its place
// requires.
//
// Everything that is not selected keeps its exact bytes. A body with an ambiguous selection is
// refused and never passed on.
package selection

import (
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// MaxValues is the maximum number of selected values in one body. It bounds how much a small
// body with many values can grow.
const MaxValues = 65536

// A Selection is the part of a body to encrypt. It is immutable and safe for concurrent use.
type Selection interface {
	// Encrypt returns the body with its values sealed. It fails with a [BodyError], or with an
	// error of the sealer.
	Encrypt(body []byte, s Sealer) ([]byte, error)
	// Decrypt returns the body with its values opened. It fails with [ErrSelect] or [ErrValue],
	// or with an error of the opener. For a whole body, the result is the value that the opener
	// returned; otherwise Decrypt wipes the opener. Body is not modified.
	Decrypt(body []byte, o Opener) ([]byte, error)
	// Single reports whether every body has at most one value.
	Single() bool
	// Covers reports whether a path may lead to a selected value, inside one, or to a value that
	// contains one.
	Covers(p jsonbytes.Path) bool
}

// A Sealer seals the values of one message, one after another.
type Sealer interface {
	// Prepare announces the number of values. It is called first.
	Prepare(values int) error
	// SealedLen returns the length of the sealed text for a value of n bytes.
	SealedLen(n int) int
	// Seal appends the sealed text of a value.
	Seal(dst, value []byte) ([]byte, error)
}

// An Opener opens the values of one message.
type Opener interface {
	// Prepare announces the number of values. It is called first.
	Prepare(values int) error
	// Open returns the value that a sealed text represents, valid until the next call. The text
	// is not modified.
	Open(text []byte) ([]byte, error)
	// Wipe zeroes all values that the opener holds, including the most recent one.
	Wipe()
}

// A BodyError describes why a body cannot be encrypted.
type BodyError struct {
	// Reason is a constant phrase.
	Reason string
	// Path is the configured path or name that the body does not match, or empty.
	Path string
}

func (e *BodyError) Error() string { return "selection: " + e.Reason }

// The errors of incoming bodies.
var (
	// ErrSelect means that the values cannot be located in the body.
	ErrSelect = errors.New("selection: the values cannot be located in the body")
	// ErrValue means that an opened value is not valid in its place.
	ErrValue = errors.New("selection: an opened value is not valid in its place")
)

// A Violation is an error in a configuration.
type Violation struct {
	// Field is the field inside the configuration, such as `paths[1]`.
	Field string
	// Text says what the field must be. It repeats nothing of the configuration.
	Text string
}

// Whole selects the whole body, whatever its content.
func Whole() Selection { return whole{} }

type whole struct{}

func (whole) Encrypt(body []byte, s Sealer) ([]byte, error) {
	if err := s.Prepare(1); err != nil {
		return nil, err
	}
	return s.Seal(make([]byte, 0, s.SealedLen(len(body))), body)
}

func (whole) Decrypt(body []byte, o Opener) ([]byte, error) {
	if err := o.Prepare(1); err != nil {
		return nil, err
	}
	return o.Open(body)
}

func (whole) Single() bool { return true }

func (whole) Covers(jsonbytes.Path) bool { return true }
