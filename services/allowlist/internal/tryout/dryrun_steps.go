package tryout

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// maxSteps is how many steps are told; a body may have thousands of values.
	maxSteps = 200
	// maxShown is how many bytes of a result are shown, and maxSigned of a string that is
	// signed.
	maxShown  = 64
	maxSigned = 4096
)

// A Step is one step of an encryption.
type Step struct {
	// Stage and Detail say what was done.
	Stage, Detail string
	// Bytes is the length of the result.
	Bytes int
	// Value is the beginning of the result in hexadecimal, where it may be seen.
	Value string
	// Signed is the beginning of a string that is signed, where it may be seen.
	Signed string
}

// A recorder writes down the steps of an encryption.
type recorder struct {
	values bool // results may be seen
	steps  []Step
}

// record is a [payload.Trace].
func (r *recorder) record(stage, detail string, value []byte) {
	if len(r.steps) == maxSteps {
		return
	}
	step := Step{Stage: stage, Detail: detail, Bytes: len(value)}
	if r.values {
		step.Value = hex.EncodeToString(value[:min(len(value), maxShown)])
		if detail == payload.SignedString {
			step.Signed = readable(value)
		}
	}
	r.steps = append(r.steps, step)
}

// readable returns the beginning of a text, with `\xNN` in the place of bytes that are not
// UTF-8.
func readable(text []byte) string {
	var b strings.Builder
	for read := 0; read < min(len(text), maxSigned); {
		r, size := utf8.DecodeRune(text[read:])
		if r == utf8.RuneError && size <= 1 {
			fmt.Fprintf(&b, `\x%02x`, text[read])
		} else {
			b.Write(text[read : read+size])
		}
		read += size
	}
	return b.String()
}
