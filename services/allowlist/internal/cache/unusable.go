package cache

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/client"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
)

// metadataPrevious is where a refusal names the versions before.
const metadataPrevious = "previous_versions"

// An UnusableError is the refusal of a version that is disabled or destroyed.
type UnusableError struct {
	// Previous are as in [Value]. Where the current version is refused, what was made
	// for one of them may still be welcome.
	Previous []Previous
	// Err is the vault's own error.
	Err error
}

// Error says what the vault said.
func (e *UnusableError) Error() string { return e.Err.Error() }

// Unwrap returns the vault's own error.
func (e *UnusableError) Unwrap() error { return e.Err }

// describe returns the error of a call, an [*UnusableError] if that is what it means.
func describe(err error) error {
	if !client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED) &&
		!client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED) {
		return err
	}
	e := (*client.Error)(nil)
	errors.As(client.Describe(err), &e)
	return &UnusableError{Previous: parsePrevious(e.Metadata[metadataPrevious]), Err: err}
}

// parsePrevious reads `3 2030-01-02T03:04:05Z, 1 2029-01-02T03:04:05Z`. What is not
// understood is left out: then less is welcome.
func parsePrevious(text string) []Previous {
	var all []Previous
	for one := range strings.SplitSeq(text, ", ") {
		digits, stamp, _ := strings.Cut(one, " ")
		number, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || number == 0 {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			all = append(all, Previous{Version: uint32(number), ReplaceTime: at.UTC()})
		}
	}
	return all
}
