package api_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func versionMethods() []string {
	return []string{vaulttest.Restore, vaulttest.Enable, vaulttest.Disable, vaulttest.Destroy}
}

func TestRestoredVersionIsUsedAgain(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	before := k.Rotated(t, "key", "first", "second", "third")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	got := k.Owner.MustChange(t, vaulttest.Restore, "key", 1)
	if got.GetVersion() != 1 || !got.GetCurrent() || got.GetName() != vaulttest.VersionOf("key", 1) || got.GetState() != vaultv1.VersionState_VERSION_STATE_ENABLED {
		t.Errorf("RestoreSecretVersion = %v, want version 1, current", got)
	}
	k.Owner.WantStates(t, "restored", "key", vaulttest.Enabled(), vaulttest.Enabled(), vaulttest.Current(vaulttest.Enabled()))
	after := k.Owner.Get(t, "key")
	if after.GetCurrentVersion() != 1 || after.GetEtag() == before.GetEtag() || !after.GetUpdateTime().AsTime().After(before.GetUpdateTime().AsTime()) {
		t.Errorf("the restored secret is %v, want version 1, another etag and update time", after)
	}
	if v := k.Resolver.Resolve(t, "key", uid, 0); v != "first" {
		t.Errorf("the current version resolves to %q, want the first", v)
	}
	if got := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("fourth")}); got.GetCurrentVersion() != 4 {
		t.Errorf("the next version is %d, want 4: numbers are not reused", got.GetCurrentVersion())
	}
}

func TestPreviousVersionsFollowARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second", "third")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	at := make(map[uint32]time.Time) // replacement times
	wantPrevious := func(what string, want ...uint32) {
		t.Helper()
		res, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Purpose: vaulttest.Purpose()})
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
	k.Owner.MustChange(t, vaulttest.Restore, "key", 1)
	wantPrevious("1 after 3", 3, 2)
	k.Owner.MustChange(t, vaulttest.Restore, "key", 3)
	first := at[3]
	wantPrevious("3 after 1", 1, 2)
	if restored := k.Owner.Get(t, "key").GetUpdateTime().AsTime(); !at[1].Equal(restored) || !at[2].Before(first) {
		t.Errorf("version 1 was replaced at %v and 2 at %v, want %v and before %v", at[1], at[2], restored, first)
	}
	k.Owner.MustChange(t, vaulttest.Disable, "key", 1)
	k.Owner.MustChange(t, vaulttest.Restore, "key", 2)
	wantPrevious("2 after 3, 1 being disabled", 3)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 2)
	k.Owner.MustChange(t, vaulttest.Enable, "key", 1)
	k.Owner.MustChange(t, vaulttest.Restore, "key", 3)
	wantPrevious("3 after 2, which is destroyed", 1)
}

func TestDisabledVersionIsRefusedUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	k.Owner.MustChange(t, vaulttest.Disable, "key", 1)
	k.Resolver.WantUnresolved(t, "a disabled version by number", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if got := k.Resolver.Resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the current version resolves to %q", got)
	}
	k.Owner.MustChange(t, vaulttest.Disable, "key", 2)
	k.Owner.WantStates(t, "both disabled", "key", vaulttest.Current(vaulttest.Disabled()), vaulttest.Disabled())
	for version := range uint32(3) {
		k.Resolver.WantUnresolved(t, "all disabled", "key", uid, version, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	}
	if got := k.Owner.Get(t, "key"); got.GetState() != vaultv1.VersionState_VERSION_STATE_DISABLED || len(got.GetEncryptedValue().GetCiphertext()) == 0 {
		t.Errorf("the secret shows %v, want DISABLED and the sealed value", got)
	}
	filter := &vaultv1.ListSecretsRequest{State: vaultv1.VersionState_VERSION_STATE_DISABLED}
	if got := k.Owner.IDs(t, filter); len(got) != 1 {
		t.Errorf("the list of disabled secrets has %v", got)
	}
	k.Owner.MustChange(t, vaulttest.Enable, "key", 2)
	if got := k.Owner.IDs(t, filter); len(got) != 0 {
		t.Errorf("the list of disabled secrets still contains %v", got)
	}
	if got := k.Resolver.Resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("the enabled version resolves to %q", got)
	}
	k.Resolver.WantUnresolved(t, "the other version", "key", uid, 1, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	k.Running.Stop()
	k.Start(t)
	k.Owner.WantStates(t, "after a restart", "key", vaulttest.Current(vaulttest.Enabled()), vaulttest.Disabled())
}

