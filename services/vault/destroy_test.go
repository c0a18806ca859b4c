package vault_test

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
)

func TestDestroyedVersionStaysDestroyed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	before := k.owner.versions(t, "key")[1]
	got := k.owner.must(t, destroy, "key", 1)
	want := proto.CloneOf(before)
	want.State, want.KeyId, want.WeakReason = destroyed().GetState(), "", ""
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("DestroySecretVersion differs (-want +got):\n%s", diff)
	}
	k.resolver.wantUnresolved(t, "a destroyed version", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	if got := k.resolver.resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the current version resolves to %q", got)
	}
	k.running.Stop()
	k.start(t)
	k.owner.wantStates(t, "after a restart", "key", current(enabled()), destroyed())
	k.resolver.wantUnresolved(t, "after a restart", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
}

func TestSecretWithoutAValueLivesOn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	created := k.owner.create(t, "key", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_EC_P256)})
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	if before := k.owner.get(t, "key"); before.GetPublicKey() == nil || before.GetEncryptedValue() == nil {
		t.Fatalf("before it is destroyed the secret is %v", before)
	}
	k.owner.must(t, destroy, "key", 1)
	got := k.owner.get(t, "key")
	if got.GetState() != destroyed().GetState() || got.GetCurrentVersion() != 1 || got.GetEncryptedValue() != nil || got.GetPublicKey() != nil {
		t.Errorf("GetSecret = %v, want version 1, DESTROYED, without values", got)
	}
	for state, want := range map[vaultv1.VersionState]int{enabled().GetState(): 0, disabled().GetState(): 0, destroyed().GetState(): 1} {
		if ids := k.owner.ids(t, &vaultv1.ListSecretsRequest{State: state}); state != 0 && len(ids) != want {
			t.Errorf("the list of secrets in state %v has %v", state, ids)
		}
	}
	res, err := k.resolver.BindSecret(t.Context(), bindRequest("key", "another", "op2"))
	if err != nil || res.GetFacts() != nil {
		t.Errorf("BindSecret to the current version tells %v, %v, want nothing", res.GetFacts(), err)
	}
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "still described"})
	updated := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("second")})
	if updated.GetCurrentVersion() != 2 || updated.GetState() != vaultv1.VersionState_VERSION_STATE_ENABLED || updated.GetUid() != created.GetUid() {
		t.Errorf("UpdateSecret = %v, want version 2, ENABLED", updated)
	}
	after, err := k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Purpose: purpose()})
	if err != nil || string(after.GetValue()) != "second" || len(after.GetPrevious()) != 0 {
		t.Errorf("ResolveSecret = version %d with %v before it, %v", after.GetVersion(), after.GetPrevious(), err)
	}
}

func TestVersionInUseIsDestroyedByForceOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.rotated(t, "key", "first", "second").GetUid()
	k.add(t, "key", "third")
	k.resolver.bind(t, "key", "e", "op")
	k.resolver.bind(t, "key", "f", "op2")
	used := time.Now().Add(-23 * time.Hour).UTC()
	report := useOf("key", uid, 1, 1)
	report.LastUseTime = timestamppb.New(used)
	k.resolver.report(t, "report", report)
	k.resolver.report(t, "failures", &vaultv1.SecretUse{Secret: nameOf("key"), Uid: uid, Version: 3, Failed: 5})
	refused := func(what string, version uint32, want map[string]string) {
		t.Helper()
		_, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", version), reason: "not enough"})
		wantError(t, what, err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_IN_USE)
		if diff := cmp.Diff(want, servertest.Metadata(err)); diff != "" {
			t.Errorf("%s: metadata differs (-want +got):\n%s", what, diff)
		}
	}
	refused("the current version of a secret that is bound", 2, map[string]string{"reference_count": "2"})
	refused("a version that was used lately", 1, map[string]string{"reference_count": "2", "last_use_time": used.Format(time.RFC3339Nano)})
	if _, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", 3)}); err != nil {
		t.Errorf("a version that was never current nor used with success = %v", err)
	}
	for _, reason := range []string{"", "  "} {
		_, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", 2), force: true, reason: reason})
		wantField(t, "force without a reason", err, "reason")
	}
	k.owner.wantStates(t, "after the refusals", "key", destroyed(), current(enabled()), enabled())
	k.owner.must(t, destroy, "key", 2) // by force, and by an owner
	k.owner.must(t, destroy, "key", 1)
	k.owner.wantStates(t, "forced", "key", destroyed(), current(destroyed()), destroyed())
	if got := k.owner.uses(t, "key")[2]; got.GetUseCount() != 1 || !got.GetLastUseTime().AsTime().Equal(used) {
		t.Errorf("the uses of a destroyed version are %v, want them kept", got)
	}
}

