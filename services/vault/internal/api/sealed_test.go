package api_test

import (
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client/seal"
	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// secondOwner returns another owner of the workspace.
func secondOwner(t testing.TB, k *vaulttest.Kit, name string) vaulttest.Client {
	t.Helper()
	return k.As(t, k.Env.Person(t, name, map[string]any{"groups": []string{"owner:acme"}}))
}

// wantRefused fails the test unless err refuses a sealed value because of the field.
func wantRefused(t testing.TB, what string, err error, field string) {
	t.Helper()
	vaulttest.WantError(t, what, err, codes.InvalidArgument, vaulttest.Refused)
	if violations := servertest.Violations(err); len(violations) != 1 || violations[0].Field != field {
		t.Errorf("%s complains about %v, want one violation of %s", what, violations, field)
	}
}

func TestSealedValuesAreStored(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	key := k.Owner.NewestKey(t)
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r1", vaulttest.SealTo(t, key, "first sealed value", vaulttest.Place("key", "r1")))); err != nil {
		t.Fatalf("CreateSecret = %v", err)
	}
	raw, to := []byte{0xff, 0, 0xfe, 3, 4}, vaulttest.Place("key", "r2")
	to.Text = false
	if _, err := k.Owner.UpdateSecret(t.Context(), vaulttest.UpdateSealed("key", "r2", vaulttest.SealTo(t, key, string(raw), to))); err != nil {
		t.Fatalf("UpdateSecret = %v", err)
	}
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	for version, want := range map[uint32]string{1: "first sealed value", 2: string(raw)} {
		if got := k.Resolver.Resolve(t, "key", uid, version); got != want {
			t.Errorf("version %d is %x, want %x", version, got, want)
		}
	}
}

func TestSealedValuesOpenInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	other := vaulttest.New(t)
	key := k.Owner.NewestKey(t)
	k.Owner.Create(t, "there", &vaultv1.Secret{})
	elsewhere := vaulttest.Place("key", "r")
	elsewhere.Secret = "workspaces/other/secrets/key"
	data, late, early := vaulttest.Place("key", "r"), vaulttest.Place("key", "r"), vaulttest.Place("key", "r")
	data.Text = false
	late.Time = time.Now().Add(-time.Hour - 10*time.Second)
	early.Time = time.Now().Add(6 * time.Minute)
	bend := func(value *vaultv1.SecretValue, how func(*vaultv1.SealedValue)) *vaultv1.SecretValue {
		how(value.GetSealed())
		return value
	}
	good := func() *vaultv1.SecretValue {
		return vaulttest.SealTo(t, key, "canary-4711-sealed", vaulttest.Place("key", "r"))
	}
	for what, tt := range map[string]struct {
		value *vaultv1.SecretValue
		field string
	}{
		"another workspace":    {vaulttest.SealTo(t, key, "v", elsewhere), vaulttest.SealedField},
		"another secret":       {vaulttest.SealTo(t, key, "v", vaulttest.Place("yek", "r")), vaulttest.SealedField},
		"another request":      {vaulttest.SealTo(t, key, "v", vaulttest.Place("key", "q")), vaulttest.SealedField},
		"text as data":         {bend(good(), func(v *vaultv1.SealedValue) { v.Text = false }), vaulttest.SealedField},
		"data as text":         {bend(vaulttest.SealTo(t, key, "v", data), func(v *vaultv1.SealedValue) { v.Text = true }), vaulttest.SealedField},
		"another time":         {bend(good(), func(v *vaultv1.SealedValue) { v.SealTime.Seconds++ }), vaulttest.SealedField},
		"a changed bit":        {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[40] ^= 1 }), vaulttest.SealedField},
		"a changed last bit":   {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[len(v.GetCiphertext())-1] ^= 1 }), vaulttest.SealedField},
		"a changed unused bit": {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[31] ^= 0x80 }), vaulttest.SealedField},
		"the zero point":       {bend(good(), func(v *vaultv1.SealedValue) { clear(v.GetCiphertext()[:32]) }), vaulttest.SealedField},
		"cut short":            {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext = v.GetCiphertext()[:len(v.GetCiphertext())-1] }), vaulttest.SealedField},
		"made longer":          {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext = append(v.Ciphertext, 0) }), vaulttest.SealedField},
		"an hour ago":          {vaulttest.SealTo(t, key, "v", late), vaulttest.SealedField + ".seal_time"},
		"in the future":        {vaulttest.SealTo(t, key, "v", early), vaulttest.SealedField + ".seal_time"},
		"another vault's key":  {vaulttest.SealTo(t, other.Owner.NewestKey(t), "v", vaulttest.Place("key", "r")), vaulttest.SealedField + ".key_id"},
		"no key":               {bend(good(), func(v *vaultv1.SealedValue) { v.KeyId = "0123456789abcdef" }), vaulttest.SealedField + ".key_id"},
		"another vault's key with this vault's key ID": {
			bend(vaulttest.SealTo(t, other.Owner.NewestKey(t), "v", vaulttest.Place("key", "r")), func(v *vaultv1.SealedValue) { v.KeyId = key.ID() }), vaulttest.SealedField,
		},
	} {
		_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", tt.value))
		wantRefused(t, what, err, tt.field)
		_, err = k.Owner.UpdateSecret(t.Context(), vaulttest.UpdateSealed("there", "r", tt.value))
		if what != "another secret" {
			wantRefused(t, what+", in an update of another secret", err, tt.field)
		}
	}
	for what, req := range map[string]*vaultv1.CreateSecretRequest{
		"request_id":                         vaulttest.CreateSealed("key", "", good()),
		vaulttest.SealedField + ".seal_time": vaulttest.CreateSealed("key", "r", bend(good(), func(v *vaultv1.SealedValue) { v.SealTime.Nanos = 1 })),
		vaulttest.SealedField + ".ciphertext": vaulttest.CreateSealed("key", "r", bend(good(), func(v *vaultv1.SealedValue) {
			v.Ciphertext = v.GetCiphertext()[:48]
		})),
		vaulttest.SealedField: vaulttest.CreateSealed("key", "r", vaulttest.SealTo(t, key, "no \xff text", vaulttest.Place("key", "r"))),
	} {
		_, err := k.Owner.CreateSecret(t.Context(), req)
		vaulttest.WantField(t, "a sealed value with a wrong "+what, err, what)
	}
	if got := k.Owner.History(t, "-"); len(got) != 1 {
		t.Errorf("refused values left %d entries in the log, want only that of the other secret", len(got))
	}
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", good())); err != nil {
		t.Errorf("the value in its place, after the refusals = %v", err)
	}
}

