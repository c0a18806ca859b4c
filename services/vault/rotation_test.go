package vault_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const day = 24 * time.Hour

// wantDue fails the test unless the current version is due so long after it was added.
func (c client) wantDue(t testing.TB, what, id string, period time.Duration) {
	t.Helper()
	got := c.get(t, id)
	var added time.Time
	for _, v := range c.versions(t, id) {
		if v.GetCurrent() {
			added = v.GetCreateTime().AsTime()
		}
	}
	if period == 0 {
		if got.GetRotationPeriod() != nil || got.GetRotationDueTime() != nil {
			t.Errorf("%s: due after %v, at %v, want never", what, got.GetRotationPeriod(), got.GetRotationDueTime())
		}
		return
	}
	if got.GetRotationPeriod().AsDuration() != period || !got.GetRotationDueTime().AsTime().Equal(added.Add(period)) {
		t.Errorf("%s: due after %v, at %v, want %v after %v", what, got.GetRotationPeriod().AsDuration(), got.GetRotationDueTime().AsTime(), period, added)
	}
}

func TestCurrentVersionIsDueAPeriodAfterItWasAdded(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	update := func(secret *vaultv1.Secret, paths ...string) {
		t.Helper()
		secret.Name = nameOf("key")
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		if err != nil {
			t.Fatal(err)
		}
	}
	k.owner.create(t, "key", &vaultv1.Secret{RotationPeriod: durationpb.New(90 * day)})
	k.owner.wantDue(t, "created", "key", 90*day)
	update(&vaultv1.Secret{Value: text("second")}, "value")
	k.owner.wantDue(t, "rotated", "key", 90*day)
	update(&vaultv1.Secret{Description: "d"}, "description")
	k.owner.wantDue(t, "described", "key", 90*day)
	update(&vaultv1.Secret{RotationPeriod: durationpb.New(day)}, "rotation_period")
	k.owner.wantDue(t, "with another period", "key", day)
	k.owner.must(t, restore, "key", 1)
	k.owner.wantDue(t, "restored", "key", day)
	k.owner.must(t, destroy, "key", 1)
	k.owner.wantDue(t, "destroyed", "key", day)
	update(&vaultv1.Secret{Value: text("third"), RotationPeriod: durationpb.New(3650 * day)}, "value", "rotation_period.seconds")
	k.owner.wantDue(t, "both at once", "key", 3650*day)
	update(&vaultv1.Secret{}, "rotation_period")
	k.owner.wantDue(t, "cleared", "key", 0)
	update(&vaultv1.Secret{RotationPeriod: durationpb.New(day)}) // without a mask: what is set
	k.owner.wantDue(t, "set again", "key", day)
	k.running.Stop()
	k.start(t)
	k.owner.wantDue(t, "after a restart", "key", day)

	k.owner.create(t, "never", &vaultv1.Secret{})
	k.owner.wantDue(t, "without a period", "never", 0)
}

func TestRotationPeriodIsOnTheLogAndNoBusinessOfResolvers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{RotationPeriod: durationpb.New(day)})
	receive, end := k.resolver.watch(t, workspace, nil)
	defer end()
	if _, err := receive(); err != nil {
		t.Fatal(err)
	}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"rotation_period"}}
	for _, period := range []*durationpb.Duration{durationpb.New(2 * day), nil} {
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("key"), RotationPeriod: period}, UpdateMask: mask})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []*vaultv1.SecretChange{
		{ChangedFields: []string{"rotation_period"}, OldRotationPeriod: durationpb.New(2 * day)},
		{ChangedFields: []string{"rotation_period"}, OldRotationPeriod: durationpb.New(day), NewRotationPeriod: durationpb.New(2 * day)},
		{ChangedFields: []string{"rotation_period", "value"}, NewRotationPeriod: durationpb.New(day)},
	}
	history := k.owner.history(t, "key")
	for i, change := range history {
		history[i] = &vaultv1.SecretChange{ChangedFields: change.GetChangedFields(), OldRotationPeriod: change.GetOldRotationPeriod(), NewRotationPeriod: change.GetNewRotationPeriod()}
	}
	if diff := cmp.Diff(want, history, protocmp.Transform()); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	for { // until the watch is behind the changes
		m, err := receive()
		if err != nil || len(m.GetEvents()) != 0 {
			t.Fatalf("a rotation period makes resolvers hear %v, %v", m.GetEvents(), err)
		}
		if m.GetPosition().GetSequence() == 3 {
			break
		}
	}
}

