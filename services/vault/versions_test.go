package vault_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A versionCall is one of the four requests that change a version.
type versionCall struct {
	name, etag, reason, requestID string
	force                         bool
}

// The four changes, by the name of their method.
const (
	restore = "RestoreSecretVersion"
	enable  = "EnableSecretVersion"
	disable = "DisableSecretVersion"
	destroy = "DestroySecretVersion"
)

func versionMethods() []string { return []string{restore, enable, disable, destroy} }

// change makes one of the four requests.
func (c client) change(ctx context.Context, method string, v versionCall, opts ...grpc.CallOption) (*vaultv1.SecretVersion, error) {
	switch method {
	case restore:
		res, err := c.RestoreSecretVersion(ctx, &vaultv1.RestoreSecretVersionRequest{Name: v.name, Etag: v.etag, Reason: v.reason, RequestId: v.requestID}, opts...)
		return res.GetVersion(), err
	case enable:
		res, err := c.EnableSecretVersion(ctx, &vaultv1.EnableSecretVersionRequest{Name: v.name, Etag: v.etag, Reason: v.reason, RequestId: v.requestID}, opts...)
		return res.GetVersion(), err
	case disable:
		res, err := c.DisableSecretVersion(ctx, &vaultv1.DisableSecretVersionRequest{Name: v.name, Etag: v.etag, Reason: v.reason, RequestId: v.requestID}, opts...)
		return res.GetVersion(), err
	default:
		res, err := c.DestroySecretVersion(ctx, &vaultv1.DestroySecretVersionRequest{Name: v.name, Etag: v.etag, Reason: v.reason, RequestId: v.requestID, Force: v.force}, opts...)
		return res.GetVersion(), err
	}
}

// must changes a version and fails the test if it cannot.
func (c client) must(t testing.TB, method, id string, version uint32) *vaultv1.SecretVersion {
	t.Helper()
	v := versionCall{name: versionOf(id, version)}
	if method == destroy {
		v.force, v.reason = true, "tested"
	}
	changed, err := c.change(t.Context(), method, v)
	if err != nil {
		t.Fatalf("%s(%s, %d) = %v", method, id, version, err)
	}
	return changed
}

// versions returns all versions of a secret, newest first.
func (c client) versions(t testing.TB, id string) []*vaultv1.SecretVersion {
	t.Helper()
	res, err := c.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: nameOf(id), PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetVersions()
}

// wantStates compares number, state and pointer of all versions, newest first.
func (c client) wantStates(t testing.TB, what, id string, want ...*vaultv1.SecretVersion) {
	t.Helper()
	for i, v := range want {
		v.Version, v.Name = uint32(len(want)-i), versionOf(id, uint32(len(want)-i))
		if v.GetState() == 0 {
			v.State = vaultv1.VersionState_VERSION_STATE_ENABLED
		}
	}
	other := protocmp.IgnoreFields(&vaultv1.SecretVersion{}, "create_time", "key_id", "use_count", "failure_count", "last_use_time", "weak_reason")
	if diff := cmp.Diff(want, c.versions(t, id), protocmp.Transform(), other); diff != "" {
		t.Errorf("%s: versions of %s differ (-want +got):\n%s", what, id, diff)
	}
}

func (c client) wantUnresolved(t testing.TB, what, id, uid string, version uint32, reason commonv1.ErrorReason) {
	t.Helper()
	_, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf(id), Uid: uid, Version: version, Purpose: purpose()})
	wantError(t, what, err, codes.FailedPrecondition, reason)
}

// rotated stores a secret with a version for each value; the first is called first, the
// last is current.
func (k *kit) rotated(t testing.TB, id string, values ...string) *vaultv1.Secret {
	t.Helper()
	got := k.owner.create(t, id, &vaultv1.Secret{Value: text(values[0])})
	for _, value := range values[1:] {
		got = k.owner.update(t, &vaultv1.Secret{Name: nameOf(id), Value: text(value)})
	}
	return got
}

func enabled() *vaultv1.SecretVersion { return new(vaultv1.SecretVersion) }

func disabled() *vaultv1.SecretVersion {
	return &vaultv1.SecretVersion{State: vaultv1.VersionState_VERSION_STATE_DISABLED}
}