func TestSealedValuesAreUsedOnce(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	second := secondOwner(t, k, "second")
	value := vaulttest.SealTo(t, k.Owner.NewestKey(t), "a value that is used once", vaulttest.Place("key", "r"))
	for range 2 { // the second time, it is a retry
		if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", value)); err != nil {
			t.Fatal(err)
		}
	}
	for what, caller := range map[string]vaulttest.Client{"the same owner": k.Owner, "another owner": second, "a super admin": k.Admin} {
		_, err := caller.UpdateSecret(t.Context(), vaulttest.UpdateSealed("key", "r", value))
		wantRefused(t, "an update by "+what, err, vaulttest.SealedField)
		if caller.Subject != k.Owner.Subject {
			_, err = caller.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", value))
			wantRefused(t, "the same by "+what, err, vaulttest.SealedField)
		}
	}
	again := vaulttest.CreateSealed("key", "r", value)
	again.Secret.Description = "changed"
	_, err := k.Owner.CreateSecret(t.Context(), again)
	vaulttest.WantError(t, "another request with the same ID", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	k.Owner.Delete(t, "key")
	_, err = second.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", value))
	wantRefused(t, "the next incarnation of the name", err, vaulttest.SealedField)
	k.Running.Stop()
	k.Start(t)
	_, err = k.Admin.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", value))
	wantRefused(t, "after a restart", err, vaulttest.SealedField)
}

