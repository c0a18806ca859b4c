package allowlist_test

import (
	"slices"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func TestVerifyingReachesOpenNetworksOnly(t *testing.T) {
	t.Parallel()
	k, p := newGuardedKit(t) // nothing is open
	k.owner.create(t, "name", at(p.url("/a")))
	k.owner.create(t, "address", at("https://127.0.0.1:"+p.port+"/a"))
	p.publish(k.owner.get(t, "name").GetChallenge())
	for _, id := range []string{"name", "address"} {
		for _, method := range []allowlistv1.Verification_Method{byFile, byWeb} {
			_, err := k.verify(t, id, method)
			wantFinding(t, id, err, "FORBIDDEN_ADDRESS")
		}
	}
	if p.reached() != 0 {
		t.Errorf("the partner's server was reached %d times", p.reached())
	}
}

func TestANameThatIsBoundToAnotherAddressGainsNothing(t *testing.T) {
	t.Parallel()
	k, p := newGuardedKit(t, "127.0.0.2/32")
	check := func() *allowlistv1.CheckUrlResponse {
		resp, err := k.owner.CheckUrl(t.Context(), &allowlistv1.CheckUrlRequest{Parent: workspace, Method: "POST", Url: p.url("/a"), Resolve: true})
		must(t, err)
		return resp
	}
	k.owner.create(t, "name", at(p.url("/a")))
	p.publish(k.owner.get(t, "name").GetChallenge())
	k.activate(t, "name")
	p.set(func() { p.addresses = [][]string{{"127.0.0.2"}, {"127.0.0.1"}} })
	if got := check(); !slices.Equal(got.GetAddresses(), []string{"127.0.0.2"}) {
		t.Errorf("CheckUrl = %v, want the address that is open", got)
	}
	for _, method := range []allowlistv1.Verification_Method{byFile, byWeb} {
		_, err := k.verify(t, "name", method)
		wantFinding(t, method.String(), err, "FORBIDDEN_ADDRESS")
	}
	if got := check(); got.GetVerdict() != allowlistv1.CheckUrlResponse_VERDICT_FORBIDDEN_ADDRESS || len(got.GetAddresses()) != 0 {
		t.Errorf("CheckUrl = %v, want FORBIDDEN_ADDRESS", got)
	}
	if p.reached() != 0 {
		t.Errorf("the partner's server was reached %d times", p.reached())
	}
}
