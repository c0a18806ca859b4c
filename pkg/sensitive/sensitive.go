// Package sensitive protects plaintext in memory from accidental disclosure.
//
// Code that prints, formats, logs, or encodes a [Bytes] gets the word REDACTED. Only
// [Bytes.Reveal] returns the bytes, so that a reader of the code can find every place that handles
// plaintext.
package sensitive

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted replaces a sensitive value wherever it is printed.
const Redacted = "REDACTED"

// Bytes is a sensitive value. The zero value is empty.
//
// It holds its bytes in a closure, because package fmt does not call the methods of unexported
// fields: it would print the bytes of a Bytes field of a struct as numbers, even behind a pointer.
// For a function it prints the address.
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
