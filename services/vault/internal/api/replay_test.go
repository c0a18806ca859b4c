package api_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestRepeatedRequestIsMadeOnce(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	created, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id-1"))
	if err != nil {
		t.Fatal(err)
	}
	update := &vaultv1.UpdateSecretRequest{
		RequestId: "id-1", // the same ID with another method is another request
		Secret:    &vaultv1.Secret{Name: vaulttest.NameOf("key"), Etag: created.GetSecret().GetEtag(), Value: vaulttest.Text("v2"), Description: "d"},
	}
	for range 3 { // from the second time on the etag is stale
		if _, err := k.Owner.UpdateSecret(t.Context(), proto.CloneOf(update)); err != nil {
			t.Fatalf("UpdateSecret, repeated: %v", err)
		}
	}
	current := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "later"})
	again, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id-1"))
	if err != nil {
		t.Fatalf("CreateSecret, repeated after other changes: %v", err)
	}
	if diff := cmp.Diff(current, again.GetSecret(), protocmp.Transform()); diff != "" {
		t.Errorf("the repetition does not return the current state (-current +response):\n%s", diff)
	}
	if got := len(k.Owner.History(t, "key")); got != 3 {
		t.Errorf("the log has %d entries, want 3", got)
	}
}

func TestRepeatedDeletionSucceeds(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	remove := &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), RequestId: "id"}
	for range 2 {
		if _, err := k.Owner.DeleteSecret(t.Context(), remove); err != nil {
			t.Fatalf("DeleteSecret = %v", err)
		}
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	if _, err := k.Owner.DeleteSecret(t.Context(), remove); err != nil {
		t.Errorf("DeleteSecret, repeated in the next incarnation: %v", err)
	}
	k.Owner.Get(t, "key") // the repetition did not touch it
	_, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("absent")})
	vaulttest.WantError(t, "DeleteSecret of a missing secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestRepeatedCreationOfAnEarlierIncarnationIsNotFound(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id")); err != nil {
		t.Fatal(err)
	}
	k.Owner.Delete(t, "key")
	for _, what := range []string{"CreateSecret, repeated after the deletion", "CreateSecret, repeated in another incarnation"} {
		_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id"))
		vaulttest.WantError(t, what, err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
		if what == "CreateSecret, repeated after the deletion" {
			k.Owner.Create(t, "key", &vaultv1.Secret{})
		}
	}
}

func TestRequestIDIsOfOneRequest(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id")); err != nil {
		t.Fatal(err)
	}
	for what, req := range map[string]*vaultv1.CreateSecretRequest{
		"another value": vaulttest.CreateRequest("key", "w", "id"),
		"another name":  vaulttest.CreateRequest("yek", "v", "id"),
	} {
		_, err := k.Owner.CreateSecret(t.Context(), req)
		vaulttest.WantError(t, "a reused request ID for "+what, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	}
	_, err := k.Admin.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id"))
	vaulttest.WantError(t, "the request of another caller", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("other", "v", "not an ID"))
	vaulttest.WantField(t, "a malformed request ID", err, "request_id")
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id2"))
	vaulttest.WantError(t, "a refused request", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	k.Owner.Delete(t, "key")
	if _, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id2")); err != nil {
		t.Errorf("a refused request is remembered, want that it can be repeated: %v", err)
	}
}

func TestRepetitionsAtTheSameTimeMakeOneSecret(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range uids {
		wg.Go(func() {
			res, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", "id"))
			if err != nil {
				t.Errorf("CreateSecret = %v", err)
			}
			uids[i] = res.GetSecret().GetUid()
		})
	}
	wg.Wait()
	for _, uid := range uids {
		if uid != uids[0] {
			t.Errorf("two uids: %s and %s", uid, uids[0])
		}
	}
	if got := len(k.Owner.History(t, "key")); got != 1 {
		t.Errorf("the log has %d entries, want 1", got)
	}
}
