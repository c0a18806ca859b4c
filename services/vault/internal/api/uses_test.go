package api_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func wantUses(t testing.TB, c vaulttest.Client, what, id string, want ...*vaultv1.SecretVersion) {
	t.Helper()
	if diff := cmp.Diff(want, c.Uses(t, id), protocmp.Transform()); diff != "" {
		t.Errorf("%s: uses of %s differ (-want +got):\n%s", what, id, diff)
	}
}

func TestUsesAreCountedByVersionAndLeaveTheSecretAsItIs(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("second")})
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	before, logged := k.Owner.Get(t, "key"), len(k.Owner.History(t, "key"))
	never := new(vaultv1.SecretVersion)
	wantUses(t, k.Owner, "before any report", "key", never, never)

	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(use *vaultv1.SecretUse, failed uint64, last time.Time) *vaultv1.SecretUse {
		use.Failed, use.LastUseTime = failed, timestamppb.New(last)
		return use
	}
	k.Resolver.Report(t, "1", at(vaulttest.UseOf("key", uid, 2, 5), 1, noon), vaulttest.UseOf("key", uid, 1, 0), at(vaulttest.UseOf("key", uid, 2, 2), 0, noon.Add(-time.Hour)))
	second := &vaultv1.SecretVersion{UseCount: 7, FailureCount: 1, LastUseTime: timestamppb.New(noon)}
	wantUses(t, k.Owner, "after a report", "key", second, never)
	k.Resolver.Report(t, "2", at(vaulttest.UseOf("key", uid, 1, 1), 0, noon.Add(-time.Minute)), at(vaulttest.UseOf("key", uid, 2, math.MaxUint64), 2, noon.Add(time.Minute)))
	first := &vaultv1.SecretVersion{UseCount: 1, LastUseTime: timestamppb.New(noon.Add(-time.Minute))}
	second = &vaultv1.SecretVersion{UseCount: math.MaxUint64, FailureCount: 3, LastUseTime: timestamppb.New(noon.Add(time.Minute))}
	wantUses(t, k.Owner, "after another", "key", second, first)

	if diff := cmp.Diff(before, k.Owner.Get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("reports change the secret (-before +after):\n%s", diff)
	}
	if got := len(k.Owner.History(t, "key")); got != logged {
		t.Errorf("reports leave %d entries in the log", got-logged)
	}
	k.Running.Stop()
	k.Start(t)
	wantUses(t, k.Owner, "after a restart", "key", second, first)
}

func TestReportThatIsSentAgainCountsOnce(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	for range 3 {
		k.Resolver.Report(t, "report", vaulttest.UseOf("key", uid, 1, 5))
	}
	wantUses(t, k.Owner, "sent three times", "key", &vaultv1.SecretVersion{UseCount: 5})
	_, err := k.Resolver.ReportSecretUses(t.Context(), vaulttest.ReportRequest("report", vaulttest.UseOf("key", uid, 1, 6)))
	vaulttest.WantError(t, "another report with the ID", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	another := k.As(t, k.Env.Workload(t, "another", "resolver"))
	another.Bind(t, "key", "e", "op")
	another.Report(t, "report", vaulttest.UseOf("key", uid, 1, 1)) // the IDs of a workload are separate
	wantUses(t, k.Owner, "after the report of the other workload", "key", &vaultv1.SecretVersion{UseCount: 6})
}

func TestUsesOfUnboundSecretsAreDropped(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	bound, unbound := k.Owner.Create(t, "bound", &vaultv1.Secret{}), k.Owner.Create(t, "unbound", &vaultv1.Secret{})
	k.Resolver.Bind(t, "bound", "e", "op")
	k.As(t, k.Env.Workload(t, "another", "resolver")).Bind(t, "unbound", "e", "op")
	k.Resolver.Report(t, "report",
		vaulttest.UseOf("unbound", unbound.GetUid(), 1, 1),
		vaulttest.UseOf("bound", unbound.GetUid(), 1, 1), // another incarnation
		vaulttest.UseOf("bound", "", 1, 1),
		vaulttest.UseOf("bound", bound.GetUid(), 2, 1), // no such version
		vaulttest.UseOf("absent", bound.GetUid(), 1, 1),
		vaulttest.UseOf("bound", bound.GetUid(), 1, 3),
	)
	wantUses(t, k.Owner, "of the six", "bound", &vaultv1.SecretVersion{UseCount: 3})
	wantUses(t, k.Owner, "of the six", "unbound", new(vaultv1.SecretVersion))
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("bound"), Value: vaulttest.Text("second")})
	wantUses(t, k.Owner, "of a version counted before it existed", "bound", new(vaultv1.SecretVersion), &vaultv1.SecretVersion{UseCount: 3})
	k.Resolver.Unbind(t, "bound", "op")
	k.Resolver.Report(t, "later", vaulttest.UseOf("bound", bound.GetUid(), 1, 1))
	wantUses(t, k.Owner, "after UnbindSecret", "bound", new(vaultv1.SecretVersion), &vaultv1.SecretVersion{UseCount: 3})
}

func TestUseInTheFutureIsNow(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	use := vaulttest.UseOf("key", k.Resolver.Bind(t, "key", "e", "op").GetUid(), 1, 1)
	use.LastUseTime = timestamppb.New(time.Now().Add(time.Hour))
	before := time.Now()
	k.Resolver.Report(t, "report", use)
	if got := k.Owner.Uses(t, "key")[0].GetLastUseTime().AsTime(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("last use %v, want now", got)
	}
}

func TestReportIsRefusedWhereItIsMalformed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	good := func() *vaultv1.SecretUse { return vaulttest.UseOf("key", "u", 1, 1) }
	with := func(change func(use *vaultv1.SecretUse)) *vaultv1.ReportSecretUsesRequest {
		use := good()
		change(use)
		return vaulttest.ReportRequest("report", good(), use)
	}
	many := make([]*vaultv1.SecretUse, 31)
	for i := range many {
		many[i] = good()
	}
	for name, tt := range map[string]struct {
		request *vaultv1.ReportSecretUsesRequest
		field   string
	}{
		"no uses":                       {vaulttest.ReportRequest("report"), "uses"},
		"more uses than 30":             {vaulttest.ReportRequest("report", many...), "uses"},
		"no id":                         {vaulttest.ReportRequest("", good()), "report_id"},
		"a version of zero":             {with(func(use *vaultv1.SecretUse) { use.Version = 0 }), "uses[1].version"},
		"a secret that is not a name":   {with(func(use *vaultv1.SecretUse) { use.Secret = "key" }), "uses[1].secret"},
		"a secret of another workspace": {with(func(use *vaultv1.SecretUse) { use.Secret = "workspaces/other/secrets/key" }), "uses[1].secret"},
		"an invalid time": {with(func(use *vaultv1.SecretUse) {
			use.LastUseTime = &timestamppb.Timestamp{Seconds: math.MaxInt64}
		}), "uses[1].last_use_time"},
	} {
		_, err := k.Resolver.ReportSecretUses(t.Context(), tt.request)
		vaulttest.WantField(t, name, err, tt.field)
	}
	k.Resolver.Report(t, "report", many[:30]...)
}
