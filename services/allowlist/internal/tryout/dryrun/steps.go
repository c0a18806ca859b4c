package dryrun

import "encoding/hex"

const (
	// maxSteps is how many steps are told; a body may have thousands of values.
	maxSteps = 200
	// maxShown is how many bytes of a result are shown.
	maxShown = 64
)

// A Step is one step of an encryption.
type Step struct {
	// Stage and Detail say what was done.
	Stage, Detail string
	// Bytes is the length of the result.
	Bytes int
	// Value is the beginning of the result in hexadecimal, where it may be seen.
	Value string
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
	}
	r.steps = append(r.steps, step)
}
