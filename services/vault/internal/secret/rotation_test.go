package secret_test

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
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const day = 24 * time.Hour

// wantDue fails the test unless the current version is due the given period after it was added.
func wantDue(t testing.TB, c vaulttest.Client, what, id string, period time.Duration) {
	t.Helper()
	got := c.Get(t, id)
	var added time.Time
	for _, v := range c.Versions(t, id) {
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
	k := vaulttest.New(t)
	update := func(secret *vaultv1.Secret, paths ...string) {
		t.Helper()
		secret.Name = vaulttest.NameOf("key")
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		if err != nil {
			t.Fatal(err)
		}
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{RotationPeriod: durationpb.New(90 * day)})
	wantDue(t, k.Owner, "created", "key", 90*day)
	update(&vaultv1.Secret{Value: vaulttest.Text("second")}, "value")
	wantDue(t, k.Owner, "rotated", "key", 90*day)
	update(&vaultv1.Secret{Description: "d"}, "description")
	wantDue(t, k.Owner, "described", "key", 90*day)
	update(&vaultv1.Secret{RotationPeriod: durationpb.New(day)}, "rotation_period")
	wantDue(t, k.Owner, "with another period", "key", day)
	k.Owner.MustChange(t, vaulttest.Restore, "key", 1)
	wantDue(t, k.Owner, "restored", "key", day)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 1)
	wantDue(t, k.Owner, "destroyed", "key", day)
	update(&vaultv1.Secret{Value: vaulttest.Text("third"), RotationPeriod: durationpb.New(3650 * day)}, "value", "rotation_period.seconds")
	wantDue(t, k.Owner, "both at once", "key", 3650*day)
	update(&vaultv1.Secret{}, "rotation_period")
	wantDue(t, k.Owner, "cleared", "key", 0)
	update(&vaultv1.Secret{RotationPeriod: durationpb.New(day)}) // without a mask: the set fields
	wantDue(t, k.Owner, "set again", "key", day)
	k.Running.Stop()
	k.Start(t)
	wantDue(t, k.Owner, "after a restart", "key", day)

	k.Owner.Create(t, "never", &vaultv1.Secret{})
	wantDue(t, k.Owner, "without a period", "never", 0)
}

func TestRotationPeriodIsOnTheLogAndNoBusinessOfResolvers(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{RotationPeriod: durationpb.New(day)})
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	defer end()
	if _, err := receive(); err != nil {
		t.Fatal(err)
	}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"rotation_period"}}
	for _, period := range []*durationpb.Duration{durationpb.New(2 * day), nil} {
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), RotationPeriod: period}, UpdateMask: mask})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []*vaultv1.SecretChange{
		{ChangedFields: []string{"rotation_period"}, OldRotationPeriod: durationpb.New(2 * day)},
		{ChangedFields: []string{"rotation_period"}, OldRotationPeriod: durationpb.New(day), NewRotationPeriod: durationpb.New(2 * day)},
		{ChangedFields: []string{"rotation_period", "value"}, NewRotationPeriod: durationpb.New(day)},
	}
	history := k.Owner.History(t, "key")
	for i, change := range history {
		history[i] = &vaultv1.SecretChange{ChangedFields: change.GetChangedFields(), OldRotationPeriod: change.GetOldRotationPeriod(), NewRotationPeriod: change.GetNewRotationPeriod()}
	}
	if diff := cmp.Diff(want, history, protocmp.Transform()); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	for { // until the watch has passed the changes
		m, err := receive()
		if err != nil || len(m.GetEvents()) != 0 {
			t.Fatalf("a rotation period causes events for resolvers: %v, %v", m.GetEvents(), err)
		}
		if m.GetPosition().GetSequence() == 3 {
			break
		}
	}
}

func TestRotationPeriodIsWholeSecondsOfADayToTenYears(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	for _, period := range []*durationpb.Duration{
		durationpb.New(0), durationpb.New(day - time.Second), durationpb.New(3650*day + time.Second), durationpb.New(-day),
		durationpb.New(day + time.Nanosecond),
		{Seconds: math.MaxInt64},
		{Seconds: 86400, Nanos: -1},
	} {
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), RotationPeriod: period}})
		vaulttest.WantField(t, "UpdateSecret with a period of "+period.String(), err, "secret.rotation_period")
		_, err = k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
			Parent: vaulttest.Workspace, SecretId: "new", Secret: &vaultv1.Secret{Value: vaulttest.Text("v"), RotationPeriod: period},
		})
		vaulttest.WantField(t, "CreateSecret with a period of "+period.String(), err, "secret.rotation_period")
	}
	if got := len(k.Owner.History(t, "-")); got != 1 {
		t.Errorf("refused periods left %d entries in the log, want 1", got)
	}
}

func TestSecretsThatAreDueAreListed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for i := range 12 { // due after 1, 2, and 3 days, and never
		secret := &vaultv1.Secret{Labels: map[string]string{"third": fmt.Sprint(i % 3)}}
		if period := i % 4; period > 0 {
			secret.RotationPeriod = durationpb.New(time.Duration(period) * day)
		}
		k.Owner.Create(t, fmt.Sprintf("key-%02d", i), secret)
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
		if got := k.Owner.IDs(t, tt.req); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
	exact := k.Owner.Get(t, "key-01").GetRotationDueTime()
	if got := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{RotationDueBefore: exact}); slices.Contains(got, "key-01") {
		t.Errorf("at the moment before key-01 is due there are %v", got)
	}
	_, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, RotationDueBefore: &timestamppb.Timestamp{Seconds: math.MaxInt64}})
	vaulttest.WantField(t, "an invalid time", err, "rotation_due_before")

	first, err := k.Owner.ListSecrets(t.Context(), with(due(day+time.Hour), func(r *vaultv1.ListSecretsRequest) { r.Parent, r.PageSize = vaulttest.Workspace, 1 }))
	if err != nil {
		t.Fatal(err)
	}
	other := with(due(2*day), func(r *vaultv1.ListSecretsRequest) {
		r.Parent, r.PageSize, r.PageToken = vaulttest.Workspace, 1, first.GetNextPageToken()
	})
	_, err = k.Owner.ListSecrets(t.Context(), other)
	vaulttest.WantError(t, "the page token for another time", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN)
}
