package api_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func checkRequest(id string, value *vaultv1.SecretValue) *vaultv1.CheckSecretValueRequest {
	return &vaultv1.CheckSecretValueRequest{Name: vaulttest.NameOf(id), Value: value, Reason: "why"}
}

func TestAnOwnerChecksWhetherAValueIsStillTheSame(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	before := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the value of the key")})
	res, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("key", vaulttest.Text("the value of the key")))
	if err != nil || !res.GetSame() || res.GetVersion() != 1 || res.GetRemainingFailures() != 20 {
		t.Errorf("CheckSecretValue of the value = %v, %v", res, err)
	}
	res, err = k.Owner.CheckSecretValue(t.Context(), checkRequest("key", vaulttest.Data([]byte("the value of the ke"))))
	if err != nil || res.GetSame() || res.GetRemainingFailures() != 19 {
		t.Errorf("CheckSecretValue of a part = %v, %v", res, err)
	}
	if after := k.Owner.Get(t, "key"); after.GetEtag() != before.GetEtag() || !after.GetUpdateTime().AsTime().Equal(before.GetUpdateTime().AsTime()) {
		t.Errorf("a check changed the etag from %s to %s", before.GetEtag(), after.GetEtag())
	}
	history := k.Owner.History(t, "key")
	for i, same := range []bool{false, true} {
		if c := history[i]; c.GetAction() != vaultv1.SecretChange_ACTION_VALUE_CHECKED || c.GetSame() != same || c.GetVersion() != 1 || c.GetReason() != "why" || c.GetActor().GetSubject() != k.Owner.Subject {
			t.Errorf("change %d is %v", i, c)
		}
	}
}

func TestCheckNamesTheFieldsOfItsRequest(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	for field, value := range map[string]*vaultv1.SecretValue{
		"value":          nil,
		"value.text":     vaulttest.Text(""),
		"value.generate": vaulttest.Generate(vaultv1.Generate_KIND_AES_256),
		"request_id":     vaulttest.SealTo(t, k.Owner.NewestKey(t), "v", vaulttest.Place("key", "r")),
	} {
		_, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("key", value))
		vaulttest.WantField(t, "CheckSecretValue with "+field, err, field)
	}
	_, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("key", vaulttest.Text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")))
	vaulttest.WantError(t, "CheckSecretValue of an encrypted key", err, codes.InvalidArgument, vaultv1.ErrorReason_ERROR_REASON_KEY_FORM_NOT_USABLE)
	if _, err := k.Owner.CheckSecretValue(t.Context(), &vaultv1.CheckSecretValueRequest{Name: "workspaces/acme", Value: vaulttest.Text("v")}); err == nil {
		t.Error("a malformed name is accepted")
	}
}

func TestSixtyFourCallersGetFiveAnswers(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "pin", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_PARAMETER, Value: vaulttest.Text("1234")})
	var answers atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			switch _, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("pin", vaulttest.Text("0000"))); {
			case err == nil:
				answers.Add(1)
			case servertest.Reason(err) != string(fault.RateLimited):
				t.Errorf("CheckSecretValue = %v", err)
			}
		})
	}
	callers.Wait()
	if answers.Load() != 5 {
		t.Errorf("%d callers were answered, want 5", answers.Load())
	}
	if got := len(k.Owner.History(t, "pin")); got != 6 {
		t.Errorf("the log has %d entries, want the creation and 5 checks", got)
	}
	for range 3 { // a restart gives a new allowance, but the count remains
		k.Running.Stop()
		k.Start(t)
		for range 5 {
			if _, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("pin", vaulttest.Text("0000"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, restart := range []bool{false, true} {
		if restart {
			k.Running.Stop()
			k.Start(t)
		}
		_, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("pin", vaulttest.Text("1234")))
		vaulttest.WantError(t, "CheckSecretValue after 20 guesses", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_CHECK_LOCKED)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("pin"), Value: vaulttest.Text("5678")})
	if res, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("pin", vaulttest.Text("5678"))); err != nil || !res.GetSame() {
		t.Errorf("CheckSecretValue of a new value = %v, %v", res, err)
	}
}

func TestASealedValueIsCheckedOnceEvenWithTheSameRequestID(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the value of the key")})
	req := checkRequest("key", vaulttest.SealTo(t, k.Owner.NewestKey(t), "the value of the key", vaulttest.Place("key", "r")))
	req.RequestId = "r"
	if res, err := k.Owner.CheckSecretValue(t.Context(), req); err != nil || !res.GetSame() {
		t.Errorf("CheckSecretValue = %v, %v", res, err)
	}
	for who, c := range map[string]vaulttest.Client{"the owner": k.Owner, "a super admin": k.Admin} {
		_, err := c.CheckSecretValue(t.Context(), req)
		vaulttest.WantError(t, "CheckSecretValue again by "+who, err, codes.InvalidArgument, vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED)
	}
	_, err := k.Owner.CheckSecretValue(t.Context(), checkRequest("other", vaulttest.Text("v")))
	vaulttest.WantError(t, "CheckSecretValue of another secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}
