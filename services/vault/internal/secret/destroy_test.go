package secret_test

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestDestroyedVersionStaysDestroyed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	before := k.Owner.Versions(t, "key")[1]
	got := k.Owner.MustChange(t, vaulttest.Destroy, "key", 1)
	want := proto.CloneOf(before)
	want.State, want.KeyId, want.WeakReason = vaulttest.Destroyed().GetState(), "", ""
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("DestroySecretVersion differs (-want +got):\n%s", diff)
	}
	k.Resolver.WantUnresolved(t, "a destroyed version", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	if got := k.Resolver.Resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the current version resolves to %q", got)
	}
	k.Running.Stop()
	k.Start(t)
	k.Owner.WantStates(t, "after a restart", "key", vaulttest.Current(vaulttest.Enabled()), vaulttest.Destroyed())
	k.Resolver.WantUnresolved(t, "after a restart", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
}

func TestSecretWithoutAValueLivesOn(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	created := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256)})
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	if before := k.Owner.Get(t, "key"); before.GetPublicKey() == nil || before.GetEncryptedValue() == nil {
		t.Fatalf("before the destruction the secret is %v", before)
	}
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 1)
	got := k.Owner.Get(t, "key")
	if got.GetState() != vaulttest.Destroyed().GetState() || got.GetCurrentVersion() != 1 || got.GetEncryptedValue() != nil || got.GetPublicKey() != nil {
		t.Errorf("GetSecret = %v, want version 1, DESTROYED, without values", got)
	}
	for state, want := range map[vaultv1.VersionState]int{vaulttest.Enabled().GetState(): 0, vaulttest.Disabled().GetState(): 0, vaulttest.Destroyed().GetState(): 1} {
		if ids := k.Owner.IDs(t, &vaultv1.ListSecretsRequest{State: state}); state != 0 && len(ids) != want {
			t.Errorf("the list of secrets in state %v has %v", state, ids)
		}
	}
	res, err := k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest("key", "another", "op2"))
	if err != nil || res.GetFacts() != nil {
		t.Errorf("BindSecret to the current version returns %v, %v, want no facts", res.GetFacts(), err)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "still described"})
	updated := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("second")})
	if updated.GetCurrentVersion() != 2 || updated.GetState() != vaultv1.VersionState_VERSION_STATE_ENABLED || updated.GetUid() != created.GetUid() {
		t.Errorf("UpdateSecret = %v, want version 2, ENABLED", updated)
	}
	after, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Purpose: vaulttest.Purpose()})
	if err != nil || string(after.GetValue()) != "second" || len(after.GetPrevious()) != 0 {
		t.Errorf("ResolveSecret = version %d with %v before it, %v", after.GetVersion(), after.GetPrevious(), err)
	}
}

func TestVersionInUseIsDestroyedByForceOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Rotated(t, "key", "first", "second").GetUid()
	add(t, k, "key", "third")
	k.Resolver.Bind(t, "key", "e", "op")
	k.Resolver.Bind(t, "key", "f", "op2")
	used := time.Now().Add(-23 * time.Hour).UTC()
	report := vaulttest.UseOf("key", uid, 1, 1)
	report.LastUseTime = timestamppb.New(used)
	k.Resolver.Report(t, "report", report)
	k.Resolver.Report(t, "failures", &vaultv1.SecretUse{Secret: vaulttest.NameOf("key"), Uid: uid, Version: 3, Failed: 5})
	refused := func(what string, version uint32, want map[string]string) {
		t.Helper()
		_, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version), Reason: "not enough"})
		vaulttest.WantError(t, what, err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_IN_USE)
		if diff := cmp.Diff(want, servertest.Metadata(err)); diff != "" {
			t.Errorf("%s: metadata differs (-want +got):\n%s", what, diff)
		}
	}
	refused("the current version of a secret that is bound", 2, map[string]string{"reference_count": "2"})
	refused("a recently used version", 1, map[string]string{"reference_count": "2", "last_use_time": used.Format(time.RFC3339Nano)})
	if _, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 3)}); err != nil {
		t.Errorf("a version that was never current or successfully used = %v", err)
	}
	for _, reason := range []string{"", "  "} {
		_, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 2), Force: true, Reason: reason})
		vaulttest.WantField(t, "force without a reason", err, "reason")
	}
	k.Owner.WantStates(t, "after the refusals", "key", vaulttest.Destroyed(), vaulttest.Current(vaulttest.Enabled()), vaulttest.Enabled())
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 2) // by force, and by an owner
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 1)
	k.Owner.WantStates(t, "forced", "key", vaulttest.Destroyed(), vaulttest.Current(vaulttest.Destroyed()), vaulttest.Destroyed())
	if got := k.Owner.Uses(t, "key")[2]; got.GetUseCount() != 1 || !got.GetLastUseTime().AsTime().Equal(used) {
		t.Errorf("the uses of a destroyed version are %v, want them kept", got)
	}
}