func destroyed() *vaultv1.SecretVersion {
	return &vaultv1.SecretVersion{State: vaultv1.VersionState_VERSION_STATE_DESTROYED}
}

// current says of a version that it is the current one.
func current(v *vaultv1.SecretVersion) *vaultv1.SecretVersion {
	v.Current = true
	return v
}

func TestRestoredVersionIsUsedAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	before := k.rotated(t, "key", "first", "second", "third")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	got := k.owner.must(t, restore, "key", 1)
	if got.GetVersion() != 1 || !got.GetCurrent() || got.GetName() != versionOf("key", 1) || got.GetState() != vaultv1.VersionState_VERSION_STATE_ENABLED {
		t.Errorf("RestoreSecretVersion = %v, want version 1, current", got)
	}
	k.owner.wantStates(t, "restored", "key", enabled(), enabled(), current(enabled()))
	after := k.owner.get(t, "key")
	if after.GetCurrentVersion() != 1 || after.GetEtag() == before.GetEtag() || !after.GetUpdateTime().AsTime().After(before.GetUpdateTime().AsTime()) {
		t.Errorf("the restored secret is %v, want version 1, another etag and update time", after)
	}
	if v := k.resolver.resolve(t, "key", uid, 0); v != "first" {
		t.Errorf("the current version resolves to %q, want the first", v)
	}
	if got := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("fourth")}); got.GetCurrentVersion() != 4 {
		t.Errorf("the next version is %d, want 4: no number comes twice", got.GetCurrentVersion())
	}
}

func TestPreviousVersionsFollowARestore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	at := make(map[uint32]time.Time) // when each was replaced
	wantPrevious := func(what string, want ...uint32) {
		t.Helper()
		res, err := k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Purpose: purpose()})
		if err != nil {
			t.Fatal(err)
		}
		var got []uint32
		for _, p := range res.GetPrevious() {
			got = append(got, p.GetVersion())
			at[p.GetVersion()] = p.GetReplaceTime().AsTime()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: previous versions differ (-want +got):\n%s", what, diff)
		}
	}
	k.owner.must(t, restore, "key", 1)
	wantPrevious("1 after 3", 3, 2)
	k.owner.must(t, restore, "key", 3)
	first := at[3]
	wantPrevious("3 after 1", 1, 2)
	if restored := k.owner.get(t, "key").GetUpdateTime().AsTime(); !at[1].Equal(restored) || !at[2].Before(first) {
		t.Errorf("version 1 was replaced at %v and 2 at %v, want %v and before %v", at[1], at[2], restored, first)
	}
	k.owner.must(t, disable, "key", 1)
	k.owner.must(t, restore, "key", 2)
	wantPrevious("2 after 3, 1 being disabled", 3)
	k.owner.must(t, destroy, "key", 2)
	k.owner.must(t, enable, "key", 1)
	k.owner.must(t, restore, "key", 3)
	wantPrevious("3 after 2, which is destroyed", 1)
}

func TestDisabledVersionIsRefusedUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	k.owner.must(t, disable, "key", 1)
	k.resolver.wantUnresolved(t, "a disabled version by number", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if got := k.resolver.resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the current version resolves to %q", got)
	}
	k.owner.must(t, disable, "key", 2)
	k.owner.wantStates(t, "both disabled", "key", current(disabled()), disabled())
	for version := range uint32(3) {
		k.resolver.wantUnresolved(t, "all disabled", "key", uid, version, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	}
	if got := k.owner.get(t, "key"); got.GetState() != vaultv1.VersionState_VERSION_STATE_DISABLED || len(got.GetEncryptedValue().GetCiphertext()) == 0 {
		t.Errorf("the secret shows %v, want DISABLED and the sealed value", got)
	}
	filter := &vaultv1.ListSecretsRequest{State: vaultv1.VersionState_VERSION_STATE_DISABLED}
	if got := k.owner.ids(t, filter); len(got) != 1 {
		t.Errorf("the list of disabled secrets has %v", got)
	}
	k.owner.must(t, enable, "key", 2)
	if got := k.owner.ids(t, filter); len(got) != 0 {
		t.Errorf("the list of disabled secrets still has %v", got)
	}
	if got := k.resolver.resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the enabled version resolves to %q", got)
	}
	k.resolver.wantUnresolved(t, "the other one", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	k.running.Stop()
	k.start(t)
	k.owner.wantStates(t, "after a restart", "key", current(enabled()), disabled())
}