func TestVersionThatIsNotInUseIsDestroyedWithoutForce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.rotated(t, "key", "first", "second").GetUid()
	k.add(t, "key", "third")
	k.resolver.bind(t, "key", "e", "op")
	report := useOf("key", uid, 3, 1)
	report.LastUseTime = timestamppb.New(time.Now().Add(-25 * time.Hour))
	k.resolver.report(t, "report", report)
	if _, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", 3)}); err != nil {
		t.Errorf("a version that was last used long ago = %v", err)
	}
	k.resolver.unbind(t, "key", "op")
	for version, what := range map[uint32]string{1: "one that was replaced a moment ago", 2: "the current version"} {
		if _, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf("key", version)}); err != nil {
			t.Errorf("%s of a secret that is not bound = %v", what, err)
		}
	}
}

// add stores a version that is not current.
func (k *kit) add(t testing.TB, id, value string) {
	t.Helper()
	_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf(id), Value: text(value)}, KeepCurrent: true})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVersionThatABindingNamesIsInUse(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first")
	k.add(t, "key", "second")
	k.add(t, "key", "third")
	bind := func(version uint32, operation string) *vaultv1.Binding {
		t.Helper()
		req := bindRequest("key", "e", operation)
		req.Version = version
		res, err := k.resolver.BindSecret(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return res.GetBinding()
	}
	inUse := func(what string, version uint32, want bool) {
		t.Helper()
		err := k.tryDestroy(t, "key", version)
		if want {
			wantError(t, what, err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VERSION_IN_USE)
		} else if err != nil {
			t.Errorf("%s = %v", what, err)
		}
	}
	if got := bind(0, "a").GetVersions(); len(got) != 0 {
		t.Errorf("a binding to the current version names %v", got)
	}
	logged := len(k.owner.history(t, "key"))
	for range 2 { // the second time changes nothing
		bind(3, "a")
		if got := bind(2, "a").GetVersions(); !slices.Equal(got, []uint32{2, 3}) {
			t.Errorf("the binding names %v, want 2 and 3", got)
		}
	}
	if got := k.owner.history(t, "key"); len(got) != logged+2 || got[0].GetVersion() != 2 || got[0].GetAction() != vaultv1.SecretChange_ACTION_BOUND {
		t.Errorf("the log has %d entries more, the last of which is %v", len(got)-logged, got[0])
	}
	bind(2, "b")
	if got := k.owner.get(t, "key").GetReferenceCount(); got != 1 {
		t.Errorf("the referrer counts as %d", got)
	}
	inUse("named by two bindings", 2, true)
	inUse("named by one binding", 3, true)
	k.owner.must(t, disable, "key", 3)
	inUse("disabled", 3, true)
	k.running.Stop()
	k.start(t)
	k.resolver.unbind(t, "key", "a")
	inUse("named by the one that is left", 2, true)
	inUse("named by none any more", 3, false)
	k.resolver.unbind(t, "key", "b")
	k.resolver.unbind(t, "key", "b")
	inUse("named by none any more", 2, false)
}

func (k *kit) tryDestroy(t testing.TB, id string, version uint32) error {
	t.Helper()
	_, err := k.owner.change(t.Context(), destroy, versionCall{name: versionOf(id, version)})
	return err
}

func TestBindingNamesABoundedNumberOfVersions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17")
	for version := uint32(1); version <= 17; version++ {
		req := bindRequest("key", "e", "op")
		req.Version = version
		_, err := k.resolver.BindSecret(t.Context(), req)
		if version == 17 {
			wantField(t, "one version too many", err, "version")
		} else if err != nil {
			t.Errorf("version %d = %v", version, err)
		}
	}
	k.resolver.unbind(t, "key", "op") // in one transaction
	k.owner.delete(t, "key")
}

// TestDestroyedValueLeavesTheStore looks for the sealed value in the store's file, as it
// is once the store has used the freed pages again.
func TestDestroyedValueLeavesTheStore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	sealed := k.owner.get(t, "key").GetEncryptedValue().GetCiphertext()
	if !k.fileHolds(t, sealed) {
		t.Fatal("the sealed value is not in the file to begin with")
	}
	k.start(t)
	k.owner.must(t, destroy, "key", 1)
	for range 20 { // each change writes new pages
		k.owner.create(t, "other", &vaultv1.Secret{})
		k.owner.delete(t, "other")
	}
	if k.fileHolds(t, sealed) {
		t.Error("the sealed value is still in the file")
	}
}

// fileHolds stops the vault and reports whether its file has the bytes.
func (k *kit) fileHolds(t testing.TB, want []byte) bool {
	t.Helper()
	k.running.Stop()
	content, err := os.ReadFile(k.config.Store)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(content, want)
}