func TestRotationPeriodIsWholeSecondsOfADayToTenYears(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	for _, period := range []*durationpb.Duration{
		durationpb.New(0), durationpb.New(day - time.Second), durationpb.New(3650*day + time.Second), durationpb.New(-day),
		durationpb.New(day + time.Nanosecond),
		{Seconds: math.MaxInt64},
		{Seconds: 86400, Nanos: -1},
	} {
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("key"), RotationPeriod: period}})
		wantField(t, "UpdateSecret with a period of "+period.String(), err, "secret.rotation_period")
		_, err = k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
			Parent: workspace, SecretId: "new", Secret: &vaultv1.Secret{Value: text("v"), RotationPeriod: period},
		})
		wantField(t, "CreateSecret with a period of "+period.String(), err, "secret.rotation_period")
	}
	if got := len(k.owner.history(t, "-")); got != 1 {
		t.Errorf("refused periods left %d entries on the log, want 1", got)
	}
}

func TestSecretsThatAreDueAreListed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i := range 12 { // due after 1, 2, 3 days; and never
		secret := &vaultv1.Secret{Labels: map[string]string{"third": fmt.Sprint(i % 3)}}
		if period := i % 4; period > 0 {
			secret.RotationPeriod = durationpb.New(time.Duration(period) * day)
		}
		k.owner.create(t, fmt.Sprintf("key-%02d", i), secret)
	}
	due := func(after time.Duration) *vaultv1.ListSecretsRequest {
		return &vaultv1.ListSecretsRequest{RotationDueBefore: timestamppb.New(time.Now().Add(after))}
	}
	with := func(req *vaultv1.ListSecretsRequest, change func(*vaultv1.ListSecretsRequest)) *vaultv1.ListSecretsRequest {
		change(req)
		return req
	}
	for name, tt := range map[string]struct {
		req  *vaultv1.ListSecretsRequest
		want string
	}{
		"nothing is due now":         {due(0), ""},
		"one day later":              {due(day + time.Hour), "key-01 key-05 key-09"},
		"two days later":             {due(2*day + time.Hour), "key-01 key-02 key-05 key-06 key-09 key-10"},
		"at the end of time":         {&vaultv1.ListSecretsRequest{RotationDueBefore: timestamppb.New(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))}, "key-01 key-02 key-03 key-05 key-06 key-07 key-09 key-10 key-11"},
		"before the first time":      {&vaultv1.ListSecretsRequest{RotationDueBefore: timestamppb.New(time.Time{})}, ""},
		"in pages of two":            {with(due(2*day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.PageSize = 2 }), "key-01 key-02 key-05 key-06 key-09 key-10"},
		"with a label":               {with(due(2*day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.Label = "third=0" }), "key-06 key-09"},
		"with a part of the name":    {with(due(2*day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.Query = "KEY-0" }), "key-01 key-02 key-05 key-06 key-09"},
		"the last one changed first": {with(due(day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.OrderBy, r.PageSize = "update_time desc", 1 }), "key-09 key-05 key-01"},
	} {
		if got := k.owner.ids(t, tt.req); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
	exact := k.owner.get(t, "key-01").GetRotationDueTime()
	if got := k.owner.ids(t, &vaultv1.ListSecretsRequest{RotationDueBefore: exact}); slices.Contains(got, "key-01") {
		t.Errorf("before the very moment that key-01 is due there are %v", got)
	}
	_, err := k.owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: workspace, RotationDueBefore: &timestamppb.Timestamp{Seconds: math.MaxInt64}})
	wantField(t, "a time that is none", err, "rotation_due_before")

	first, err := k.owner.ListSecrets(t.Context(), with(due(day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.Parent, r.PageSize = workspace, 1 }))
	if err != nil {
		t.Fatal(err)
	}
	other := with(due(2*day), func(r *vaultv1.ListSecretsRequest) {
		r.Parent, r.PageSize, r.PageToken = workspace, 1, first.GetNextPageToken()
	})
	_, err = k.owner.ListSecrets(t.Context(), other)
	wantError(t, "the page token of another time", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
}
