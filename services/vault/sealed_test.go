package vault_test

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
)

const (
	refused  = vaultv1.ErrorReason_ERROR_REASON_SEALED_VALUE_REFUSED
	required = vaultv1.ErrorReason_ERROR_REASON_SEALING_REQUIRED

	sealedField = "secret.value.sealed"
)

// sealing returns the keys and the setting of the workspace.
func (c client) sealing(t testing.TB) *vaultv1.Sealing {
	t.Helper()
	res, err := c.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: workspace + "/sealing"})
	if err != nil {
		t.Fatalf("GetSealing = %v", err)
	}
	return res.GetSealing()
}

// newestKey returns the key to seal to.
func (c client) newestKey(t testing.TB) seal.Key {
	t.Helper()
	key, err := seal.NewKey(c.sealing(t).GetKeys()[0].GetPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// place is where a value of these tests belongs.
func place(id, requestID string) seal.Place {
	return seal.Place{Secret: nameOf(id), RequestID: requestID, Time: time.Now(), Text: true}
}

// sealTo seals a text.
func sealTo(t testing.TB, key seal.Key, value string, to seal.Place) *vaultv1.SecretValue {
	t.Helper()
	sealed, err := key.Seal([]byte(value), to)
	if err != nil {
		t.Fatal(err)
	}
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Sealed{Sealed: sealed}, WeakReason: "to be read in a test"}
}

func createSealed(id, requestID string, value *vaultv1.SecretValue) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: id, RequestId: requestID, Secret: &vaultv1.Secret{Value: proto.CloneOf(value)},
	}
}

func updateSealed(id, requestID string, value *vaultv1.SecretValue) *vaultv1.UpdateSecretRequest {
	return &vaultv1.UpdateSecretRequest{
		RequestId: requestID, Secret: &vaultv1.Secret{Name: nameOf(id), Value: proto.CloneOf(value)},
	}
}

// secondOwner returns another owner of the workspace.
func (k *kit) secondOwner(t testing.TB, name string) client {
	t.Helper()
	return k.as(t, k.env.Person(t, name, map[string]any{"groups": []string{"owner:acme"}}))
}

// wantRefused fails the test unless err is the refusal of a sealed value, because of a field.
func wantRefused(t testing.TB, what string, err error, field string) {
	t.Helper()
	wantError(t, what, err, codes.InvalidArgument, refused)
	if violations := servertest.Violations(err); len(violations) != 1 || violations[0].Field != field {
		t.Errorf("%s complains about %v, want one violation of %s", what, violations, field)
	}
}

func TestSealedValuesAreStored(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.owner.newestKey(t)
	if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r1", sealTo(t, key, "first sealed value", place("key", "r1")))); err != nil {
		t.Fatalf("CreateSecret = %v", err)
	}
	raw, to := []byte{0xff, 0, 0xfe, 3, 4}, place("key", "r2")
	to.Text = false
	if _, err := k.owner.UpdateSecret(t.Context(), updateSealed("key", "r2", sealTo(t, key, string(raw), to))); err != nil {
		t.Fatalf("UpdateSecret = %v", err)
	}
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	for version, want := range map[uint32]string{1: "first sealed value", 2: string(raw)} {
		if got := k.resolver.resolve(t, "key", uid, version); got != want {
			t.Errorf("version %d is %x, want %x", version, got, want)
		}
	}
}

func TestSealedValuesOpenInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := newKit(t)
	key := k.owner.newestKey(t)
	k.owner.create(t, "there", &vaultv1.Secret{})
	elsewhere := place("key", "r")
	elsewhere.Secret = "workspaces/other/secrets/key"
	data, late, early := place("key", "r"), place("key", "r"), place("key", "r")
	data.Text = false
	late.Time = time.Now().Add(-time.Hour - 10*time.Second)
	early.Time = time.Now().Add(6 * time.Minute)
	bend := func(value *vaultv1.SecretValue, how func(*vaultv1.SealedValue)) *vaultv1.SecretValue {
		how(value.GetSealed())
		return value
	}
	good := func() *vaultv1.SecretValue { return sealTo(t, key, "canary-4711-sealed", place("key", "r")) }
	for what, tt := range map[string]struct {
		value *vaultv1.SecretValue
		field string
	}{
		"another workspace":   {sealTo(t, key, "v", elsewhere), sealedField},
		"another secret":      {sealTo(t, key, "v", place("yek", "r")), sealedField},
		"another request":     {sealTo(t, key, "v", place("key", "q")), sealedField},
		"text become data":    {bend(good(), func(v *vaultv1.SealedValue) { v.Text = false }), sealedField},
		"data become text":    {bend(sealTo(t, key, "v", data), func(v *vaultv1.SealedValue) { v.Text = true }), sealedField},
		"another time":        {bend(good(), func(v *vaultv1.SealedValue) { v.SealTime.Seconds++ }), sealedField},
		"a bit changed":       {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[40] ^= 1 }), sealedField},
		"the last bit":        {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[len(v.GetCiphertext())-1] ^= 1 }), sealedField},
		"the unused bit":      {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext[31] ^= 0x80 }), sealedField},
		"the zero point":      {bend(good(), func(v *vaultv1.SealedValue) { clear(v.GetCiphertext()[:32]) }), sealedField},
		"cut short":           {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext = v.GetCiphertext()[:len(v.GetCiphertext())-1] }), sealedField},
		"made longer":         {bend(good(), func(v *vaultv1.SealedValue) { v.Ciphertext = append(v.Ciphertext, 0) }), sealedField},
		"an hour ago":         {sealTo(t, key, "v", late), sealedField + ".seal_time"},
		"in the future":       {sealTo(t, key, "v", early), sealedField + ".seal_time"},
		"another vault's key": {sealTo(t, other.owner.newestKey(t), "v", place("key", "r")), sealedField + ".key_id"},
		"no key":              {bend(good(), func(v *vaultv1.SealedValue) { v.KeyId = "0123456789abcdef" }), sealedField + ".key_id"},
		"another vault's key under this vault's name": {
			bend(sealTo(t, other.owner.newestKey(t), "v", place("key", "r")), func(v *vaultv1.SealedValue) { v.KeyId = key.ID() }), sealedField,
		},
	} {
		_, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", tt.value))
		wantRefused(t, what, err, tt.field)
		_, err = k.owner.UpdateSecret(t.Context(), updateSealed("there", "r", tt.value))
		if what != "another secret" {
			wantRefused(t, what+", in an update of another secret", err, tt.field)
		}
	}
	for what, req := range map[string]*vaultv1.CreateSecretRequest{
		"request_id":               createSealed("key", "", good()),
		sealedField + ".seal_time": createSealed("key", "r", bend(good(), func(v *vaultv1.SealedValue) { v.SealTime.Nanos = 1 })),
		sealedField + ".ciphertext": createSealed("key", "r", bend(good(), func(v *vaultv1.SealedValue) {
			v.Ciphertext = v.GetCiphertext()[:48]
		})),
		sealedField: createSealed("key", "r", sealTo(t, key, "no \xff text", place("key", "r"))),
	} {
		_, err := k.owner.CreateSecret(t.Context(), req)
		wantField(t, "a sealed value with a wrong "+what, err, what)
	}
	if got := k.owner.history(t, "-"); len(got) != 1 {
		t.Errorf("refused values left %d entries on the log, want the one of the other secret", len(got))
	}
	if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", good())); err != nil {
		t.Errorf("after all that, the value in its place = %v", err)
	}
}

func TestSealedValuesAreUsedOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	second := k.secondOwner(t, "second")
	value := sealTo(t, k.owner.newestKey(t), "a value that is used once", place("key", "r"))
	for range 2 { // the second time, it is a retry
		if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", value)); err != nil {
			t.Fatal(err)
		}
	}
	for what, caller := range map[string]client{"the same owner": k.owner, "another owner": second, "a super admin": k.admin} {
		_, err := caller.UpdateSecret(t.Context(), updateSealed("key", "r", value))
		wantRefused(t, "an update by "+what, err, sealedField)
		if caller.subject != k.owner.subject {
			_, err = caller.CreateSecret(t.Context(), createSealed("key", "r", value))
			wantRefused(t, "the same by "+what, err, sealedField)
		}
	}
	again := createSealed("key", "r", value)
	again.Secret.Description = "changed"
	_, err := k.owner.CreateSecret(t.Context(), again)
	wantError(t, "another request with the same id", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	k.owner.delete(t, "key")
	_, err = second.CreateSecret(t.Context(), createSealed("key", "r", value))
	wantRefused(t, "the next life of the name", err, sealedField)
	k.running.Stop()
	k.start(t)
	_, err = k.admin.CreateSecret(t.Context(), createSealed("key", "r", value))
	wantRefused(t, "after a restart", err, sealedField)
}

// A program that does not know whether its request was carried out makes it again, and may
// have to seal the value again.
func TestARequestIsTheSameIfItsValueIsSealedAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.owner.newestKey(t)
	again := func(value string) *vaultv1.SecretValue { return sealTo(t, key, value, place("key", "r")) }
	for range 2 {
		if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", again("one value of a request"))); err != nil {
			t.Fatalf("CreateSecret = %v", err)
		}
		if _, err := k.owner.UpdateSecret(t.Context(), updateSealed("key", "r", again("another of a request"))); err != nil {
			t.Fatalf("UpdateSecret = %v", err)
		}
	}
	if got := k.owner.get(t, "key").GetLatestVersion(); got != 2 {
		t.Errorf("there are %d versions, want 2", got)
	}
	_, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", again("one that differs")))
	wantError(t, "another value", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	_, err = k.owner.CreateSecret(t.Context(), createRequest("key", "one value of a request", "r"))
	wantError(t, "the same value, not sealed", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	data := place("key", "r")
	data.Text = false
	_, err = k.owner.CreateSecret(t.Context(), createSealed("key", "r", sealTo(t, key, "one value of a request", data)))
	wantError(t, "the same value, as data", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	_, err = k.secondOwner(t, "second").CreateSecret(t.Context(), createSealed("key", "r", again("one value of a request")))
	wantError(t, "the same value, by another owner", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
}

func TestOfTwoUsesAtTheSameTimeOneWins(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	key := k.owner.newestKey(t)
	callers := []client{k.owner, k.admin, k.secondOwner(t, "second"), k.secondOwner(t, "third")}
	for i := range 8 {
		id := "r" + hex.EncodeToString([]byte{byte(i)})
		value := sealTo(t, key, "a value for one of several "+id, place("key", id))
		errs := make([]error, len(callers))
		var wg sync.WaitGroup
		for n, caller := range callers {
			wg.Go(func() { _, errs[n] = caller.UpdateSecret(t.Context(), updateSealed("key", id, value)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantRefused(t, "a use beside another", err, sealedField)
			}
		}
		if won != 1 {
			t.Errorf("%d uses of one sealed value succeeded, want 1", won)
		}
	}
	if got := k.owner.get(t, "key").GetLatestVersion(); got != 9 {
		t.Errorf("there are %d versions, want 9", got)
	}
}

// What is refused was not used: the value may come again, for the same request.
func TestRefusedChangesUseNothingUp(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key := k.owner.newestKey(t)
	value := sealTo(t, key, "canary-4711-canary", place("key", "r"))
	req := createSealed("key", "r", value)
	req.Secret.Description = "it is canary-4711-canary"
	_, err := k.owner.CreateSecret(t.Context(), req)
	wantField(t, "a description that holds a sealed value", err, "secret.description")
	weak := sealTo(t, key, "short", place("weak", "r"))
	weak.WeakReason = ""
	_, err = k.owner.CreateSecret(t.Context(), createSealed("weak", "r", weak))
	wantError(t, "a weak key, sealed", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_WEAK_KEY)
	if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", value)); err != nil {
		t.Errorf("CreateSecret, with another description = %v", err)
	}
	stale := updateSealed("key", "r2", sealTo(t, key, "second", place("key", "r2")))
	stale.Secret.Etag = "1"
	_, err = k.owner.UpdateSecret(t.Context(), stale)
	wantError(t, "an update with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	stale.Secret.Etag = ""
	if _, err := k.owner.UpdateSecret(t.Context(), stale); err != nil {
		t.Errorf("UpdateSecret, without the stale etag = %v", err)
	}
}

func (c client) require(t testing.TB, on bool, reason, etag string) (*vaultv1.Sealing, error) {
	t.Helper()
	res, err := c.UpdateSealing(t.Context(), &vaultv1.UpdateSealingRequest{
		Sealing: &vaultv1.Sealing{Name: workspace + "/sealing", Required: on, Etag: etag}, Reason: reason,
	})
	return res.GetSealing(), err
}

func TestAWorkspaceTakesSealedValuesOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "there", &vaultv1.Secret{})
	unsealed := createRequest("before", "a value from before", "before")
	if _, err := k.owner.CreateSecret(t.Context(), unsealed); err != nil {
		t.Fatal(err)
	}
	if _, err := k.owner.require(t, true, "", ""); err != nil {
		t.Fatalf("UpdateSealing = %v", err)
	}
	_, err := k.owner.CreateSecret(t.Context(), createRequest("key", "v", ""))
	wantError(t, "a text", err, codes.FailedPrecondition, required)
	_, err = k.admin.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: nameOf("there"), Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: []byte("bytes of a value")}}},
	})
	wantError(t, "data, by a super admin", err, codes.FailedPrecondition, required)
	k.owner.create(t, "drawn", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_AES_256)})
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("there"), Description: "no value"})
	if _, err := k.owner.CreateSecret(t.Context(), createSealed("key", "r", sealTo(t, k.owner.newestKey(t), "v", place("key", "r")))); err != nil {
		t.Errorf("a sealed value = %v", err)
	}
	if _, err := k.owner.CreateSecret(t.Context(), createRequest("before", "a value from before", "before")); err != nil {
		t.Errorf("a repetition of a request from before = %v", err)
	}
	elsewhere := k.as(t, k.env.Owner(t, "other"))
	if _, err := elsewhere.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/other", SecretId: "key", Secret: &vaultv1.Secret{Value: text("v")}}); err != nil {
		t.Errorf("a text in another workspace = %v", err)
	}
	k.running.Stop()
	k.start(t)
	_, err = k.owner.CreateSecret(t.Context(), createRequest("later", "v", ""))
	wantError(t, "a text after a restart", err, codes.FailedPrecondition, required)
}

