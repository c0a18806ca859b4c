package vault_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func createRequest(id, value, requestID string) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: id, RequestId: requestID, Secret: &vaultv1.Secret{Value: text(value)},
	}
}

func TestRepeatedRequestIsMadeOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	created, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id-1"))
	if err != nil {
		t.Fatal(err)
	}
	update := &vaultv1.UpdateSecretRequest{
		RequestId: "id-1", // the same id with another method is another request
		Secret:    &vaultv1.Secret{Name: nameOf("key"), Etag: created.GetSecret().GetEtag(), Value: text("v2"), Description: "d"},
	}
	for range 3 { // from the second time on the etag is stale
		if _, err := k.owner.UpdateSecret(t.Context(), proto.CloneOf(update)); err != nil {
			t.Fatalf("UpdateSecret, repeated: %v", err)
		}
	}
	current := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "later"})
	again, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id-1"))
	if err != nil {
		t.Fatalf("CreateSecret, repeated after other changes: %v", err)
	}
	if diff := cmp.Diff(current, again.GetSecret(), protocmp.Transform()); diff != "" {
		t.Errorf("the repetition does not answer with the current state (-current +answer):\n%s", diff)
	}
	if got := len(k.owner.history(t, "key")); got != 3 {
		t.Errorf("the log has %d entries, want 3", got)
	}
}

func TestRepeatedDeletionSucceeds(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	remove := &vaultv1.DeleteSecretRequest{Name: nameOf("key"), RequestId: "id"}
	for range 2 {
		if _, err := k.owner.DeleteSecret(t.Context(), remove); err != nil {
			t.Fatalf("DeleteSecret = %v", err)
		}
	}
	k.owner.create(t, "key", &vaultv1.Secret{})
	if _, err := k.owner.DeleteSecret(t.Context(), remove); err != nil {
		t.Errorf("DeleteSecret, repeated in the next life of the name: %v", err)
	}
	k.owner.get(t, "key") // the repetition did not touch it
	_, err := k.owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: nameOf("absent")})
	wantError(t, "DeleteSecret of nothing", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestRepeatedCreationOfAnEarlierLifeIsNotFound(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	if _, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id")); err != nil {
		t.Fatal(err)
	}
	k.owner.delete(t, "key")
	for _, what := range []string{"CreateSecret, repeated after the deletion", "CreateSecret, repeated in another life"} {
		_, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id"))
		wantError(t, what, err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
		if what == "CreateSecret, repeated after the deletion" {
			k.owner.create(t, "key", &vaultv1.Secret{})
		}
	}
}

func TestRequestIDIsOfOneRequest(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	if _, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id")); err != nil {
		t.Fatal(err)
	}
	for what, req := range map[string]*vaultv1.CreateSecretRequest{
		"another value": createRequest("key", "w", "id"),
		"another name":  createRequest("yek", "v", "id"),
	} {
		_, err := k.owner.CreateSecret(t.Context(), req)
		wantError(t, "a request id used again for "+what, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	}
	_, err := k.admin.CreateSecret(t.Context(), createRequest("key", "v", "id"))
	wantError(t, "the request of another caller", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	_, err = k.owner.CreateSecret(t.Context(), createRequest("other", "v", "not an id"))
	wantField(t, "a malformed request id", err, "request_id")
	_, err = k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id2"))
	wantError(t, "a refused request", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	k.owner.delete(t, "key")
	if _, err = k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id2")); err != nil {
		t.Errorf("a refused request is not remembered, so that it may be made again: %v", err)
	}
}

func TestRepetitionsAtTheSameTimeMakeOneSecret(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range uids {
		wg.Go(func() {
			res, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", "id"))
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
	if got := len(k.owner.history(t, "key")); got != 1 {
		t.Errorf("the log has %d entries, want 1", got)
	}
}
