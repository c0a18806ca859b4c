package tryout

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const (
	// maxSteps is the maximum number of reported steps; a body may have thousands of values.
	maxSteps = 200
	// maxShown is the maximum number of bytes shown of a result, and maxSigned that of a signed
	// string.
	maxShown  = 64
	maxSigned = 4096
)

// A Step is one step of an encryption.
type Step struct {
	// Stage and Detail describe the step.
	Stage, Detail string
	// Bytes is the length of the result.
	Bytes int
	// Value is the beginning of the result in hexadecimal, if it may be shown.
	Value string
	// Signed is the beginning of the signed string, if it may be shown.
	Signed string
}

// A recorder records the steps of an encryption.
type recorder struct {
	values bool // whether results may be shown
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

// readable returns the beginning of text, with `\xNN` for bytes that are not UTF-8.
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
