package secret_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestHistoryShowsBothIncarnationsOfAName(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	first := k.Owner.Create(t, "key", &vaultv1.Secret{Description: "first life", Labels: map[string]string{"a": "1"}})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("v2"), Labels: map[string]string{"a": "2"}})
	k.Owner.Delete(t, "key")
	_, err := k.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("key")})
	vaulttest.WantError(t, "GetSecret after its deletion", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	second := k.Admin.Create(t, "key", &vaultv1.Secret{})
	if first.GetUid() == second.GetUid() || second.GetCurrentVersion() != 1 {
		t.Errorf("the second incarnation has uid %s (first: %s) and version %d", second.GetUid(), first.GetUid(), second.GetCurrentVersion())
	}

	owner := &vaultv1.Actor{Subject: k.Owner.Subject, Roles: []string{"owner"}, Authentication: "oidc"}
	admin := &vaultv1.Actor{Subject: k.Admin.Subject, Roles: []string{"super_admin"}, Authentication: "oidc"}
	want := []*vaultv1.SecretChange{
		{Sequence: 3, Action: vaultv1.SecretChange_ACTION_CREATED, Uid: second.GetUid(), Actor: admin, Version: 1, ChangedFields: []string{"value"}},
		{Sequence: 2, Action: vaultv1.SecretChange_ACTION_DELETED, Uid: first.GetUid(), Actor: owner, OldDescription: "first life", OldLabels: map[string]string{"a": "2"}},
		{
			Sequence: 1, Action: vaultv1.SecretChange_ACTION_UPDATED, Uid: first.GetUid(), Actor: owner, Version: 2, ChangedFields: []string{"labels", "value", "current_version"},
			OldLabels: map[string]string{"a": "1"}, NewLabels: map[string]string{"a": "2"},
		},
		{
			Sequence: 0, Action: vaultv1.SecretChange_ACTION_CREATED, Uid: first.GetUid(), Actor: owner, Version: 1, ChangedFields: []string{"description", "labels", "value"},
			NewDescription: "first life", NewLabels: map[string]string{"a": "1"},
		},
	}
	got := k.Owner.History(t, "key")
	for _, change := range got {
		if change.GetSecret() != vaulttest.NameOf("key") || change.GetRequestId() == "" || change.GetActor().GetAddress() == "" || change.GetTime() == nil {
			t.Errorf("an entry lacks a field: %v", change)
		}
	}
	ignore := []cmp.Option{
		protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretChange{}, "time", "request_id", "secret", "weak_reason"),
		protocmp.IgnoreFields(&vaultv1.Actor{}, "address"),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	if got := k.Owner.History(t, "never-existed"); len(got) != 0 {
		t.Errorf("a name that never existed has the history %v", got)
	}
}

func TestHistoryOfTheWorkspaceIsPaged(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, id := range []string{"a", "b", "c"} {
		k.Owner.Create(t, id, &vaultv1.Secret{})
	}
	k.Owner.Delete(t, "b")
	other := k.As(t, k.Env.Owner(t, "other"))
	if _, err := other.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/other", SecretId: "x", Secret: &vaultv1.Secret{Value: vaulttest.Text("v")}}); err != nil {
		t.Fatal(err)
	}
	var sequences []uint64
	req := &vaultv1.ListSecretHistoryRequest{Name: vaulttest.Workspace + "/secrets/-", PageSize: 1}
	for {
		res, err := k.Owner.ListSecretHistory(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range res.GetChanges() {
			sequences = append(sequences, change.GetSequence())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if want := []uint64{3, 2, 1, 0}; !slices.Equal(sequences, want) {
		t.Errorf("sequences of the workspace's history: %v, want %v", sequences, want)
	}
}

func TestReasonIsOnTheLog(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "key", Reason: "r1", Secret: &vaultv1.Secret{Value: vaulttest.Text("v")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Reason: "r2", Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "d"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Reason: "r3", Name: vaulttest.NameOf("key")}); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, change := range k.Owner.History(t, "key") {
		reasons = append(reasons, change.GetReason())
	}
	if want := []string{"r3", "r2", "r1"}; !slices.Equal(reasons, want) {
		t.Errorf("reasons %v, want %v", reasons, want)
	}
}
