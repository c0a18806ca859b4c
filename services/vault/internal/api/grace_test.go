package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// graced returns a vault with a grace.
func graced(t *testing.T, grace time.Duration) *vaulttest.Kit {
	t.Helper()
	k := vaulttest.New(t)
	k.Running.Stop()
	k.Config.DeleteGrace = grace
	k.Start(t)
	return k
}

func TestADeletedSecretComesBack(t *testing.T) {
	t.Parallel()
	k := graced(t, time.Hour)
	made := k.Owner.Create(t, "key", &vaultv1.Secret{Description: "d", Labels: map[string]string{"a": "b"}, Value: vaulttest.Text("the value of the key")})
	deleted, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Reason: "why"})
	if err != nil || time.Until(deleted.GetPurgeTime().AsTime()) < 59*time.Minute {
		t.Fatalf("DeleteSecret = %v, %v, want the time of the purge", deleted, err)
	}
	shown := k.Owner.Get(t, "key")
	if shown.GetDeleteTime() == nil || !shown.GetPurgeTime().AsTime().Equal(deleted.GetPurgeTime().AsTime()) {
		t.Errorf("GetSecret = %v, want both times", shown)
	}
	if got := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{}); len(got) != 0 {
		t.Errorf("ListSecrets = %v", got)
	}
	if got := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{ShowDeleted: true, Query: "KEY"}); len(got) != 1 {
		t.Errorf("ListSecrets with deleted ones = %v", got)
	}
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", ""))
	vaulttest.WantError(t, "CreateSecret", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	if got := servertest.Metadata(err)["purge_time"]; got != deleted.GetPurgeTime().AsTime().Format(time.RFC3339Nano) {
		t.Errorf("CreateSecret names the purge time %q", got)
	}
	back, err := k.Owner.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf("key"), Reason: "needed", RequestId: "r"})
	if err != nil {
		t.Fatal(err)
	}
	ignored := protocmp.IgnoreFields(&vaultv1.Secret{}, "etag", "update_time", "encrypted_value", "value_facts")
	if diff := cmp.Diff(made, back.GetSecret(), protocmp.Transform(), ignored); diff != "" {
		t.Errorf("the secret that came back differs (-before +after):\n%s", diff)
	}
	again, err := k.Owner.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf("key"), Reason: "needed", RequestId: "r"})
	if err != nil || again.GetSecret().GetEtag() != back.GetSecret().GetEtag() {
		t.Errorf("the repeated request = %v, %v", again, err)
	}
	history := k.Owner.History(t, "key")
	if history[0].GetAction() != vaultv1.SecretChange_ACTION_UNDELETED || history[0].GetReason() != "needed" ||
		history[1].GetAction() != vaultv1.SecretChange_ACTION_DELETED || !history[1].GetPurgeTime().AsTime().Equal(deleted.GetPurgeTime().AsTime()) || len(history) != 3 {
		t.Errorf("the history is %v", history)
	}
	k.Resolver.Bind(t, "key", "e", "op")
	if got := k.Resolver.Resolve(t, "key", made.GetUid(), 0); got != "the value of the key" {
		t.Error("the value changed")
	}
}

func TestADeletedSecretIsPurgedAfterItsGrace(t *testing.T) {
	t.Parallel()
	k := graced(t, 300*time.Millisecond)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Owner.Delete(t, "key")
	deadline := time.Now().Add(20 * time.Second)
	for len(k.Owner.IDs(t, &vaultv1.ListSecretsRequest{ShowDeleted: true})) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the secret was not purged")
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, err := k.Owner.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf("key")})
	vaulttest.WantError(t, "UndeleteSecret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	if got := k.Owner.History(t, "key")[0]; got.GetAction() != vaultv1.SecretChange_ACTION_PURGED || got.GetActor().GetSubject() != "vault" {
		t.Errorf("the newest change is %v", got)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
}

func TestWithoutAGraceADeletionIsPermanent(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	deleted, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key")})
	if err != nil || deleted.GetPurgeTime() != nil {
		t.Errorf("DeleteSecret = %v, %v", deleted, err)
	}
	_, err = k.Owner.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf("key")})
	vaulttest.WantError(t, "UndeleteSecret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestOnlyASuperAdminPurgesADeletedSecret(t *testing.T) {
	t.Parallel()
	k := graced(t, time.Hour)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Owner.Delete(t, "key")
	force := &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Force: true, Reason: "leaked"}
	_, err := k.Owner.DeleteSecret(t.Context(), force)
	vaulttest.WantError(t, "DeleteSecret by an owner", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	purged, err := k.Admin.DeleteSecret(t.Context(), force)
	if err != nil || purged.GetPurgeTime() != nil {
		t.Errorf("DeleteSecret by a super admin = %v, %v", purged, err)
	}
	if got := k.Owner.History(t, "key")[0]; got.GetAction() != vaultv1.SecretChange_ACTION_PURGED || got.GetActor().GetSubject() != k.Admin.Subject || got.GetReason() != "leaked" {
		t.Errorf("the newest change is %v", got)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
}