func TestVersionThatIsNotEnabledIsNotRestored(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third")
	k.owner.must(t, disable, "key", 1)
	k.owner.must(t, destroy, "key", 2)
	k.owner.must(t, disable, "key", 3)
	logged := len(k.owner.history(t, "key"))
	for version, reason := range map[uint32]commonv1.ErrorReason{
		1: commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED,
		2: commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED,
		3: commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED, // the current one
	} {
		_, err := k.owner.change(t.Context(), restore, versionCall{name: versionOf("key", version)})
		wantError(t, "RestoreSecretVersion", err, codes.FailedPrecondition, reason)
	}
	for _, method := range []string{enable, disable} {
		_, err := k.owner.change(t.Context(), method, versionCall{name: versionOf("key", 2)})
		wantError(t, method+" of a destroyed version", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	}
	if got := len(k.owner.history(t, "key")); got != logged {
		t.Errorf("refused changes left %d entries on the log", got-logged)
	}
	k.owner.wantStates(t, "after the refusals", "key", current(disabled()), destroyed(), disabled())
}

func TestChangeOfAVersionThatChangesNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third", "fourth")
	k.owner.must(t, disable, "key", 2)
	k.owner.must(t, destroy, "key", 3)
	before, logged := k.owner.get(t, "key"), len(k.owner.history(t, "key"))
	k.owner.must(t, restore, "key", 4)
	k.owner.must(t, enable, "key", 1)
	k.owner.must(t, disable, "key", 2)
	k.owner.must(t, destroy, "key", 3)
	if diff := cmp.Diff(before, k.owner.get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("the secret changed (-before +after):\n%s", diff)
	}
	if got := len(k.owner.history(t, "key")); got != logged {
		t.Errorf("the log has %d entries more", got-logged)
	}
}

func TestChangesOfVersionsAreOnTheLog(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.rotated(t, "key", "first", "second").GetUid()
	owner := &vaultv1.Actor{Subject: k.owner.subject, Roles: []string{"owner"}, Authentication: "oidc"}
	var want []*vaultv1.SecretChange
	for i, action := range []vaultv1.SecretChange_Action{
		vaultv1.SecretChange_ACTION_VERSION_RESTORED, vaultv1.SecretChange_ACTION_VERSION_DISABLED,
		vaultv1.SecretChange_ACTION_VERSION_ENABLED, vaultv1.SecretChange_ACTION_VERSION_DESTROYED,
	} {
		method := []string{restore, disable, enable, destroy}[i]
		if _, err := k.owner.change(t.Context(), method, versionCall{name: versionOf("key", 1), reason: method}); err != nil {
			t.Fatal(err)
		}
		want = slices.Insert(want, 0, &vaultv1.SecretChange{
			Sequence: uint64(2 + i), Action: action, Secret: nameOf("key"), Uid: uid, Version: 1, Actor: owner, Reason: method,
			ChangedFields: map[string][]string{restore: {"current_version"}}[method],
		})
	}
	got := k.owner.history(t, "key")[:4]
	if !got[0].GetTime().AsTime().Equal(k.owner.get(t, "key").GetUpdateTime().AsTime()) {
		t.Errorf("the last entry is of %v, want the secret's update time", got[0].GetTime().AsTime())
	}
	ignore := []cmp.Option{
		protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretChange{}, "time", "request_id", "weak_reason"),
		protocmp.IgnoreFields(&vaultv1.Actor{}, "address"),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	if err := k.vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestChangeOfAVersionHonoursTheEtagOfTheSecret(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	stale := k.rotated(t, "key", "first", "second").GetEtag()
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "changed"})
	for _, method := range versionMethods() {
		etag := k.owner.get(t, "key").GetEtag()
		for _, version := range []uint32{1, 2} { // also where nothing would change
			_, err := k.owner.change(t.Context(), method, versionCall{name: versionOf("key", version), etag: stale})
			wantError(t, method+" with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
			if got := servertest.Metadata(err)["etag"]; got != etag {
				t.Errorf("the refusal says etag %q, want the current one, %q", got, etag)
			}
		}
		if method == destroy {
			k.owner.must(t, restore, "key", 2)
			k.owner.must(t, enable, "key", 1)
			etag = k.owner.get(t, "key").GetEtag()
		}
		if _, err := k.owner.change(t.Context(), method, versionCall{name: versionOf("key", 1), etag: etag}); err != nil {
			t.Errorf("%s with the current etag = %v", method, err)
		}
	}
}

