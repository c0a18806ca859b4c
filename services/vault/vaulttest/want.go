package vaulttest

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
)

// WantError fails the test unless err has the code and the reason.
func WantError(t testing.TB, what string, err error, code codes.Code, reason fmt.Stringer) {
	t.Helper()
	const prefix = "ERROR_REASON_"
	want := reason.String()[len(prefix):]
	if got := status.Code(err); got != code || servertest.Reason(err) != want {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, want)
	}
}

// WantField fails the test unless err has exactly one violation, of the given field.
func WantField(t testing.TB, what string, err error, field string) {
	t.Helper()
	WantError(t, what, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	violations := servertest.Violations(err)
	if len(violations) != 1 || violations[0].Field != field || violations[0].Description == "" {
		t.Errorf("%s complains about %v, want one violation of %s", what, violations, field)
	}
}
