package vault_test

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
)

func reportRequest(id string, uses ...*vaultv1.SecretUse) *vaultv1.ReportSecretUsesRequest {
	return &vaultv1.ReportSecretUsesRequest{Parent: workspace, ReportId: id, Uses: uses}
}

func useOf(id, uid string, version uint32, used uint64) *vaultv1.SecretUse {
	return &vaultv1.SecretUse{Secret: nameOf(id), Uid: uid, Version: version, Used: used}
}

func (c client) report(t testing.TB, id string, uses ...*vaultv1.SecretUse) {
	t.Helper()
	if _, err := c.ReportSecretUses(t.Context(), reportRequest(id, uses...)); err != nil {
		t.Fatalf("ReportSecretUses(%s) = %v", id, err)
	}
}

// uses returns what is shown of the uses of a secret's versions, newest first.
func (c client) uses(t testing.TB, id string) []*vaultv1.SecretVersion {
	t.Helper()
	res, err := c.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: nameOf(id)})
	if err != nil {
		t.Fatal(err)
	}
	shown := make([]*vaultv1.SecretVersion, len(res.GetVersions()))
	for i, v := range res.GetVersions() {
		shown[i] = &vaultv1.SecretVersion{UseCount: v.GetUseCount(), FailureCount: v.GetFailureCount(), LastUseTime: v.GetLastUseTime()}
	}
	return shown
}

func (c client) wantUses(t testing.TB, what, id string, want ...*vaultv1.SecretVersion) {
	t.Helper()
	if diff := cmp.Diff(want, c.uses(t, id), protocmp.Transform()); diff != "" {
		t.Errorf("%s: uses of %s differ (-want +got):\n%s", what, id, diff)
	}
}

func TestUsesAreCountedByVersionAndLeaveTheSecretAsItIs(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("second")})
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	before, logged := k.owner.get(t, "key"), len(k.owner.history(t, "key"))
	never := new(vaultv1.SecretVersion)
	k.owner.wantUses(t, "before any report", "key", never, never)

	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(use *vaultv1.SecretUse, failed uint64, last time.Time) *vaultv1.SecretUse {
		use.Failed, use.LastUseTime = failed, timestamppb.New(last)
		return use
	}
	k.resolver.report(t, "1", at(useOf("key", uid, 2, 5), 1, noon), useOf("key", uid, 1, 0), at(useOf("key", uid, 2, 2), 0, noon.Add(-time.Hour)))
	second := &vaultv1.SecretVersion{UseCount: 7, FailureCount: 1, LastUseTime: timestamppb.New(noon)}
	k.owner.wantUses(t, "after a report", "key", second, never)
	k.resolver.report(t, "2", at(useOf("key", uid, 1, 1), 0, noon.Add(-time.Minute)), at(useOf("key", uid, 2, math.MaxUint64), 2, noon.Add(time.Minute)))
	first := &vaultv1.SecretVersion{UseCount: 1, LastUseTime: timestamppb.New(noon.Add(-time.Minute))}
	second = &vaultv1.SecretVersion{UseCount: math.MaxUint64, FailureCount: 3, LastUseTime: timestamppb.New(noon.Add(time.Minute))}
	k.owner.wantUses(t, "after another", "key", second, first)

	if diff := cmp.Diff(before, k.owner.get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("reports change the secret (-before +after):\n%s", diff)
	}
	if got := len(k.owner.history(t, "key")); got != logged {
		t.Errorf("reports leave %d entries on the log", got-logged)
	}
	k.running.Stop()
	k.start(t)
	k.owner.wantUses(t, "after a restart", "key", second, first)
}

func TestReportThatIsSentAgainCountsOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	for range 3 {
		k.resolver.report(t, "report", useOf("key", uid, 1, 5))
	}
	k.owner.wantUses(t, "sent three times", "key", &vaultv1.SecretVersion{UseCount: 5})
	_, err := k.resolver.ReportSecretUses(t.Context(), reportRequest("report", useOf("key", uid, 1, 6)))
	wantError(t, "another report under the id", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	another := k.as(t, k.env.Workload(t, "another", "resolver"))
	another.bind(t, "key", "e", "op")
	another.report(t, "report", useOf("key", uid, 1, 1)) // ids are of one workload
	k.owner.wantUses(t, "after the other workload's", "key", &vaultv1.SecretVersion{UseCount: 6})
}

func TestUsesOfWhatTheCallerIsNotBoundToAreDropped(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bound, unbound := k.owner.create(t, "bound", &vaultv1.Secret{}), k.owner.create(t, "unbound", &vaultv1.Secret{})
	k.resolver.bind(t, "bound", "e", "op")
	k.as(t, k.env.Workload(t, "another", "resolver")).bind(t, "unbound", "e", "op")
	k.resolver.report(t, "report",
		useOf("unbound", unbound.GetUid(), 1, 1),
		useOf("bound", unbound.GetUid(), 1, 1), // another life
		useOf("bound", "", 1, 1),
		useOf("bound", bound.GetUid(), 2, 1), // no such version
		useOf("absent", bound.GetUid(), 1, 1),
		useOf("bound", bound.GetUid(), 1, 3),
	)
	k.owner.wantUses(t, "of the six", "bound", &vaultv1.SecretVersion{UseCount: 3})
	k.owner.wantUses(t, "of the six", "unbound", new(vaultv1.SecretVersion))
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("bound"), Value: text("second")})
	k.owner.wantUses(t, "of a version counted before it was there", "bound", new(vaultv1.SecretVersion), &vaultv1.SecretVersion{UseCount: 3})
	k.resolver.unbind(t, "bound", "op")
	k.resolver.report(t, "later", useOf("bound", bound.GetUid(), 1, 1))
	k.owner.wantUses(t, "after UnbindSecret", "bound", new(vaultv1.SecretVersion), &vaultv1.SecretVersion{UseCount: 3})
}

func TestUseInTheFutureIsNow(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	use := useOf("key", k.resolver.bind(t, "key", "e", "op").GetUid(), 1, 1)
	use.LastUseTime = timestamppb.New(time.Now().Add(time.Hour))
	before := time.Now()
	k.resolver.report(t, "report", use)
	if got := k.owner.uses(t, "key")[0].GetLastUseTime().AsTime(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("last use %v, want now", got)
	}
}

func TestReportIsRefusedWhereItIsMalformed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good := func() *vaultv1.SecretUse { return useOf("key", "u", 1, 1) }
	with := func(change func(use *vaultv1.SecretUse)) *vaultv1.ReportSecretUsesRequest {
		use := good()
		change(use)
		return reportRequest("report", good(), use)
	}
	many := make([]*vaultv1.SecretUse, 31)
	for i := range many {
		many[i] = good()
	}
	for name, tt := range map[string]struct {
		request *vaultv1.ReportSecretUsesRequest
		field   string
	}{
		"no uses":                       {reportRequest("report"), "uses"},
		"more uses than 30":             {reportRequest("report", many...), "uses"},
		"no id":                         {reportRequest("", good()), "report_id"},
		"a version of zero":             {with(func(use *vaultv1.SecretUse) { use.Version = 0 }), "uses[1].version"},
		"a secret that is no name":      {with(func(use *vaultv1.SecretUse) { use.Secret = "key" }), "uses[1].secret"},
		"a secret of another workspace": {with(func(use *vaultv1.SecretUse) { use.Secret = "workspaces/other/secrets/key" }), "uses[1].secret"},
		"a time that is none": {with(func(use *vaultv1.SecretUse) {
			use.LastUseTime = &timestamppb.Timestamp{Seconds: math.MaxInt64}
		}), "uses[1].last_use_time"},
	} {
		_, err := k.resolver.ReportSecretUses(t.Context(), tt.request)
		wantField(t, name, err, tt.field)
	}
	k.resolver.report(t, "report", many[:30]...)
}