func TestVersionThatIsNotInUseIsDestroyedWithoutForce(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Rotated(t, "key", "first", "second").GetUid()
	add(t, k, "key", "third")
	k.Resolver.Bind(t, "key", "e", "op")
	report := vaulttest.UseOf("key", uid, 3, 1)
	report.LastUseTime = timestamppb.New(time.Now().Add(-25 * time.Hour))
	k.Resolver.Report(t, "report", report)
	if _, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 3)}); err != nil {
		t.Errorf("a version that was last used long ago = %v", err)
	}
	k.Resolver.Unbind(t, "key", "op")
	for version, what := range map[uint32]string{1: "a version that was just replaced", 2: "the current version"} {
		if _, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version)}); err != nil {
			t.Errorf("%s of a secret that is not bound = %v", what, err)
		}
	}
}

// add stores a version that is not current.
func add(t testing.TB, k *vaulttest.Kit, id, value string) {
	t.Helper()
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf(id), Value: vaulttest.Text(value)}, KeepCurrent: true})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVersionThatABindingNamesIsInUse(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first")
	add(t, k, "key", "second")
	add(t, k, "key", "third")
	bind := func(version uint32, operation string) *vaultv1.Binding {
		t.Helper()
		req := vaulttest.BindRequest("key", "e", operation)
		req.Version = version
		res, err := k.Resolver.BindSecret(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return res.GetBinding()
	}
	inUse := func(what string, version uint32, want bool) {
		t.Helper()
		err := tryDestroy(t, k, "key", version)
		if want {
			vaulttest.WantError(t, what, err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_IN_USE)
		} else if err != nil {
			t.Errorf("%s = %v", what, err)
		}
	}
	if got := bind(0, "a").GetVersions(); len(got) != 0 {
		t.Errorf("a binding to the current version names %v", got)
	}
	logged := len(k.Owner.History(t, "key"))
	for range 2 { // the second time changes nothing
		bind(3, "a")
		if got := bind(2, "a").GetVersions(); !slices.Equal(got, []uint32{2, 3}) {
			t.Errorf("the binding names %v, want 2 and 3", got)
		}
	}
	if got := k.Owner.History(t, "key"); len(got) != logged+2 || got[0].GetVersion() != 2 || got[0].GetAction() != vaultv1.SecretChange_ACTION_BOUND {
		t.Errorf("the log has %d new entries, the last of which is %v", len(got)-logged, got[0])
	}
	bind(2, "b")
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 1 {
		t.Errorf("the referrer counts as %d", got)
	}
	inUse("named by two bindings", 2, true)
	inUse("named by one binding", 3, true)
	k.Owner.MustChange(t, vaulttest.Disable, "key", 3)
	inUse("disabled", 3, true)
	k.Running.Stop()
	k.Start(t)
	k.Resolver.Unbind(t, "key", "a")
	inUse("named by the remaining binding", 2, true)
	inUse("no longer named", 3, false)
	k.Resolver.Unbind(t, "key", "b")
	k.Resolver.Unbind(t, "key", "b")
	inUse("no longer named", 2, false)
}

func tryDestroy(t testing.TB, k *vaulttest.Kit, id string, version uint32) error {
	t.Helper()
	_, err := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf(id, version)})
	return err
}

func TestBindingNamesABoundedNumberOfVersions(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17")
	for version := uint32(1); version <= 17; version++ {
		req := vaulttest.BindRequest("key", "e", "op")
		req.Version = version
		_, err := k.Resolver.BindSecret(t.Context(), req)
		if version == 17 {
			vaulttest.WantField(t, "one version too many", err, "version")
		} else if err != nil {
			t.Errorf("version %d = %v", version, err)
		}
	}
	k.Resolver.Unbind(t, "key", "op") // in one transaction
	k.Owner.Delete(t, "key")
}

// TestDestroyedValueLeavesTheStore searches the file of the store for the sealed value, after the
// store has reused the freed pages.
func TestDestroyedValueLeavesTheStore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	sealed := k.Owner.Get(t, "key").GetEncryptedValue().GetCiphertext()
	if !fileHolds(t, k, sealed) {
		t.Fatal("the sealed value is not in the file before the destruction")
	}
	k.Start(t)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 1)
	for range 20 { // each change writes new pages
		k.Owner.Create(t, "other", &vaultv1.Secret{})
		k.Owner.Delete(t, "other")
	}
	if fileHolds(t, k, sealed) {
		t.Error("the sealed value is still in the file")
	}
}

// fileHolds stops the vault and reports whether its file contains the bytes.
func fileHolds(t testing.TB, k *vaulttest.Kit, want []byte) bool {
	t.Helper()
	k.Running.Stop()
	content, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(content, want)
}
