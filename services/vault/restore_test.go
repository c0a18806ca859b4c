package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const (
	pending  = commonv1.ErrorReason_ERROR_REASON_RESTORE_PENDING
	tooFar   = vaultv1.ErrorReason_ERROR_REASON_POSITION_OUT_OF_RANGE
	noSuch   = commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND
	stillRef = vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE
)

func restoreOf(t testing.TB, k *vaulttest.Kit) *vaultv1.Restore {
	t.Helper()
	res, err := k.Admin.Maintenance.GetRestore(t.Context(), &vaultv1.GetRestoreRequest{Parent: vaulttest.Everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetRestore()
}

func release(t testing.TB, k *vaulttest.Kit) *vaultv1.Restore {
	t.Helper()
	res, err := k.Admin.Maintenance.ReleaseRestore(t.Context(), &vaultv1.ReleaseRestoreRequest{Parent: vaulttest.Everywhere, Reason: "checked by hand"})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetRestore()
}

func reconcile(t testing.TB, c vaulttest.Client, epoch string) {
	t.Helper()
	_, err := c.ReportReconciliation(t.Context(), &vaultv1.ReportReconciliationRequest{Parent: vaulttest.Everywhere, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
}

func headOf(t testing.TB, k *vaulttest.Kit) *vaultv1.GetCheckpointResponse {
	t.Helper()
	res, err := k.Resolver.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: vaulttest.Everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// lose reports a head of the vault's log as lost. The caller has a log of its own.
func lose(t testing.TB, c vaulttest.Client, checkpoint string, successions ...string) error {
	t.Helper()
	reporter := vaulttest.NewReporter(t, 9)
	return reporter.Lose(t.Context(), t, c, checkpoint, successions...)
}

func createSecrets(t testing.TB, k *vaulttest.Kit, prefix string, count int) {
	t.Helper()
	for i := range count {
		k.Owner.Create(t, fmt.Sprintf("%s-%d", prefix, i), &vaultv1.Secret{})
	}
}

// wantHeld calls all methods that a restore holds, for a secret that an endpoint needs.
func wantHeld(t *testing.T, k *vaulttest.Kit, id string) {
	t.Helper()
	_, deleted := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf(id)})
	_, forced := k.Admin.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf(id), Force: true, Reason: "r"})
	_, destroyed := k.Owner.Change(t.Context(), vaulttest.Destroy, vaulttest.VersionCall{Name: vaulttest.VersionOf(id, 1), Force: true, Reason: "r"})
	_, replaced := k.Admin.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{
		Name: vaulttest.NameOf(id), Chains: []string{vaulttest.Chain}, Reason: "r",
	})
	_, sealing := k.Owner.Require(t, true, "r", "")
	_, bound := k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest(id, "another", "another"))
	rehearsal := vaulttest.BindRequest(id, "another", "another")
	rehearsal.ValidateOnly = true
	_, rehearsed := k.Resolver.BindSecret(t.Context(), rehearsal)
	for what, err := range map[string]error{
		"DeleteSecret": deleted, "forced DeleteSecret": forced, "DestroySecretVersion": destroyed,
		"ReplaceSecretPurpose": replaced, "UpdateSealing": sealing, "BindSecret": bound, "BindSecret, validate_only": rehearsed,
	} {
		vaulttest.WantError(t, what, err, codes.FailedPrecondition, pending)
		if got := servertest.Metadata(err)["resolvers"]; got != "1" {
			t.Errorf("%s: %s resolvers are missing, want 1", what, got)
		}
	}
}

