package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// nonces returns the budget of the newest version as shown to the owner.
func nonces(t testing.TB, c vaulttest.Client, id string) *vaultv1.NonceBudget {
	t.Helper()
	res, err := c.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: vaulttest.NameOf(id)})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetVersions()[0].GetNonceBudget()
}

func TestOwnersSeeHowMuchOfABudgetIsUsed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	logged := len(k.Owner.History(t, "key"))
	if got := nonces(t, k.Owner, "key"); got != nil {
		t.Errorf("before any reservation the budget is %v", got)
	}
	reserve := func(count uint64) (*vaultv1.ReserveNoncesResponse, error) {
		return k.Resolver.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{
			Name: vaulttest.NameOf("key"), Uid: uid, Version: 1, RandomBits: 64, Count: count,
		})
	}
	for _, tt := range []struct {
		count, used uint64
		state       vaultv1.NonceBudget_State
	}{
		{4095, 4095, vaultv1.NonceBudget_STATE_OK},
		{1, 4096, vaultv1.NonceBudget_STATE_WARNING},
		{1 << 40, 65_536, vaultv1.NonceBudget_STATE_EXHAUSTED},
	} {
		res, err := reserve(tt.count)
		if err != nil || res.GetUsed() != tt.used || res.GetBudget() != 65_536 {
			t.Fatalf("ReserveNonces(%d) = %v, %v", tt.count, res, err)
		}
		want := &vaultv1.NonceBudget{Used: tt.used, Budget: 65_536, RandomBits: 64, State: tt.state}
		ignored := protocmp.IgnoreFields(want, "start_time", "projected_end_time")
		if diff := cmp.Diff(want, nonces(t, k.Owner, "key"), protocmp.Transform(), ignored); diff != "" {
			t.Errorf("after %d values (-want +got):\n%s", tt.used, diff)
		}
	}
	_, err := reserve(1)
	vaulttest.WantError(t, "ReserveNonces at the end", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_NONCE_BUDGET_EXHAUSTED)
	if got := servertest.Metadata(err)["budget"]; got != "65536" {
		t.Errorf("the error has a budget of %q", got)
	}
	k.Running.Stop()
	k.Start(t)
	_, err = reserve(1)
	vaulttest.WantError(t, "ReserveNonces after a restart", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_NONCE_BUDGET_EXHAUSTED)
	if got := len(k.Owner.History(t, "key")); got != logged {
		t.Errorf("reservations leave %d entries in the log", got-logged)
	}
}

func TestMalformedReservationsAreRefused(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Owner.Create(t, "key", &vaultv1.Secret{}).GetUid()
	k.Resolver.Bind(t, "key", "e", "op")
	for what, change := range map[string]func(*vaultv1.ReserveNoncesRequest){
		"no uid":                             func(r *vaultv1.ReserveNoncesRequest) { r.Uid = "" },
		"no version":                         func(r *vaultv1.ReserveNoncesRequest) { r.Version = 0 },
		"nothing random":                     func(r *vaultv1.ReserveNoncesRequest) { r.RandomBits = 0 },
		"more random bits than budgets have": func(r *vaultv1.ReserveNoncesRequest) { r.RandomBits = 158 },
		"no values":                          func(r *vaultv1.ReserveNoncesRequest) { r.Count = 0 },
		"the name of another resource":       func(r *vaultv1.ReserveNoncesRequest) { r.Name = vaulttest.Workspace + "/secrets/-" },
	} {
		req := &vaultv1.ReserveNoncesRequest{Name: vaulttest.NameOf("key"), Uid: uid, Version: 1, RandomBits: 96, Count: 1}
		change(req)
		if _, err := k.Resolver.ReserveNonces(t.Context(), req); err == nil {
			t.Errorf("%s: ReserveNonces = nil, want a refusal", what)
		}
	}
	if got := nonces(t, k.Owner, "key"); got != nil {
		t.Errorf("after refusals alone the budget is %v", got)
	}
}
