package api_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func masked(secret *vaultv1.Secret, paths ...string) *vaultv1.UpdateSecretRequest {
	secret.Name = vaulttest.NameOf("key")
	return &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
}

func TestAMaskChangesOneLabel(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Labels: map[string]string{"team": "a", "cost_center": "1", "a.b": "x", "a-b": "y"}})
	for _, tt := range []struct {
		name   string
		labels map[string]string
		paths  []string
		want   map[string]string
	}{
		{"one label", map[string]string{"team": "b", "other": "o"}, []string{"labels.team"}, map[string]string{"team": "b", "cost_center": "1", "a.b": "x", "a-b": "y"}},
		{"several labels", map[string]string{"team": "c", "cost_center": "2"}, []string{"labels.team", "labels.cost_center"}, map[string]string{"team": "c", "cost_center": "2", "a.b": "x", "a-b": "y"}},
		{"a key with a dot, which is not the one before it", map[string]string{"a": "z", "a.b": "z"}, []string{"labels.a.b"}, map[string]string{"team": "c", "cost_center": "2", "a.b": "z", "a-b": "y"}},
		{"a label that the secret of the request lacks is removed", nil, []string{"labels.a-b"}, map[string]string{"team": "c", "cost_center": "2", "a.b": "z"}},
		{"a label that does not exist", nil, []string{"labels.nothing", "description"}, map[string]string{"team": "c", "cost_center": "2", "a.b": "z"}},
		{"all labels, even if one is named", map[string]string{"new": "n"}, []string{"labels.team", "labels"}, map[string]string{"new": "n"}},
	} {
		res, err := k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{Labels: tt.labels}, tt.paths...))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := res.GetSecret().GetLabels(); !maps.Equal(got, tt.want) {
			t.Errorf("%s: the labels are %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLabelsThatAreAddedOneByOneAreLimited(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	labels := make(map[string]string)
	for i := range 64 {
		labels[fmt.Sprint("label-", i)] = "v"
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{Labels: labels})
	_, err := k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{Labels: map[string]string{"more": "v"}}, "labels.more"))
	vaulttest.WantField(t, "a label too many", err, "secret.labels")
	_, err = k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{Labels: map[string]string{"more": "v"}}, "labels.more", "labels.label-0"))
	if err != nil {
		t.Errorf("one label in place of another = %v", err)
	}
}

// A value must not be stored next to a label that contains it, in whichever way the label is set.
func TestALabelOfAMaskIsComparedWithTheValue(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Labels: map[string]string{"kept": "another-secret-key"}})
	_, err := k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{Value: vaulttest.Text("another-secret-key")}, "value", "labels.team"))
	vaulttest.WantField(t, "a value that a remaining label contains", err, "secret.labels")
}