// A program that does not know whether its request succeeded retries it, and may have to seal the
// value again.
func TestARequestIsTheSameIfItsValueIsSealedAgain(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	key := k.Owner.NewestKey(t)
	again := func(value string) *vaultv1.SecretValue {
		return vaulttest.SealTo(t, key, value, vaulttest.Place("key", "r"))
	}
	for range 2 {
		if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", again("one value of a request"))); err != nil {
			t.Fatalf("CreateSecret = %v", err)
		}
		if _, err := k.Owner.UpdateSecret(t.Context(), vaulttest.UpdateSealed("key", "r", again("another of a request"))); err != nil {
			t.Fatalf("UpdateSecret = %v", err)
		}
	}
	if got := k.Owner.Get(t, "key").GetLatestVersion(); got != 2 {
		t.Errorf("there are %d versions, want 2", got)
	}
	_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", again("one that differs")))
	vaulttest.WantError(t, "another value", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "one value of a request", "r"))
	vaulttest.WantError(t, "the same value, not sealed", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	data := vaulttest.Place("key", "r")
	data.Text = false
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", vaulttest.SealTo(t, key, "one value of a request", data)))
	vaulttest.WantError(t, "the same value, as data", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	_, err = secondOwner(t, k, "second").CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", again("one value of a request")))
	vaulttest.WantError(t, "the same value, by another owner", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
}

func TestOfTwoUsesAtTheSameTimeOneWins(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	key := k.Owner.NewestKey(t)
	callers := []vaulttest.Client{k.Owner, k.Admin, secondOwner(t, k, "second"), secondOwner(t, k, "third")}
	for i := range 8 {
		id := "r" + hex.EncodeToString([]byte{byte(i)})
		value := vaulttest.SealTo(t, key, "a value for one of several "+id, vaulttest.Place("key", id))
		errs := make([]error, len(callers))
		var wg sync.WaitGroup
		for n, caller := range callers {
			wg.Go(func() { _, errs[n] = caller.UpdateSecret(t.Context(), vaulttest.UpdateSealed("key", id, value)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantRefused(t, "a concurrent use", err, vaulttest.SealedField)
			}
		}
		if won != 1 {
			t.Errorf("%d uses of one sealed value succeeded, want 1", won)
		}
	}
	if got := k.Owner.Get(t, "key").GetLatestVersion(); got != 9 {
		t.Errorf("there are %d versions, want 9", got)
	}
}

// A refused request does not use up its value, which may be sent again for the same request.
func TestRefusedChangesUseNothingUp(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	key := k.Owner.NewestKey(t)
	value := vaulttest.SealTo(t, key, "canary-4711-canary", vaulttest.Place("key", "r"))
	req := vaulttest.CreateSealed("key", "r", value)
	req.Secret.Description = "it is canary-4711-canary"
	_, err := k.Owner.CreateSecret(t.Context(), req)
	vaulttest.WantField(t, "a description that holds a sealed value", err, "secret.description")
	weak := vaulttest.SealTo(t, key, "short", vaulttest.Place("weak", "r"))
	weak.WeakReason = ""
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("weak", "r", weak))
	vaulttest.WantError(t, "a weak key, sealed", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_WEAK_KEY)
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", value)); err != nil {
		t.Errorf("CreateSecret, with another description = %v", err)
	}
	stale := vaulttest.UpdateSealed("key", "r2", vaulttest.SealTo(t, key, "second", vaulttest.Place("key", "r2")))
	stale.Secret.Etag = "1"
	_, err = k.Owner.UpdateSecret(t.Context(), stale)
	vaulttest.WantError(t, "an update with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	stale.Secret.Etag = ""
	if _, err := k.Owner.UpdateSecret(t.Context(), stale); err != nil {
		t.Errorf("UpdateSecret, without the stale etag = %v", err)
	}
}

func TestAWorkspaceTakesSealedValuesOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "there", &vaultv1.Secret{})
	unsealed := vaulttest.CreateRequest("before", "a value from before the setting", "before")
	if _, err := k.Owner.CreateSecret(t.Context(), unsealed); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Owner.Require(t, true, "", ""); err != nil {
		t.Fatalf("UpdateSealing = %v", err)
	}
	_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("key", "v", ""))
	vaulttest.WantError(t, "a text", err, codes.FailedPrecondition, vaulttest.Required)
	_, err = k.Admin.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: vaulttest.NameOf("there"), Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte("bytes of a value")}}},
	})
	vaulttest.WantError(t, "data, by a super admin", err, codes.FailedPrecondition, vaulttest.Required)
	k.Owner.Create(t, "drawn", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256)})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("there"), Description: "no value"})
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateSealed("key", "r", vaulttest.SealTo(t, k.Owner.NewestKey(t), "v", vaulttest.Place("key", "r")))); err != nil {
		t.Errorf("a sealed value = %v", err)
	}
	if _, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("before", "a value from before the setting", "before")); err != nil {
		t.Errorf("a repetition of a request from before the setting = %v", err)
	}
	elsewhere := k.As(t, k.Env.Owner(t, "other"))
	if _, err := elsewhere.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/other", SecretId: "key", Secret: &vaultv1.Secret{Value: vaulttest.Text("v")}}); err != nil {
		t.Errorf("text in another workspace = %v", err)
	}
	k.Running.Stop()
	k.Start(t)
	_, err = k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest("later", "v", ""))
	vaulttest.WantError(t, "text after a restart", err, codes.FailedPrecondition, vaulttest.Required)
}