func TestRepeatedChangeOfAVersionIsMadeOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second")
	undo := map[string]string{restore: "", disable: enable, enable: disable, destroy: ""}
	for _, method := range []string{restore, disable, enable, destroy} {
		if method == destroy {
			k.owner.must(t, restore, "key", 2)
		}
		v := versionCall{name: versionOf("key", 1), etag: k.owner.get(t, "key").GetEtag(), requestID: "id"}
		first, err := k.owner.change(t.Context(), method, v)
		if err != nil {
			t.Fatal(err)
		}
		if undo[method] != "" {
			first = k.owner.must(t, undo[method], "key", 1)
		}
		logged := len(k.owner.history(t, "key"))
		again, err := k.owner.change(t.Context(), method, v)
		if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s, repeated = %v; not the version as it is now (-now +got):\n%s", method, err, diff)
		}
		if got := len(k.owner.history(t, "key")); got != logged {
			t.Errorf("%s, repeated, is on the log again", method)
		}
		v.name = versionOf("key", 2)
		_, err = k.owner.change(t.Context(), method, v)
		wantError(t, method+" of another version under the id", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
		if undo[method] != "" {
			k.owner.must(t, method, "key", 1)
		}
	}
	repeated := versionCall{name: versionOf("key", 1), requestID: "first-life"}
	if _, err := k.owner.change(t.Context(), destroy, repeated); err != nil {
		t.Fatal(err)
	}
	k.owner.delete(t, "key")
	k.rotated(t, "key", "another life")
	_, err := k.owner.change(t.Context(), destroy, repeated)
	wantError(t, "a repetition in the next life of the name", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	k.owner.wantStates(t, "the next life", "key", current(enabled()))
}

func TestNameOfAVersionIsStrict(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first")
	for _, number := range []string{"", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1e0", "4294967296", "18446744073709551617", "-", "latest", "1/2", "١"} {
		for _, method := range versionMethods() {
			name := nameOf("key") + "/versions/" + number
			_, err := k.admin.change(t.Context(), method, versionCall{name: name})
			wantField(t, method+" of "+name, err, "name")
		}
	}
	for name, reason := range map[string]commonv1.ErrorReason{
		versionOf("key", 2):          commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND,
		versionOf("key", 4294967295): commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND,
		versionOf("absent", 1):       commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND,
	} {
		for _, method := range versionMethods() {
			_, err := k.owner.change(t.Context(), method, versionCall{name: name})
			wantError(t, method+" of "+name, err, codes.NotFound, reason)
		}
	}
}

func TestWatcherHearsOfEachChangeOfAVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	uid := k.rotated(t, "key", "first", "second").GetUid()
	receive, end := k.resolver.watch(t, workspace, nil)
	defer end()
	first, err := receive()
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{restore, disable, enable, destroy} {
		k.owner.must(t, method, "key", 1)
	}
	next := first.GetPosition().GetSequence()
	for next < first.GetPosition().GetSequence()+4 {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.GetEvents() {
			want := &vaultv1.SecretEvent{Secret: nameOf("key"), Uid: uid, Sequence: next}
			if diff := cmp.Diff(want, e, protocmp.Transform()); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			next++
		}
	}
}