func TestTheExpiryHasOneForm(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	future := func(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(after)) }
	for _, tt := range []struct {
		name, field string
		secret      *vaultv1.Secret
	}{
		{"both", "secret.ttl", &vaultv1.Secret{ExpireTime: future(time.Hour), Ttl: durationpb.New(time.Hour)}},
		{"a ttl with a fraction", "secret.ttl", &vaultv1.Secret{Ttl: durationpb.New(time.Hour + 1)}},
		{"a ttl that is too short", "secret.ttl", &vaultv1.Secret{Ttl: durationpb.New(59 * time.Second)}},
		{"a ttl that is too long", "secret.ttl", &vaultv1.Secret{Ttl: durationpb.New(3651 * 24 * time.Hour)}},
		{"the past", "secret.expire_time", &vaultv1.Secret{ExpireTime: future(-time.Second)}},
		{"long ago", "secret.expire_time", &vaultv1.Secret{ExpireTime: timestamppb.New(time.Time{})}},
		{"the far future", "secret.expire_time", &vaultv1.Secret{ExpireTime: &timestamppb.Timestamp{Seconds: 9_999_999_999}}},
		{"no time", "secret.expire_time", &vaultv1.Secret{ExpireTime: &timestamppb.Timestamp{Seconds: math.MaxInt64}}},
		{"too many versions", "secret.keep_versions", &vaultv1.Secret{KeepVersions: 1001}},
	} {
		tt.secret.Value = vaulttest.Text("a value of a test")
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "key", Secret: tt.secret})
		vaulttest.WantField(t, "created with "+tt.name, err, tt.field)
	}
	before := time.Now()
	created := k.Owner.Create(t, "key", &vaultv1.Secret{Ttl: durationpb.New(time.Hour), KeepVersions: 1000})
	if at := created.GetExpireTime().AsTime(); at.Before(before.Add(time.Hour)) || at.After(time.Now().Add(time.Hour)) || created.GetTtl() != nil || created.GetKeepVersions() != 1000 {
		t.Errorf("created: %v", created)
	}
	update := func(req *vaultv1.UpdateSecretRequest) *vaultv1.Secret {
		t.Helper()
		res, err := k.Owner.UpdateSecret(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return res.GetSecret()
	}
	_, err := k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{ExpireTime: future(time.Hour), Ttl: durationpb.New(time.Hour)}, "ttl", "expire_time"))
	vaulttest.WantField(t, "updated with both", err, "secret.ttl")
	if got := update(masked(&vaultv1.Secret{}, "description")); !got.GetExpireTime().AsTime().Equal(created.GetExpireTime().AsTime()) {
		t.Errorf("an update of another field changes the expiry to %v", got.GetExpireTime())
	}
	if got := update(masked(&vaultv1.Secret{}, "expire_time")); got.GetExpireTime() != nil {
		t.Errorf("cleared with expire_time: %v", got.GetExpireTime())
	}
	exact := future(time.Hour)
	if got := update(masked(&vaultv1.Secret{ExpireTime: exact}, "expire_time")); !got.GetExpireTime().AsTime().Equal(exact.AsTime()) {
		t.Errorf("set: %v, want %v", got.GetExpireTime(), exact)
	}
	change := k.Owner.History(t, "key")[0]
	if change.GetOldExpireTime() != nil || !change.GetNewExpireTime().AsTime().Equal(exact.AsTime()) || !slices.Equal(change.GetChangedFields(), []string{"expire_time"}) {
		t.Errorf("the log has %v", change)
	}
	k.Owner.Create(t, "never", &vaultv1.Secret{})
	at := func(at time.Time) []string {
		return k.Owner.IDs(t, &vaultv1.ListSecretsRequest{ExpiresBefore: timestamppb.New(at)})
	}
	if got := at(exact.AsTime()); len(got) != 0 {
		t.Errorf("before its time, %v expire", got)
	}
	if got := at(exact.AsTime().Add(1)); !slices.Equal(got, []string{"key"}) {
		t.Errorf("after its time, %v expire", got)
	}
	if got := update(masked(&vaultv1.Secret{}, "ttl")); got.GetExpireTime() != nil {
		t.Errorf("cleared with ttl: %v", got.GetExpireTime())
	}
	_, err = k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, ExpiresBefore: &timestamppb.Timestamp{Seconds: math.MaxInt64}})
	vaulttest.WantField(t, "an invalid time", err, "expires_before")
}

func TestAnExpiredSecretIsRefused(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Rotated(t, "key", "first value", "second value").GetUid()
	k.Resolver.Bind(t, "key", "e", "op")
	at := time.Now().Add(time.Second)
	if _, err := k.Owner.UpdateSecret(t.Context(), masked(&vaultv1.Secret{ExpireTime: timestamppb.New(at)}, "expire_time")); err != nil {
		t.Fatal(err)
	}
	resolve := func(version uint32) (*vaultv1.ResolveSecretResponse, error) {
		return k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Version: version, Purpose: vaulttest.Purpose()})
	}
	for {
		res, err := resolve(0)
		if err != nil {
			vaulttest.WantError(t, "an expired secret", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_SECRET_EXPIRED)
			break
		}
		if !res.GetExpireTime().AsTime().Equal(at) || res.GetReadTime().AsTime().After(at) {
			t.Fatalf("the answer expires at %v, was read at %v, want %v", res.GetExpireTime().AsTime(), res.GetReadTime().AsTime(), at)
		}
	}
	if time.Now().Before(at) {
		t.Error("the secret expires too early")
	}
	for version := range uint32(3) {
		k.Resolver.WantUnresolved(t, "an expired secret", "key", uid, version, commonv1.ErrorReason_ERROR_REASON_SECRET_EXPIRED)
	}
	_, err := k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest("key", "f", "op2"))
	vaulttest.WantError(t, "a binding", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_SECRET_EXPIRED)
	if got := servertest.Metadata(err)["expire_time"]; got != at.UTC().Format(time.RFC3339Nano) {
		t.Errorf("the metadata has %q", got)
	}
	k.Owner.MustChange(t, vaulttest.Restore, "key", 1)
}

func TestAWorkspaceIsLimited(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Running.Stop()
	k.Config.WorkspaceQuota = vault.Quota{Secrets: 1}
	k.Start(t)
	var race sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		race.Go(func() {
			_, errs[i] = k.Admin.CreateSecret(t.Context(), vaulttest.CreateRequest(fmt.Sprint("key-", i), "a value of a test", ""))
		})
	}
	race.Wait()
	stored := 0
	for _, err := range errs {
		if err == nil {
			stored++
			continue
		}
		vaulttest.WantError(t, "a secret too many", err, codes.ResourceExhausted, vaultv1.ErrorReason_ERROR_REASON_QUOTA_EXCEEDED)
		if got := servertest.Metadata(err); got["quota"] != "secrets" || got["limit"] != "1" {
			t.Errorf("the metadata is %v", got)
		}
	}
	if all := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{}); stored != 1 || len(all) != 1 {
		t.Errorf("%d creates succeeded, and %v are stored, want one", stored, all)
	}
}
