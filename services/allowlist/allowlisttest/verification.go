package allowlisttest

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const (
	ByDNS  = allowlistv1.Verification_METHOD_DNS
	ByFile = allowlistv1.Verification_METHOD_FILE
	ByWeb  = allowlistv1.Verification_METHOD_WEB_TOKEN
)

// Verify asks for a look at a proof, not too soon after the last one.
func (k *Kit) Verify(t testing.TB, id string, method allowlistv1.Verification_Method) (*allowlistv1.Endpoint, error) {
	t.Helper()
	k.Clock.Advance(2 * time.Second)
	resp, err := k.Owner.VerifyEndpoint(t.Context(), &allowlistv1.VerifyEndpointRequest{
		Name: NameOf(id), Method: method, Reason: "proof",
	})
	return resp.GetEndpoint(), err
}

func WantFinding(t testing.TB, what string, err error, finding string) {
	t.Helper()
	WantError(t, what, err, codes.FailedPrecondition, "VERIFICATION_FAILED")
	if got := servertest.Metadata(err); len(got) != 1 || got["finding"] != finding {
		t.Errorf("%s: metadata = %v, want the finding %s alone", what, got, finding)
	}
}