func TestVersionThatIsNotEnabledIsNotRestored(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second", "third")
	k.Owner.MustChange(t, vaulttest.Disable, "key", 1)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 2)
	k.Owner.MustChange(t, vaulttest.Disable, "key", 3)
	logged := len(k.Owner.History(t, "key"))
	for version, reason := range map[uint32]fmt.Stringer{
		1: commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED,
		2: commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED,
		3: commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED, // the current version
	} {
		_, err := k.Owner.Change(t.Context(), vaulttest.Restore, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version)})
		vaulttest.WantError(t, "RestoreSecretVersion", err, codes.FailedPrecondition, reason)
	}
	for _, method := range []string{vaulttest.Enable, vaulttest.Disable} {
		_, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 2)})
		vaulttest.WantError(t, method+" of a destroyed version", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	}
	if got := len(k.Owner.History(t, "key")); got != logged {
		t.Errorf("refused changes left %d entries in the log", got-logged)
	}
	k.Owner.WantStates(t, "after the refusals", "key", vaulttest.Current(vaulttest.Disabled()), vaulttest.Destroyed(), vaulttest.Disabled())
}

func TestChangeOfAVersionThatChangesNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second", "third", "fourth")
	k.Owner.MustChange(t, vaulttest.Disable, "key", 2)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 3)
	before, logged := k.Owner.Get(t, "key"), len(k.Owner.History(t, "key"))
	k.Owner.MustChange(t, vaulttest.Restore, "key", 4)
	k.Owner.MustChange(t, vaulttest.Enable, "key", 1)
	k.Owner.MustChange(t, vaulttest.Disable, "key", 2)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 3)
	if diff := cmp.Diff(before, k.Owner.Get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("the secret changed (-before +after):\n%s", diff)
	}
	if got := len(k.Owner.History(t, "key")); got != logged {
		t.Errorf("the log has %d new entries", got-logged)
	}
}

func TestChangesOfVersionsAreOnTheLog(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Rotated(t, "key", "first", "second").GetUid()
	owner := &vaultv1.Actor{Subject: k.Owner.Subject, Roles: []string{"owner"}, Authentication: "oidc"}
	var want []*vaultv1.SecretChange
	for i, action := range []vaultv1.SecretChange_Action{
		vaultv1.SecretChange_ACTION_VERSION_RESTORED, vaultv1.SecretChange_ACTION_VERSION_DISABLED,
		vaultv1.SecretChange_ACTION_VERSION_ENABLED, vaultv1.SecretChange_ACTION_VERSION_DESTROYED,
	} {
		method := []string{vaulttest.Restore, vaulttest.Disable, vaulttest.Enable, vaulttest.Destroy}[i]
		if _, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 1), Reason: method}); err != nil {
			t.Fatal(err)
		}
		want = slices.Insert(want, 0, &vaultv1.SecretChange{
			Sequence: uint64(2 + i), Action: action, Secret: vaulttest.NameOf("key"), Uid: uid, Version: 1, Actor: owner, Reason: method,
			ChangedFields: map[string][]string{vaulttest.Restore: {"current_version"}}[method],
		})
	}
	got := k.Owner.History(t, "key")[:4]
	if !got[0].GetTime().AsTime().Equal(k.Owner.Get(t, "key").GetUpdateTime().AsTime()) {
		t.Errorf("the last entry is of %v, want the secret's update time", got[0].GetTime().AsTime())
	}
	ignore := []cmp.Option{
		protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretChange{}, "time", "request_id", "weak_reason"),
		protocmp.IgnoreFields(&vaultv1.Actor{}, "address"),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestChangeOfAVersionHonoursTheEtagOfTheSecret(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	stale := k.Rotated(t, "key", "first", "second").GetEtag()
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "changed"})
	for _, method := range versionMethods() {
		etag := k.Owner.Get(t, "key").GetEtag()
		for _, version := range []uint32{1, 2} { // even if nothing would change
			_, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version), Etag: stale})
			vaulttest.WantError(t, method+" with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
			if got := servertest.Metadata(err)["etag"]; got != etag {
				t.Errorf("the error has etag %q, want the current one, %q", got, etag)
			}
		}
		if method == vaulttest.Destroy {
			k.Owner.MustChange(t, vaulttest.Restore, "key", 2)
			k.Owner.MustChange(t, vaulttest.Enable, "key", 1)
			etag = k.Owner.Get(t, "key").GetEtag()
		}
		if _, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 1), Etag: etag}); err != nil {
			t.Errorf("%s with the current etag = %v", method, err)
		}
	}
}