func TestASecretThatLostItsReferencesCannotBeDeletedAfterARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Owner.Create(t, "other", &vaultv1.Secret{})
	k.Resolver.Bind(t, "other", "e", "before")
	backup := k.Snapshot(t)
	k.Resolver.Bind(t, "key", "e", "after")
	before := headOf(t, k)
	k.RestoreFile(t, backup, "the disk failed")

	wantHeld(t, k, "key")
	got := restoreOf(t, k)
	if !got.GetPending() || got.GetReason() != "the disk failed" || got.GetEpoch() == before.GetEpoch() || got.GetCheckpoint() == "" ||
		len(got.GetResolvers()) != 1 || got.GetResolvers()[0].GetResolver() != k.Resolver.Subject {
		t.Errorf("GetRestore = %v", got)
	}
	if head := headOf(t, k); !head.GetRestorePending() || head.GetEpoch() != got.GetEpoch() {
		t.Errorf("GetCheckpoint = %v, want a pending restore of epoch %s", head, got.GetEpoch())
	}
	// Changes that only add, or can be undone, go on.
	k.Owner.Create(t, "new", &vaultv1.Secret{})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("new"), Value: vaulttest.Text("second")})
	k.Owner.MustChange(t, vaulttest.Disable, "new", 1)
	k.Resolver.Bind(t, "other", "e", "before")
	k.Resolver.Unbind(t, "other", "before")

	req := vaulttest.BindRequest("key", "e", "after")
	req.Restored = true
	if _, err := k.Resolver.BindSecret(t.Context(), req); err != nil {
		t.Fatalf("BindSecret of a restored reference = %v", err)
	}
	k.Resolver.Resolve(t, "key", made.GetUid(), 1)
	reconcile(t, k.Resolver, before.GetEpoch())
	wantHeld(t, k, "key")
	k.Snapshot(t) // a restart
	wantHeld(t, k, "key")
	reconcile(t, k.Resolver, got.GetEpoch())
	if got := restoreOf(t, k); got.GetPending() || got.GetResolvers()[0].GetReconcileTime() == nil || got.GetReleaseTime() != nil {
		t.Errorf("GetRestore after all resolvers = %v", got)
	}
	_, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key")})
	vaulttest.WantError(t, "DeleteSecret", err, codes.FailedPrecondition, stillRef)
	k.Owner.Delete(t, "other")
}

func TestASuperAdminReleasesARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if got := restoreOf(t, k); got != nil {
		t.Errorf("GetRestore of a new vault = %v", got)
	}
	if got := release(t, k); got != nil {
		t.Errorf("ReleaseRestore of a new vault = %v", got)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Resolver.Bind(t, "key", "e", "op")
	k.RestoreFile(t, k.Snapshot(t), "r")
	for what, c := range map[string]vaulttest.Client{"an owner": k.Owner, "a resolver": k.Resolver} {
		_, err := c.Maintenance.ReleaseRestore(t.Context(), &vaultv1.ReleaseRestoreRequest{Parent: vaulttest.Everywhere, Reason: "r"})
		vaulttest.WantError(t, "ReleaseRestore by "+what, err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
		_, err = c.Maintenance.GetRestore(t.Context(), &vaultv1.GetRestoreRequest{Parent: vaulttest.Everywhere})
		vaulttest.WantError(t, "GetRestore by "+what, err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	}
	wantHeld(t, k, "key")
	if got := release(t, k); got.GetPending() || got.GetReleaseTime() == nil {
		t.Errorf("ReleaseRestore = %v", got)
	}
	head := headOf(t, k)
	if release(t, k); headOf(t, k).GetCheckpoint() != head.GetCheckpoint() {
		t.Error("releasing nothing is logged")
	}
	k.Resolver.Bind(t, "key", "another", "another")
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNothingIsHeldIfNoResolverHeldBindings(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.RestoreFile(t, k.Snapshot(t), "r")
	if got := restoreOf(t, k); got.GetPending() || len(got.GetResolvers()) != 0 {
		t.Errorf("GetRestore = %v", got)
	}
	reconcile(t, k.Resolver, headOf(t, k).GetEpoch()) // it bound only after the backup
	if got := restoreOf(t, k); len(got.GetResolvers()) != 1 || got.GetPending() {
		t.Errorf("GetRestore after the report of an unknown resolver = %v", got)
	}
	k.Owner.Delete(t, "key")
}

func TestALostHeadIsARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	backup := k.Snapshot(t)
	k.Resolver.Bind(t, "key", "e", "op")
	createSecrets(t, k, "lost", 3)
	small := headOf(t, k)
	createSecrets(t, k, "more", 3)
	lost := headOf(t, k)
	k.Rollback(t, backup)
	if epoch := headOf(t, k).GetEpoch(); epoch != lost.GetEpoch() {
		t.Errorf("the epoch is %s after a restart, was %s", epoch, lost.GetEpoch())
	}
	createSecrets(t, k, "longer", 9) // longer than the lost history
	receive, end := k.Resolver.Watch(t, vaulttest.Everywhere, nil)
	defer end()
	if _, err := receive(); err != nil {
		t.Fatal(err)
	}
	if err := lose(t, k.Resolver, lost.GetCheckpoint()); err != nil {
		t.Fatal(err)
	}
	for err := error(nil); ; {
		if _, err = receive(); err != nil {
			vaulttest.WantError(t, "a running WatchSecrets", err, codes.OutOfRange, tooFar)
			break
		}
	}
	got := restoreOf(t, k)
	if got.GetEpoch() == lost.GetEpoch() || !slices.Equal(got.GetLostCheckpoints(), []string{lost.GetCheckpoint()}) {
		t.Errorf("GetRestore = %v", got)
	}
	wantHeld(t, k, "key")

	// The resolver replays what it has.
	reconcile(t, k.Resolver, got.GetEpoch())
	for range 2 {
		for _, head := range []string{lost.GetCheckpoint(), small.GetCheckpoint()} {
			if err := lose(t, k.Resolver, head); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := restoreOf(t, k); after.GetPending() || after.GetEpoch() != got.GetEpoch() {
		t.Errorf("old heads hold the vault again: %v", after)
	}
	k.Owner.Delete(t, "key")
}

func TestALostHeadOfAKnownRestoreBeginsNoOther(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Resolver.Bind(t, "key", "e", "op")
	backup := k.Snapshot(t)
	createSecrets(t, k, "lost", 3)
	lost := headOf(t, k).GetCheckpoint()
	k.RestoreFile(t, backup, "r")
	began := restoreOf(t, k)
	second := k.As(t, k.Env.Workload(t, "second", "resolver"))
	for _, c := range []vaulttest.Client{k.Resolver, second} {
		if err := lose(t, c, lost); err != nil {
			t.Fatal(err)
		}
	}
	got := restoreOf(t, k)
	if got.GetEpoch() != began.GetEpoch() || !slices.Equal(got.GetLostCheckpoints(), []string{lost}) {
		t.Errorf("GetRestore = %v, want the same restore with the head", got)
	}

	// The log is rolled back once more, and lost more than before.
	reconcile(t, k.Resolver, got.GetEpoch())
	backup = k.Snapshot(t)
	createSecrets(t, k, "again", 9)
	more := headOf(t, k).GetCheckpoint()
	k.Rollback(t, backup)
	if err := lose(t, k.Resolver, more); err != nil {
		t.Fatal(err)
	}
	if again := restoreOf(t, k); again.GetEpoch() == got.GetEpoch() || !slices.Equal(again.GetLostCheckpoints(), []string{more, lost}) || !again.GetPending() {
		t.Errorf("GetRestore = %v, want another restore", again)
	}
}

// Each rollback loses less than the one before it, so the sizes of the heads tell nothing.
func TestEachRollbackIsARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Resolver.Bind(t, "key", "e", "op")
	first := k.Snapshot(t)
	var heads []string
	loses := func(count int, backup []byte) {
		t.Helper()
		createSecrets(t, k, "lost", count)
		head := headOf(t, k)
		heads = append(heads, head.GetCheckpoint())
		k.Rollback(t, backup)
		if err := lose(t, k.Resolver, head.GetCheckpoint()); err != nil {
			t.Fatal(err)
		}
		got := restoreOf(t, k)
		if got.GetEpoch() == head.GetEpoch() || !got.GetPending() {
			t.Errorf("GetRestore after the rollback of epoch %s = %v, want another restore", head.GetEpoch(), got)
		}
		wantHeld(t, k, "key")
		reconcile(t, k.Resolver, got.GetEpoch())
	}
	loses(20, first)
	second := k.Snapshot(t)
	loses(5, second) // a rollback within the epoch
	loses(3, first)  // and one to before the first restore, of which the vault knows nothing then

	// A saved head of an epoch that the vault does not know counts once, and all others do not count.
	replay := func() (epoch string) {
		t.Helper()
		for _, head := range heads {
			if err := lose(t, k.Resolver, head); err != nil {
				t.Fatal(err)
			}
			reconcile(t, k.Resolver, restoreOf(t, k).GetEpoch())
		}
		return restoreOf(t, k).GetEpoch()
	}
	epoch := replay()
	if again := replay(); again != epoch || restoreOf(t, k).GetPending() {
		t.Errorf("the epoch is %s after saved heads, was %s: %v", again, epoch, restoreOf(t, k))
	}
}

func TestAForgedLostHeadChangesNothing(t *testing.T) {
	t.Parallel()
	k, other := vaulttest.New(t), vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	createSecrets(t, other, "foreign", 5)
	own := headOf(t, k)
	forged := strings.Replace(own.GetCheckpoint(), "\n1\n", "\n7\n", 1)
	forger, err := changelog.New([][32]byte{{7}}, "vault", nil)
	must(t, err)
	claimed := forger.VerifierKey()
	for what, head := range map[string]string{
		"with another size": forged, "of another vault": headOf(t, other).GetCheckpoint(), "without a form": claimed,
	} {
		vaulttest.WantField(t, "a head "+what, lose(t, k.Resolver, head), "lost_checkpoint")
	}
	if err := lose(t, k.Resolver, own.GetCheckpoint()); err != nil {
		t.Errorf("a head that the log extends = %v", err)
	}
	createSecrets(t, k, "more", 2)
	if err := lose(t, k.Resolver, own.GetCheckpoint()); err != nil {
		t.Errorf("an older head that the log extends = %v", err)
	}
	if got := restoreOf(t, k); got != nil {
		t.Errorf("GetRestore = %v, want none", got)
	}
}

func TestAHeadOfAReplacedLogKeyIsKnown(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	backup := k.Snapshot(t)
	createSecrets(t, k, "lost", 3)
	lost := headOf(t, k).GetCheckpoint()
	k.Rollback(t, backup)
	rotate(t, k.Admin)
	createSecrets(t, k, "after", 1)
	if err := lose(t, k.Resolver, lost); err != nil {
		t.Fatal(err)
	}
	if got := restoreOf(t, k); !slices.Equal(got.GetLostCheckpoints(), []string{lost}) {
		t.Errorf("GetRestore = %v", got)
	}
}

// The backup is from before the log got the key that signed the head.
func TestAHeadOfALostLogKeyIsKnownByItsSuccessions(t *testing.T) {
	t.Parallel()
	k, other := vaulttest.New(t), vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	backup := k.Snapshot(t)
	rotate(t, k.Admin)
	createSecrets(t, k, "lost", 3)
	lost := headOf(t, k)
	rotate(t, other.Admin)
	k.Rollback(t, backup)
	for what, successions := range map[string][]string{
		"without successions": nil, "with those of another vault": headOf(t, other).GetSuccessions(),
	} {
		vaulttest.WantField(t, "a head "+what, lose(t, k.Resolver, lost.GetCheckpoint(), successions...), "lost_checkpoint")
	}
	rotate(t, k.Admin) // to another key than the one that is lost
	createSecrets(t, k, "after", 1)
	if err := lose(t, k.Resolver, lost.GetCheckpoint(), lost.GetSuccessions()...); err != nil {
		t.Fatal(err)
	}
	if got := restoreOf(t, k); got.GetEpoch() == lost.GetEpoch() || !slices.Equal(got.GetLostCheckpoints(), []string{lost.GetCheckpoint()}) {
		t.Errorf("GetRestore = %v, want a restore", got)
	}
}

func TestNoVersionNumberIsGivenOutASecondTime(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Rotated(t, "key", "first", "second")
	k.Owner.Create(t, "kept", &vaultv1.Secret{KeepVersions: 2})
	backup := k.Snapshot(t)
	k.Rotated(t, "made-again", "lost")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("lost")})
	k.RestoreFile(t, backup, "r")

	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("third")})
	third := k.Owner.Get(t, "key").GetCurrentVersion()
	if third < 2+1001 {
		t.Fatalf("the next version is %d, want at least 1003", third)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("fourth")})
	if got := k.Owner.Get(t, "key").GetCurrentVersion(); got != third+1 {
		t.Errorf("the version after it is %d, want %d", got, third+1)
	}
	var numbers []string
	for _, v := range k.Owner.Versions(t, "key") {
		numbers = append(numbers, v.GetName()[strings.LastIndex(v.GetName(), "/")+1:])
	}
	if want := []string{fmt.Sprint(third + 1), fmt.Sprint(third), "2", "1"}; !slices.Equal(numbers, want) {
		t.Errorf("the versions are %v, want %v", numbers, want)
	}
	k.Resolver.Bind(t, "key", "e", "op")
	for number, want := range map[uint32]string{0: "fourth", 1: "first", 2: "second", third: "third"} {
		if got := k.Resolver.Resolve(t, "key", made.GetUid(), number); got != want {
			t.Errorf("version %d has the value %q, want %q", number, got, want)
		}
	}
	for _, number := range []uint32{3, 4, third - 1} {
		_, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
			Name: vaulttest.NameOf("key"), Uid: made.GetUid(), Version: number, Purpose: vaulttest.Purpose(),
		})
		vaulttest.WantError(t, "ResolveSecret of a skipped number", err, codes.NotFound, noSuch)
		_, err = k.Owner.Change(t.Context(), vaulttest.Restore, vaulttest.VersionCall{Name: vaulttest.VersionOf("key", number)})
		vaulttest.WantError(t, "RestoreSecretVersion of a skipped number", err, codes.NotFound, noSuch)
	}
	k.Owner.MustChange(t, vaulttest.Restore, "key", 2)

	for range 3 {
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("kept"), Value: vaulttest.Text("next")})
	}
	states := make(map[vaultv1.VersionState]int)
	for _, v := range k.Owner.Versions(t, "kept") {
		states[v.GetState()]++
	}
	if states[vaultv1.VersionState_VERSION_STATE_DESTROYED] != 2 || len(states) != 2 || states[vaultv1.VersionState_VERSION_STATE_ENABLED] != 2 {
		t.Errorf("a secret that keeps 2 of 4 versions has %v", states)
	}
	if created := k.Rotated(t, "made-again", "new", "next"); created.GetCurrentVersion() != 2 {
		t.Errorf("a secret of the new epoch has version %d after two values", created.GetCurrentVersion())
	}
	k.Snapshot(t)
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestVersionsToKeepAreDestroyedAfterTheHold(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "bound", &vaultv1.Secret{})
	k.Resolver.Bind(t, "bound", "e", "op")
	k.Owner.Create(t, "kept", &vaultv1.Secret{KeepVersions: 1})
	k.RestoreFile(t, k.Snapshot(t), "r")
	add := func() (destroyed int) {
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("kept"), Value: vaulttest.Text("next")})
		for _, v := range k.Owner.Versions(t, "kept") {
			if v.GetState() == vaultv1.VersionState_VERSION_STATE_DESTROYED {
				destroyed++
			}
		}
		return destroyed
	}
	if got := add(); got != 0 {
		t.Errorf("%d versions are destroyed while changes are held", got)
	}
	release(t, k)
	if got := add(); got != 2 {
		t.Errorf("%d versions are destroyed after that, want 2", got)
	}
}

func TestAWatchResumesAfterARestartAndNotAfterARestore(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	receive, end := k.Resolver.Watch(t, vaulttest.Everywhere, nil)
	first, err := receive()
	must(t, err)
	end()
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("next")})
	backup := k.Snapshot(t)
	receive, end = k.Resolver.Watch(t, vaulttest.Everywhere, first.GetPosition())
	events := 0
	for range 3 {
		m, err := receive()
		must(t, err)
		events += len(m.GetEvents())
	}
	end()
	if events != 1 {
		t.Errorf("a watch that resumes after a restart gets %d events, want the missed one", events)
	}
	k.RestoreFile(t, backup, "r")
	receive, end = k.Resolver.Watch(t, vaulttest.Everywhere, first.GetPosition())
	defer end()
	_, err = receive()
	vaulttest.WantError(t, "WatchSecrets after a restore", err, codes.OutOfRange, tooFar)
}
