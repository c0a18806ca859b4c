package allowlist_test

import (
	"slices"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestVerifyingReachesOpenNetworksOnly(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewGuardedKit(t) // no address is allowed
	k.Owner.Create(t, "name", allowlisttest.At(p.URL("/a")))
	k.Owner.Create(t, "address", allowlisttest.At("https://127.0.0.1:"+p.Port+"/a"))
	p.Publish(k.Owner.Get(t, "name").GetChallenge())
	for _, id := range []string{"name", "address"} {
		for _, method := range []allowlistv1.Verification_Method{allowlisttest.ByFile, allowlisttest.ByWeb} {
			_, err := k.Verify(t, id, method)
			allowlisttest.WantFinding(t, id, err, "FORBIDDEN_ADDRESS")
		}
	}
	if p.Reached() != 0 {
		t.Errorf("the partner's server was reached %d times", p.Reached())
	}
}

func TestDNSRebindingReachesNoForbiddenAddress(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewGuardedKit(t, "127.0.0.2/32")
	check := func() *allowlistv1.CheckUrlResponse {
		resp, err := k.Owner.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: allowlisttest.Workspace, Method: "POST", Url: p.URL("/a"), Resolve: true})
		allowlisttest.Must(t, err)
		return resp
	}
	k.Owner.Create(t, "name", allowlisttest.At(p.URL("/a")))
	p.Publish(k.Owner.Get(t, "name").GetChallenge())
	k.Activate(t, "name")
	p.Set(func() { p.Addresses = [][]string{{"127.0.0.2"}, {"127.0.0.1"}} })
	if got := check(); !slices.Equal(got.GetAddresses(), []string{"127.0.0.2"}) {
		t.Errorf("CheckUrl = %v, want the allowed address", got)
	}
	for _, method := range []allowlistv1.Verification_Method{allowlisttest.ByFile, allowlisttest.ByWeb} {
		_, err := k.Verify(t, "name", method)
		allowlisttest.WantFinding(t, method.String(), err, "FORBIDDEN_ADDRESS")
	}
	if got := check(); got.GetVerdict() != allowlistv1.CheckUrlResponse_VERDICT_FORBIDDEN_ADDRESS || len(got.GetAddresses()) != 0 {
		t.Errorf("CheckUrl = %v, want FORBIDDEN_ADDRESS", got)
	}
	if p.Reached() != 0 {
		t.Errorf("the partner's server was reached %d times", p.Reached())
	}
}