func TestRepeatedChangeOfAVersionIsMadeOnce(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second")
	undo := map[string]string{vaulttest.Restore: "", vaulttest.Disable: vaulttest.Enable, vaulttest.Enable: vaulttest.Disable, vaulttest.Destroy: ""}
	for _, method := range []string{vaulttest.Restore, vaulttest.Disable, vaulttest.Enable, vaulttest.Destroy} {
		if method == vaulttest.Destroy {
			k.Owner.MustChange(t, vaulttest.Restore, "key", 2)
		}
		v := vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 1), Etag: k.Owner.Get(t, "key").GetEtag(), RequestID: "id"}
		first, err := k.Owner.Change(t.Context(), method, v)
		if err != nil {
			t.Fatal(err)
		}
		if undo[method] != "" {
			first = k.Owner.MustChange(t, undo[method], "key", 1)
		}
		logged := len(k.Owner.History(t, "key"))
		again, err := k.Owner.Change(t.Context(), method, v)
		if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s, repeated = %v; not the current state of the version (-current +got):\n%s", method, err, diff)
		}
		if got := len(k.Owner.History(t, "key")); got != logged {
			t.Errorf("%s, repeated, is in the log again", method)
		}
		v.Name = vaulttest.VersionOf("key", 2)
		_, err = k.Owner.Change(t.Context(), method, v)
		vaulttest.WantError(t, method+" of another version with the ID", err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
		if undo[method] != "" {
			k.Owner.MustChange(t, method, "key", 1)
		}
	}
	repeated := vaulttest.VersionCall{Name: vaulttest.VersionOf("key", 1), RequestID: "first-life"}
	if _, err := k.Owner.Change(t.Context(), vaulttest.Destroy, repeated); err != nil {
		t.Fatal(err)
	}
	k.Owner.Delete(t, "key")
	k.Rotated(t, "key", "another life")
	_, err := k.Owner.Change(t.Context(), vaulttest.Destroy, repeated)
	vaulttest.WantError(t, "a repetition in the next incarnation of the name", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	k.Owner.WantStates(t, "the next incarnation", "key", vaulttest.Current(vaulttest.Enabled()))
}

func TestNameOfAVersionIsStrict(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first")
	for _, number := range []string{"", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1e0", "4294967296", "18446744073709551617", "-", "latest", "1/2", "١"} {
		for _, method := range versionMethods() {
			name := vaulttest.NameOf("key") + "/versions/" + number
			_, err := k.Admin.Change(t.Context(), method, vaulttest.VersionCall{Name: name})
			vaulttest.WantField(t, method+" of "+name, err, "name")
		}
	}
	for name, reason := range map[string]fmt.Stringer{
		vaulttest.VersionOf("key", 2):          commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND,
		vaulttest.VersionOf("key", 4294967295): commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND,
		vaulttest.VersionOf("absent", 1):       commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND,
	} {
		for _, method := range versionMethods() {
			_, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: name})
			vaulttest.WantError(t, method+" of "+name, err, codes.NotFound, reason)
		}
	}
}

func TestWatcherReceivesEachChangeOfAVersion(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	uid := k.Rotated(t, "key", "first", "second").GetUid()
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	defer end()
	first, err := receive()
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{vaulttest.Restore, vaulttest.Disable, vaulttest.Enable, vaulttest.Destroy} {
		k.Owner.MustChange(t, method, "key", 1)
	}
	next := first.GetPosition().GetSequence()
	for next < first.GetPosition().GetSequence()+4 {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.GetEvents() {
			want := &vaultv1.SecretEvent{Secret: vaulttest.NameOf("key"), Uid: uid, Sequence: next}
			if diff := cmp.Diff(want, e, protocmp.Transform()); diff != "" {
				t.Errorf("event differs (-want +got):\n%s", diff)
			}
			next++
		}
	}
}