func TestSuperAdminsAloneTakeTheRequirementBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	first := k.owner.sealing(t)
	if first.GetRequired() || first.GetEtag() == "" || first.GetName() != workspace+"/sealing" || time.Since(first.GetTime().AsTime()).Abs() > time.Minute {
		t.Errorf("GetSealing = %v", first)
	}
	_, err := k.owner.require(t, true, "", "7")
	wantError(t, "a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	for what, on := range map[string]bool{"nothing to take back": false} {
		if _, err := k.owner.require(t, on, "", ""); err != nil {
			t.Errorf("%s: UpdateSealing = %v", what, err)
		}
	}
	set, err := k.owner.require(t, true, "audit", first.GetEtag())
	if err != nil || !set.GetRequired() || set.GetEtag() == first.GetEtag() || len(set.GetKeys()) != 1 {
		t.Fatalf("UpdateSealing = %v, %v", set, err)
	}
	if _, err := k.owner.require(t, true, "again", ""); err != nil {
		t.Errorf("to require what is required = %v", err)
	}
	_, err = k.owner.require(t, false, "we would rather not", "")
	wantError(t, "an owner who takes it back", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = k.admin.require(t, false, " ", "")
	wantField(t, "a super admin without a reason", err, "reason")
	if set, err = k.admin.require(t, false, "a client cannot seal", set.GetEtag()); err != nil || set.GetRequired() {
		t.Errorf("a super admin takes it back = %v, %v", set, err)
	}
	k.owner.create(t, "key", &vaultv1.Secret{})
	var got []*vaultv1.SecretChange
	for _, change := range k.owner.history(t, "-") {
		got = append(got, &vaultv1.SecretChange{
			Action: change.GetAction(), Secret: change.GetSecret(), Uid: change.GetUid(), Reason: change.GetReason(),
			Actor: &vaultv1.Actor{Subject: change.GetActor().GetSubject()},
		})
	}
	want := []*vaultv1.SecretChange{
		{Action: vaultv1.SecretChange_ACTION_SEALING_NOT_REQUIRED, Reason: "a client cannot seal", Actor: &vaultv1.Actor{Subject: k.admin.subject}},
		{Action: vaultv1.SecretChange_ACTION_SEALING_REQUIRED, Reason: "audit", Actor: &vaultv1.Actor{Subject: k.owner.subject}},
	}
	if len(got) != 3 || !proto.Equal(got[1], want[0]) || !proto.Equal(got[2], want[1]) {
		t.Errorf("history = %v, want a creation, then %v", got, want)
	}
	if err := k.vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestTheSealingSettingIsChangedOnceForARequest(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	req := &vaultv1.UpdateSealingRequest{Sealing: &vaultv1.Sealing{Name: workspace + "/sealing", Required: true, Etag: "0"}, RequestId: "r"}
	for range 2 {
		if res, err := k.owner.UpdateSealing(t.Context(), req); err != nil || !res.GetSealing().GetRequired() {
			t.Errorf("UpdateSealing = %v, %v", res, err)
		}
	}
	for _, name := range []string{workspace, workspace + "/sealings", workspace + "/secrets/sealing", "workspaces/-/sealing", "workspaces/acme/sealing/"} {
		_, err := k.admin.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: name})
		wantField(t, "GetSealing of "+name, err, "name")
		_, err = k.admin.UpdateSealing(t.Context(), &vaultv1.UpdateSealingRequest{Sealing: &vaultv1.Sealing{Name: name}})
		wantField(t, "UpdateSealing of "+name, err, "sealing.name")
	}
}

