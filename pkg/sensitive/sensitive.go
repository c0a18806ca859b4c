// Package sensitive carries plaintext in memory without letting it out by accident.
//
// Whatever prints, formats, logs or encodes a [Bytes] gets the word REDACTED. The
// only way to the bytes is [Bytes.Reveal], so that a reader of the code can find
// every place where plaintext is touched.
package sensitive

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted stands in the place of a sensitive value wherever one is printed.
const Redacted = "REDACTED"

// Bytes is a sensitive value. The zero value is empty.
//
// It holds its bytes inside a function because package fmt does not call the methods
// of unexported fields: of a struct with a Bytes in one, it would print the bytes as
// numbers, even from behind a pointer. Of a function it prints the address.
type Bytes struct{ reveal func() []byte }

// New takes ownership of b.
func New(b []byte) Bytes { return Bytes{reveal: func() []byte { return b }} }

// Reveal returns the bytes themselves, not a copy.
func (b Bytes) Reveal() []byte {
	if b.reveal == nil {
		return nil
	}
	return b.reveal()
}

// Len returns the length in bytes.
func (b Bytes) Len() int { return len(b.Reveal()) }

// Zero overwrites the bytes. Every copy of b sees zeros.
func (b Bytes) Zero() { clear(b.Reveal()) }

// String returns the word REDACTED.
func (Bytes) String() string { return Redacted }

// GoString returns the word REDACTED.
func (Bytes) GoString() string { return Redacted }

// Format writes the word REDACTED, whatever the verb.
func (Bytes) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, Redacted) // fmt reports what its writer returns
}

// LogValue returns the word REDACTED.
func (Bytes) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns the word REDACTED; JSON and YAML encoders use it.
func (Bytes) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
