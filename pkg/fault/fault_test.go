package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/pkg/fault"
)

func TestCopiesLeaveTheOriginalAlone(t *testing.T) {
	t.Parallel()
	original := fault.Field("name", "must not be empty").With("count", "1")
	want := fault.Field("name", "must not be empty").With("count", "1")

	// Twice each, so that copies that share memory would show.
	for _, suffix := range []string{"a", "b"} {
		changed := original.With("more", suffix).With("count", suffix).At("field "+suffix, "must be "+suffix).
			Retry(time.Second).Because(io.EOF)
		if got := changed.Violations[1].Field; got != "field "+suffix {
			t.Errorf("violation of the copy is at %q, want %q", got, "field "+suffix)
		}
		if changed.Metadata["count"] != suffix || changed.RetryAfter != time.Second || !errors.Is(changed, io.EOF) {
			t.Errorf("copy = %#v, want what it was given", changed)
		}
	}
	if diff := cmp.Diff(want, original, cmpopts.IgnoreUnexported(fault.Error{})); diff != "" {
		t.Errorf("the original changed (-want +got):\n%s", diff)
	}
	if original.Unwrap() != nil {
		t.Error("the original has got a cause")
	}
}

func TestViolationsOfCopiesDoNotShareMemory(t *testing.T) {
	t.Parallel()
	base := fault.Fields(make([]fault.Violation, 3, 8)...)
	one, other := base.At("one", ""), base.At("other", "")
	if one.Violations[3].Field != "one" || other.Violations[3].Field != "other" {
		t.Errorf("violations = %v and %v, want each its own", one.Violations[3], other.Violations[3])
	}
}

func TestFieldsIsAnInvalidArgument(t *testing.T) {
	t.Parallel()
	got := fault.Fields(fault.Violation{Field: "a", Description: "must be b"}, fault.Violation{Field: "c", Description: "must be d"})
	if got.Kind != fault.InvalidArgument || got.Reason != fault.InvalidField || len(got.Violations) != 2 {
		t.Errorf("Fields() = %#v, want an INVALID_ARGUMENT with both violations", got)
	}
}

func TestFaultIsFoundInAChain(t *testing.T) {
	t.Parallel()
	gone := fault.New(fault.NotFound, "SECRET_NOT_FOUND", "there is no such secret")
	tests := []struct {
		name  string
		err   error
		found bool
	}{
		{"itself", gone, true},
		{"wrapped", fmt.Errorf("read secret: %w", gone), true},
		{"joined", errors.Join(io.EOF, gone), true},
		{"the cause of an opaque error", fmt.Errorf("x: %w", fmt.Errorf("y: %w", gone)), true},
		{"another error", io.EOF, false},
		{"no error", nil, false},
	}
	for _, tt := range tests {
		if got, ok := fault.From(tt.err); ok != tt.found || (ok && got != gone) {
			t.Errorf("%s: From(%v) = %v, %t, want found = %t", tt.name, tt.err, got, ok, tt.found)
		}
		if got := fault.Is(tt.err, "SECRET_NOT_FOUND"); got != tt.found {
			t.Errorf("%s: Is(%v) = %t, want %t", tt.name, tt.err, got, tt.found)
		}
		if fault.Is(tt.err, "OTHER") {
			t.Errorf("%s: Is(%v, OTHER) = true, want false", tt.name, tt.err)
		}
	}
}

func TestOutermostFaultSpeaks(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.NotFound, "INNER", "inner")
	outer := fault.New(fault.Unavailable, "OUTER", "outer").Because(fmt.Errorf("ask: %w", inner))
	if got, ok := fault.From(outer); !ok || got != outer {
		t.Errorf("From() = %v, want the outer fault", got)
	}
	if !fault.Is(outer, "OUTER") || fault.Is(outer, "INNER") {
		t.Error("Is() does not look at the outer fault alone")
	}
}

func TestErrorTellsTheLogEverything(t *testing.T) {
	t.Parallel()
	err := fault.Field("name", "must not be empty").Because(io.EOF)
	want := "INVALID_FIELD: the request has malformed fields; name: must not be empty: EOF"
	if got := err.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