func TestSuperAdminsAloneTakeTheRequirementBack(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	first := k.Owner.Sealing(t)
	if first.GetRequired() || first.GetEtag() == "" || first.GetName() != vaulttest.Workspace+"/sealing" || time.Since(first.GetTime().AsTime()).Abs() > time.Minute {
		t.Errorf("GetSealing = %v", first)
	}
	_, err := k.Owner.Require(t, true, "", "7")
	vaulttest.WantError(t, "a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	for what, on := range map[string]bool{"nothing to remove": false} {
		if _, err := k.Owner.Require(t, on, "", ""); err != nil {
			t.Errorf("%s: UpdateSealing = %v", what, err)
		}
	}
	set, err := k.Owner.Require(t, true, "audit", first.GetEtag())
	if err != nil || !set.GetRequired() || set.GetEtag() == first.GetEtag() || len(set.GetKeys()) != 1 {
		t.Fatalf("UpdateSealing = %v, %v", set, err)
	}
	if _, err := k.Owner.Require(t, true, "again", ""); err != nil {
		t.Errorf("requiring sealed values again = %v", err)
	}
	_, err = k.Owner.Require(t, false, "we would rather not", "")
	vaulttest.WantError(t, "an owner who removes the requirement", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = k.Admin.Require(t, false, " ", "")
	vaulttest.WantField(t, "a super admin without a reason", err, "reason")
	if set, err = k.Admin.Require(t, false, "a client cannot seal", set.GetEtag()); err != nil || set.GetRequired() {
		t.Errorf("a super admin removes the requirement = %v, %v", set, err)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	var got []*vaultv1.SecretChange
	for _, change := range k.Owner.History(t, "-") {
		got = append(got, &vaultv1.SecretChange{
			Action: change.GetAction(), Secret: change.GetSecret(), Uid: change.GetUid(), Reason: change.GetReason(),
			Actor: &vaultv1.Actor{Subject: change.GetActor().GetSubject()},
		})
	}
	want := []*vaultv1.SecretChange{
		{Action: vaultv1.SecretChange_ACTION_SEALING_NOT_REQUIRED, Reason: "a client cannot seal", Actor: &vaultv1.Actor{Subject: k.Admin.Subject}},
		{Action: vaultv1.SecretChange_ACTION_SEALING_REQUIRED, Reason: "audit", Actor: &vaultv1.Actor{Subject: k.Owner.Subject}},
	}
	if len(got) != 3 || !proto.Equal(got[1], want[0]) || !proto.Equal(got[2], want[1]) {
		t.Errorf("history = %v, want a creation, then %v", got, want)
	}
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestTheSealingSettingIsChangedOnceForARequest(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	req := &vaultv1.UpdateSealingRequest{Sealing: &vaultv1.Sealing{Name: vaulttest.Workspace + "/sealing", Required: true, Etag: "0"}, RequestId: "r"}
	for range 2 {
		if res, err := k.Owner.UpdateSealing(t.Context(), req); err != nil || !res.GetSealing().GetRequired() {
			t.Errorf("UpdateSealing = %v, %v", res, err)
		}
	}
	for _, name := range []string{vaulttest.Workspace, vaulttest.Workspace + "/sealings", vaulttest.Workspace + "/secrets/sealing", "workspaces/-/sealing", "workspaces/acme/sealing/"} {
		_, err := k.Admin.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: name})
		vaulttest.WantField(t, "GetSealing of "+name, err, "name")
		_, err = k.Admin.UpdateSealing(t.Context(), &vaultv1.UpdateSealingRequest{Sealing: &vaultv1.Sealing{Name: name}})
		vaulttest.WantField(t, "UpdateSealing of "+name, err, "sealing.name")
	}
}

func TestWatchersHearNothingOfTheSealingSetting(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	defer end()
	if _, err := k.Owner.Require(t, true, "", ""); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := receive()
		if err != nil || len(m.GetEvents()) != 0 {
			t.Fatalf("the setting causes events for resolvers: %v, %v", m.GetEvents(), err)
		}
		if m.GetPosition().GetSequence() == 1 {
			return
		}
	}
}

func TestSealingKeysStayAfterARestart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	before := k.Owner.Sealing(t).GetKeys()
	k.Running.Stop()
	k.Start(t)
	after := k.Owner.Sealing(t).GetKeys()
	if len(before) != 1 || len(after) != 1 || !proto.Equal(before[0], after[0]) {
		t.Errorf("GetSealing after a restart has the keys %v, want %v", after, before)
	}
	key, err := seal.NewKey(after[0].GetPublicKey())
	if err != nil || key.ID() != after[0].GetKeyId() || after[0].GetExpireTime() != nil || time.Since(after[0].GetCreateTime().AsTime()) > time.Minute {
		t.Errorf("GetSealing has the key %v, %v", after[0], err)
	}
	if _, err := k.Admin.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: "workspaces/other/sealing"}); err != nil {
		t.Errorf("GetSealing of an unused workspace = %v", err)
	}
	_, err = k.Owner.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: "workspaces/other/sealing"})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("GetSealing of another workspace = %v, want PermissionDenied", err)
	}
}
