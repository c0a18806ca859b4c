package cache

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/client"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
)

// metadataPrevious is the metadata key under which a refusal lists the previous versions.
const metadataPrevious = "previous_versions"

// An UnusableError is the refusal of a disabled or destroyed version.
type UnusableError struct {
	// Previous is as in [Value]. If the current version is refused, messages for a previous one
	// may still be accepted.
	Previous []Previous
	// Err is the vault's own error.
	Err error
}

// Error returns the text of the vault's error.
func (e *UnusableError) Error() string { return e.Err.Error() }

// Unwrap returns the vault's own error.
func (e *UnusableError) Unwrap() error { return e.Err }

// describe returns the error of a call, as an [*UnusableError] if the version is disabled or
// destroyed.
func describe(err error) error {
	if !client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED) &&
		!client.HasReason(err, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED) {
		return err
	}
	e := (*client.Error)(nil)
	errors.As(client.Describe(err), &e)
	return &UnusableError{Previous: parsePrevious(e.Metadata[metadataPrevious]), Err: err}
}

// parsePrevious parses `3 2030-01-02T03:04:05Z, 1 2029-01-02T03:04:05Z`. It omits entries that it
// cannot parse, so that fewer versions are accepted.
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
