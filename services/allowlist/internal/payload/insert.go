package payload

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// maxInsertions is the maximum number of values that one insertion puts into a body.
const maxInsertions = 16

// An Insertion inserts strings into JSON bodies before they are encrypted. It is immutable and
// safe for concurrent use.
type Insertion struct {
	texts    []string // the paths as configured
	compiled *jsonbytes.Insertion
}

// NewInsertion compiles the paths of values: `$` and then `.name` or `['name']`. It reports all
// violations at once as one [fault.Error], whose violations name fields such as
// `body_values[0].path`.
func NewInsertion(texts []string) (*Insertion, error) {
	f := new(compile.Violations)
	paths := make([]jsonbytes.Path, len(texts))
	for i, text := range texts {
		at := fmt.Sprintf("body_values[%d].path", i)
		parsed, ok := jsonbytes.ParsePath(text)
		if !ok || !parsed.Members() {
			f.Add(at, "must be a path of at most 256 bytes: $ and then .name or ['name']")
			continue
		}
		for j, other := range paths[:i] {
			if other != nil && parsed.Overlaps(other) {
				f.Add(at, fmt.Sprintf("must not be, contain, or be inside the place of body_values[%d]", j))
				break
			}
		}
		paths[i] = parsed
	}
	if len(texts) > maxInsertions {
		f.Add("body_values", "must hold at most 16 values")
	}
	if err := f.Fault(); err != nil {
		return nil, err
	}
	return &Insertion{texts: texts, compiled: jsonbytes.NewInsertion(paths...)}, nil
}

// Insert returns the body with the values inserted as JSON strings at their paths. The values must
// be in the order of the paths. An existing value is replaced. A missing one is added as the last
// member of its object, which must exist. Everything else keeps its exact bytes.
//
// It fails with BODY_NOT_ENCRYPTABLE if the body is not JSON or has no place for a value, and with
// KEY_NOT_USABLE if a value is not UTF-8. The caller owns the result and zeroes it after
// encryption.
func (n *Insertion) Insert(body []byte, values []sensitive.Bytes) ([]byte, error) {
	texts := make([][]byte, len(values))
	for i, value := range values {
		if texts[i] = value.Reveal(); !utf8.Valid(texts[i]) {
			return nil, fault.New(fault.FailedPrecondition, message.KeyNotUsable, "a referenced credential is not a UTF-8 string")
		}
	}
	out, noPlace, err := n.compiled.Insert(body, texts)
	switch {
	case errors.Is(err, jsonbytes.ErrNoPlace):
		return nil, message.NotEncryptable("the object for an inserted value is missing from the body", n.texts[noPlace])
	case errors.Is(err, jsonbytes.ErrDuplicate):
		return nil, message.NotEncryptable("the body has a duplicate member on the path of an inserted value", "")
	case err != nil:
		return nil, message.NotEncryptable("the body is not JSON, or nests deeper than 128 levels", "")
	}
	return out, nil
}