// TestLogTellsTheStateAfterConcurrentChanges reads the log from its start and compares
// what it says with what there is.
func TestLogTellsTheStateAfterConcurrentChanges(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const count = 4
	k.rotated(t, "key", "1", "2", "3", "4")
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := range 30 {
				method, version := versionMethods()[(worker+i)%3], uint32(1+(worker*i+i)%count)
				if worker == 0 && i%10 == 9 {
					method = destroy
				}
				_, err := k.owner.change(t.Context(), method, versionCall{name: versionOf("key", version)})
				if reason := servertest.Reason(err); err != nil && reason != "VERSION_DISABLED" && reason != "VERSION_DESTROYED" {
					t.Errorf("%s = %v", method, err)
				}
			}
		})
	}
	wg.Wait()
	states, pointer := map[uint32]*vaultv1.SecretVersion{}, uint32(0)
	for _, c := range slices.Backward(k.owner.history(t, "key")) {
		number := c.GetVersion()
		before := states[number]
		switch c.GetAction() {
		case vaultv1.SecretChange_ACTION_VERSION_RESTORED:
			if pointer == number || before.GetState() != enabled().GetState() {
				t.Errorf("entry %d restores a version that is current or %v", c.GetSequence(), before)
			}
			pointer = number
		case vaultv1.SecretChange_ACTION_VERSION_ENABLED:
			states[number] = enabled()
		case vaultv1.SecretChange_ACTION_VERSION_DISABLED:
			states[number] = disabled()
		case vaultv1.SecretChange_ACTION_VERSION_DESTROYED:
			states[number] = destroyed()
		default:
			states[number], pointer = enabled(), number
			continue
		}
		if after := states[number]; before.GetState() == destroyed().GetState() || c.GetAction() != vaultv1.SecretChange_ACTION_VERSION_RESTORED && before.GetState() == after.GetState() {
			t.Errorf("entry %d, %v, makes a version in state %v one in state %v", c.GetSequence(), c.GetAction(), before.GetState(), after.GetState())
		}
	}
	current(states[pointer])
	k.owner.wantStates(t, "as the log says", "key", states[4], states[3], states[2], states[1])
	if got := k.owner.get(t, "key"); got.GetCurrentVersion() != pointer || got.GetState() != states[pointer].GetState() {
		t.Errorf("the secret has version %d in state %v, the log says %d, %v", got.GetCurrentVersion(), got.GetState(), pointer, states[pointer])
	}
	if err := k.vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestVersionThatIsKeptBackWaitsUntilItIsRestored(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first")
	uid := k.resolver.bind(t, "key", "e", "op").GetUid()
	res, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: nameOf("key"), Value: text("second")}, KeepCurrent: true,
	})
	if err != nil || res.GetSecret().GetCurrentVersion() != 1 || res.GetSecret().GetLatestVersion() != 2 {
		t.Fatalf("UpdateSecret(keep_current) = %v, %v, want version 1 to stay and 2 to be told", res, err)
	}
	k.owner.wantStates(t, "kept back", "key", enabled(), current(enabled()))
	got, err := k.resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf("key"), Uid: uid, Purpose: purpose()})
	if err != nil || string(got.GetValue()) != "first" || len(got.GetPrevious()) != 0 {
		t.Errorf("the current version resolves to version %d with %v before it, %v", got.GetVersion(), got.GetPrevious(), err)
	}
	if got := k.resolver.resolve(t, "key", uid, 2); got != "second" {
		t.Errorf("version 2 by number resolves to %q", got)
	}
	newest := k.owner.history(t, "key")[0]
	if newest.GetVersion() != 2 || !slices.Equal(newest.GetChangedFields(), []string{"value"}) {
		t.Errorf("the log says %v", newest)
	}
	k.owner.must(t, restore, "key", 2)
	if got := k.resolver.resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("after the restore it resolves to %q", got)
	}
	for what, req := range map[string]*vaultv1.UpdateSecretRequest{
		"without a value":           {Secret: &vaultv1.Secret{Description: "d"}},
		"with nothing at all":       {Secret: &vaultv1.Secret{}},
		"with a value not meant":    {Secret: &vaultv1.Secret{Description: "d", Value: text("v")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}},
		"with a mask without value": {Secret: &vaultv1.Secret{}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}},
	} {
		req.Secret.Name, req.KeepCurrent = nameOf("key"), true
		_, err := k.owner.UpdateSecret(t.Context(), req)
		wantField(t, "keep_current "+what, err, "keep_current")
	}
}
