// Package selection knows which part of a body is encrypted: the whole of it, values
// of a JSON document, one value that becomes the envelope, or values of a form.
//
// A [Selection] finds its values, has each of them sealed or opened by its caller, and
// puts the result in the value's place. It knows nothing of keys, ciphers or
// envelopes: what is sealed is a text, or for [NewObject] perhaps a JSON document, and
// how that has to be quoted where it stands is the selection's business.
//
// All that is not selected keeps its exact bytes. A body in which the selection is not
// clear is refused and never passed on.
package selection

import (
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// MaxValues is how many values of one body may be selected. It bounds how far a small
// body of many values can grow.
const MaxValues = 65536

// A Selection is the part of a body that is encrypted. It is immutable and may be used
// from many goroutines.
type Selection interface {
	// Encrypt returns the body with its values sealed. It fails with a [BodyError], or with
	// an error of the sealer.
	Encrypt(body []byte, s Sealer) ([]byte, error)
	// Decrypt returns the body with its values opened. It fails with [ErrSelect] or
	// [ErrValue], or with an error of the opener. Of a whole body the result is what the
	// opener returned; else the opener is wiped. Body keeps its bytes.
	Decrypt(body []byte, o Opener) ([]byte, error)
	// Single reports whether no body has more than one value.
	Single() bool
	// Covers reports whether a path may lead to a selected value, into one or around one.
	Covers(p jsonbytes.Path) bool
}

// A Sealer seals the values of one message, one after the other.
type Sealer interface {
	// Prepare tells how many values there will be. It comes before all else.
	Prepare(values int) error
	// SealedLen returns how long the text for a value of n bytes becomes.
	SealedLen(n int) int
	// Seal appends the text that stands for a value.
	Seal(dst, value []byte) ([]byte, error)
}

// An Opener opens the values of one message.
type Opener interface {
	// Prepare tells how many values there are. It comes before all else.
	Prepare(values int) error
	// Open returns the value that a text stands for, good until the next call. The text
	// keeps its bytes.
	Open(text []byte) ([]byte, error)
	// Wipe zeroes what the opener holds of values, the one returned last included.
	Wipe()
}

// A BodyError says why a body cannot be encrypted.
type BodyError struct {
	// Reason is a constant sentence.
	Reason string
	// Path is the configured path, or name, that the body does not go with, or empty.
	Path string
}

func (e *BodyError) Error() string { return "selection: " + e.Reason }

// What may be wrong with a body that came in.
var (
	// ErrSelect means that the values cannot be found in it.
	ErrSelect = errors.New("selection: the body does not have the values")
	// ErrValue means that what was opened does not fit in where it stands.
	ErrValue = errors.New("selection: an opened value does not fit in")
)

// A Violation is what is wrong with a configuration.
type Violation struct {
	// Field names what is meant inside the configuration, such as `paths[1]`.
	Field string
	// Text says what must be. It repeats nothing of the configuration.
	Text string
}

// Whole selects the whole body, whatever it is.
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