// TestLogAgreesWithTheStateAfterConcurrentChanges derives the state from the log and compares it
// with the stored state.
func TestLogAgreesWithTheStateAfterConcurrentChanges(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const count = 4
	k.Rotated(t, "key", "1", "2", "3", "4")
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := range 30 {
				method, version := versionMethods()[(worker+i)%3], uint32(1+(worker*i+i)%count)
				if worker == 0 && i%10 == 9 {
					method = vaulttest.Destroy
				}
				_, err := k.Owner.Change(t.Context(), method, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", version)})
				if reason := servertest.Reason(err); err != nil && reason != "VERSION_DISABLED" && reason != "VERSION_DESTROYED" {
					t.Errorf("%s = %v", method, err)
				}
			}
		})
	}
	wg.Wait()
	states, pointer := map[uint32]*vaultv1.SecretVersion{}, uint32(0)
	for _, c := range slices.Backward(k.Owner.History(t, "key")) {
		number := c.GetVersion()
		before := states[number]
		switch c.GetAction() {
		case vaultv1.SecretChange_ACTION_VERSION_RESTORED:
			if pointer == number || before.GetState() != vaulttest.Enabled().GetState() {
				t.Errorf("entry %d restores a version that is current or %v", c.GetSequence(), before)
			}
			pointer = number
		case vaultv1.SecretChange_ACTION_VERSION_ENABLED:
			states[number] = vaulttest.Enabled()
		case vaultv1.SecretChange_ACTION_VERSION_DISABLED:
			states[number] = vaulttest.Disabled()
		case vaultv1.SecretChange_ACTION_VERSION_DESTROYED:
			states[number] = vaulttest.Destroyed()
		default:
			states[number], pointer = vaulttest.Enabled(), number
			continue
		}
		if after := states[number]; before.GetState() == vaulttest.Destroyed().GetState() || c.GetAction() != vaultv1.SecretChange_ACTION_VERSION_RESTORED && before.GetState() == after.GetState() {
			t.Errorf("entry %d, %v, makes a version in state %v one in state %v", c.GetSequence(), c.GetAction(), before.GetState(), after.GetState())
		}
	}
	vaulttest.Current(states[pointer])
	k.Owner.WantStates(t, "as in the log", "key", states[4], states[3], states[2], states[1])
	if got := k.Owner.Get(t, "key"); got.GetCurrentVersion() != pointer || got.GetState() != states[pointer].GetState() {
		t.Errorf("the secret has version %d in state %v, the log has %d, %v", got.GetCurrentVersion(), got.GetState(), pointer, states[pointer])
	}
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestVersionThatIsNotMadeCurrentWaitsUntilItIsRestored(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first")
	uid := k.Resolver.Bind(t, "key", "e", "op").GetUid()
	res, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("second")}, KeepCurrent: true,
	})
	if err != nil || res.GetSecret().GetCurrentVersion() != 1 || res.GetSecret().GetLatestVersion() != 2 {
		t.Fatalf("UpdateSecret(keep_current) = %v, %v, want version 1 to stay current and 2 in the response", res, err)
	}
	k.Owner.WantStates(t, "kept back", "key", vaulttest.Enabled(), vaulttest.Current(vaulttest.Enabled()))
	got, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Purpose: vaulttest.Purpose()})
	if err != nil || string(got.GetValue()) != "first" || len(got.GetPrevious()) != 0 {
		t.Errorf("the current version resolves to version %d with %v before it, %v", got.GetVersion(), got.GetPrevious(), err)
	}
	if got := k.Resolver.Resolve(t, "key", uid, 2); got != "second" {
		t.Errorf("version 2 by number resolves to %q", got)
	}
	newest := k.Owner.History(t, "key")[0]
	if newest.GetVersion() != 2 || !slices.Equal(newest.GetChangedFields(), []string{"value"}) {
		t.Errorf("the log has %v", newest)
	}
	k.Owner.MustChange(t, vaulttest.Restore, "key", 2)
	if got := k.Resolver.Resolve(t, "key", uid, 0); got != "second" {
		t.Errorf("after the restore it resolves to %q", got)
	}
	for what, req := range map[string]*vaultv1.UpdateSecretRequest{
		"without a value":                  {Secret: &vaultv1.Secret{Description: "d"}},
		"with nothing at all":              {Secret: &vaultv1.Secret{}},
		"with a value that the mask omits": {Secret: &vaultv1.Secret{Description: "d", Value: vaulttest.Text("v")}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}}},
		"with a mask without the value":    {Secret: &vaultv1.Secret{}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}},
	} {
		req.Secret.Name, req.KeepCurrent = vaulttest.NameOf("key"), true
		_, err := k.Owner.UpdateSecret(t.Context(), req)
		vaulttest.WantField(t, "keep_current "+what, err, "keep_current")
	}
}