func TestWatchersHearNothingOfTheSealingSetting(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	receive, end := k.resolver.watch(t, workspace, nil)
	defer end()
	if _, err := k.owner.require(t, true, "", ""); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := receive()
		if err != nil || len(m.GetEvents()) != 0 {
			t.Fatalf("the setting makes resolvers hear %v, %v", m.GetEvents(), err)
		}
		if m.GetPosition().GetSequence() == 1 {
			return
		}
	}
}

func TestSealingKeysStayAfterARestart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	before := k.owner.sealing(t).GetKeys()
	k.running.Stop()
	k.start(t)
	after := k.owner.sealing(t).GetKeys()
	if len(before) != 1 || len(after) != 1 || !proto.Equal(before[0], after[0]) {
		t.Errorf("GetSealing after a restart has the keys %v, want %v", after, before)
	}
	key, err := seal.NewKey(after[0].GetPublicKey())
	if err != nil || key.ID() != after[0].GetKeyId() || after[0].GetExpireTime() != nil || time.Since(after[0].GetCreateTime().AsTime()) > time.Minute {
		t.Errorf("GetSealing has the key %v, %v", after[0], err)
	}
	if _, err := k.admin.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: "workspaces/other/sealing"}); err != nil {
		t.Errorf("GetSealing of a workspace that nobody uses yet = %v", err)
	}
	_, err = k.owner.GetSealing(t.Context(), &vaultv1.GetSealingRequest{Name: "workspaces/other/sealing"})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("GetSealing of another workspace = %v, want PermissionDenied", err)
	}
}
