package allowlisttest

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// WantError fails the test unless err has the code and the reason.
func WantError(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if got := status.Code(err); got != code || servertest.Reason(err) != reason {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, reason)
	}
}

// WantFinding fails the test unless err reports a failed verification with this result.
func WantFinding(t testing.TB, what string, err error, finding string) {
	t.Helper()
	WantError(t, what, err, codes.FailedPrecondition, "VERIFICATION_FAILED")
	if got := servertest.Metadata(err); len(got) != 1 || got["finding"] != finding {
		t.Errorf("%s: metadata = %v, want only the result %s", what, got, finding)
	}
}

// The methods of verification.
const (
	ByDNS  = allowlistv1.Verification_METHOD_DNS
	ByFile = allowlistv1.Verification_METHOD_FILE
	ByWeb  = allowlistv1.Verification_METHOD_WEB_TOKEN
)

// Must fails the test on an error, and prints its reason and its violations.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v %v %v", err, servertest.Reason(err), servertest.Violations(err))
	}
}

// Eventually polls until a condition holds.
func Eventually(t testing.TB, holds func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf(format, args...)
		case <-tick.C:
		}
	}
}
