package api_test

import (
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/changelog"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const mismatch = vaultv1.ErrorReason_ERROR_REASON_WITNESS_MISMATCH

func checkpointOf(t *testing.T, c vaulttest.Client) *vaultv1.GetCheckpointResponse {
	t.Helper()
	got, err := c.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: vaulttest.Everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestHeadsOfTheVaultVerifyOffline reads two heads and the proof between them, and verifies them with
// golang.org/x/mod/sumdb only.
func TestHeadsOfTheVaultVerifyOffline(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	empty := checkpointOf(t, k.Admin)
	if !strings.HasPrefix(empty.GetCheckpoint(), "keyward.dev/vault\n0\n") {
		t.Errorf("the checkpoint of an empty log is %q", empty.GetCheckpoint())
	}
	k.Owner.Create(t, "first", &vaultv1.Secret{})
	k.Owner.Create(t, "second", &vaultv1.Secret{})
	before := checkpointOf(t, k.Admin)
	for _, id := range []string{"a", "b", "c"} {
		k.Owner.Create(t, id, &vaultv1.Secret{})
	}
	after := checkpointOf(t, k.Resolver)
	if key := after.GetVerifierKey(); key != empty.GetVerifierKey() {
		t.Errorf("the verifier key changes to %s", key)
	}
	verifier, err := note.NewVerifier(after.GetVerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	root := func(text, size string) tlog.Hash {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(opened.Text, "\n")
		if lines[1] != size {
			t.Errorf("the checkpoint has size %s, want %s", lines[1], size)
		}
		hash, err := tlog.ParseHash(lines[2])
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	got, err := k.Admin.ProveConsistency(t.Context(), &vaultv1.ProveConsistencyRequest{Parent: vaulttest.Everywhere, FromSize: 2, ToSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	var proof tlog.TreeProof
	for _, hash := range got.GetHashes() {
		proof = append(proof, tlog.Hash(hash))
	}
	if err := tlog.CheckTree(proof, 5, root(after.GetCheckpoint(), "5"), 2, root(before.GetCheckpoint(), "2")); err != nil {
		t.Errorf("CheckTree = %v", err)
	}
	_, err = k.Admin.ProveConsistency(t.Context(), &vaultv1.ProveConsistencyRequest{Parent: vaulttest.Everywhere, FromSize: 2, ToSize: 6})
	vaulttest.WantError(t, "ProveConsistency behind the log", err, codes.OutOfRange, commonv1.ErrorReason_ERROR_REASON_LOG_TOO_SHORT)
	_, err = k.Admin.ProveConsistency(t.Context(), &vaultv1.ProveConsistencyRequest{Parent: vaulttest.Everywhere, FromSize: 3, ToSize: 2})
	vaulttest.WantField(t, "ProveConsistency backward", err, "from_size")
	_, err = k.Admin.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: vaulttest.Workspace})
	vaulttest.WantField(t, "GetCheckpoint of a workspace", err, "parent")
}

func TestWatchStatesTheHeadFirstAndAfterAChange(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	receive, end := k.Resolver.Watch(t, vaulttest.Everywhere, nil)
	defer end()
	first, err := receive()
	if err != nil || first.GetCheckpoint() != checkpointOf(t, k.Admin).GetCheckpoint() {
		t.Fatalf("the first message = %v, %v, want the head", first, err)
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	want := checkpointOf(t, k.Admin).GetCheckpoint()
	for heads, messages := 0, 0; messages < 12; messages++ {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetCheckpoint() == "" {
			continue
		}
		if heads++; heads > 1 || m.GetCheckpoint() != want {
			t.Fatalf("head %d after one change is %q, want one: %q", heads, m.GetCheckpoint(), want)
		}
		messages = max(messages, 6) // a second head would follow within a second
		want = m.GetCheckpoint()
	}
}

// serves fails unless the methods of a resolver serve it, or fail with WITNESS_MISMATCH.
func serves(t *testing.T, k *vaulttest.Kit, c vaulttest.Client, uid string, refused bool) {
	t.Helper()
	_, bound := c.BindSecret(t.Context(), vaulttest.BindRequest("key", "e", "op"))
	_, resolved := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: uid, Purpose: vaulttest.Purpose()})
	_, reserved := c.ReserveNonces(t.Context(), &vaultv1.ReserveNoncesRequest{Name: vaulttest.NameOf("key"), Uid: uid, Version: 1, RandomBits: 96, Count: 1})
	_, unbound := c.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: vaulttest.NameOf("key"), OperationId: "other"})
	_, stored := c.IssueSecretVersion(t.Context(), &vaultv1.IssueSecretVersionRequest{
		Name: vaulttest.NameOf("key"), Referrer: loginName, RequestId: "r",
		Value: &vaultv1.SealedValue{KeyId: "k", SealTime: &timestamppb.Timestamp{Seconds: 1}, Ciphertext: make([]byte, 49)},
	})
	if refused {
		vaulttest.WantError(t, "IssueSecretVersion of a resolver that was rolled back", stored, codes.FailedPrecondition, mismatch)
	} else { // the secret is not issued
		vaulttest.WantError(t, "IssueSecretVersion", stored, codes.FailedPrecondition, notAllowed)
	}
	for what, err := range map[string]error{"BindSecret": bound, "ResolveSecret": resolved, "ReserveNonces": reserved, "UnbindSecret": unbound} {
		switch {
		case refused:
			vaulttest.WantError(t, what+" of a resolver that was rolled back", err, codes.FailedPrecondition, mismatch)
		case err != nil:
			t.Errorf("%s = %v", what, err)
		}
	}
}

func TestAResolverWhoseLogWasRolledBackIsRefusedUntilASuperAdminAcceptsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		seed byte
		size int
	}{
		{"an older log", 1, 4},
		{"an empty log", 1, 0},
		{"a fork of the same size", 1, 6},
		{"a longer fork", 1, 9},
		{"a log of another key", 2, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := vaulttest.New(t)
			made := k.Owner.Create(t, "key", &vaultv1.Secret{})
			genuine, other := vaulttest.NewReporter(t, 1), vaulttest.NewReporter(t, tt.seed)
			genuine.Grow(t, 6)
			other.Grow(t, tt.size)
			report := func(r *vaulttest.Reporter, old, want uint64, witnessed bool) {
				t.Helper()
				got, err := r.Report(t.Context(), t, k.Resolver, old)
				if err != nil || got.GetSize() != want || got.GetWitnessed() != witnessed {
					t.Fatalf("WitnessCheckpoint = %v, %v, want size %d, witnessed %v", got, err, want, witnessed)
				}
			}
			report(genuine, 0, 6, true)
			report(genuine, 6, 6, true)
			serves(t, k, k.Resolver, made.GetUid(), false)
			report(other, 0, 6, false) // it does not know the size yet: nothing is judged
			serves(t, k, k.Resolver, made.GetUid(), false)
			_, err := other.Report(t.Context(), t, k.Resolver, 6)
			vaulttest.WantError(t, "WitnessCheckpoint", err, codes.FailedPrecondition, mismatch)
			serves(t, k, k.Resolver, made.GetUid(), true)
			serves(t, k, k.As(t, k.Env.Workload(t, "second", "resolver")), made.GetUid(), false)

			k.Running.Stop()
			k.Start(t)
			serves(t, k, k.Resolver, made.GetUid(), true)
			accept := &vaultv1.AcceptResolverCheckpointRequest{Parent: vaulttest.Everywhere, Resolver: k.Resolver.Subject, Reason: "restored from Tuesday"}
			accepted, err := k.Admin.AcceptResolverCheckpoint(t.Context(), accept)
			if err != nil || !strings.HasPrefix(accepted.GetOldCheckpoint(), "keyward.dev/allowlist\n6\n") ||
				accepted.GetNewCheckpoint() == accepted.GetOldCheckpoint() {
				t.Fatalf("AcceptResolverCheckpoint = %v, %v, want the old and the new head", accepted, err)
			}
			serves(t, k, k.Resolver, made.GetUid(), false)
			other.Grow(t, 1)
			report(other, uint64(tt.size), uint64(tt.size+1), true)
			_, err = genuine.Report(t.Context(), t, k.Resolver, uint64(tt.size+1))
			vaulttest.WantError(t, "WitnessCheckpoint of the log from before", err, codes.FailedPrecondition, mismatch)
		})
	}
}

func TestAResolverWhoseNewestFileIsBackIsServedAgain(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "key", &vaultv1.Secret{})
	genuine, other := vaulttest.NewReporter(t, 1), vaulttest.NewReporter(t, 1)
	genuine.Grow(t, 3)
	k.Resolver.Bind(t, "key", "e", "op")
	if _, err := genuine.Report(t.Context(), t, k.Resolver, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Report(t.Context(), t, k.Resolver, 3); err == nil {
		t.Fatal("WitnessCheckpoint accepts an empty log")
	}
	serves(t, k, k.Resolver, made.GetUid(), true)
	genuine.Grow(t, 2)
	if got, err := genuine.Report(t.Context(), t, k.Resolver, 3); err != nil || got.GetSize() != 5 {
		t.Fatalf("WitnessCheckpoint = %v, %v", got, err)
	}
	serves(t, k, k.Resolver, made.GetUid(), false)
}

func TestAcceptingWithoutARefusalChangesNothing(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	genuine := vaulttest.NewReporter(t, 1)
	if _, err := genuine.Report(t.Context(), t, k.Resolver, 0); err != nil {
		t.Fatal(err)
	}
	before := checkpointOf(t, k.Admin).GetCheckpoint()
	accept := &vaultv1.AcceptResolverCheckpointRequest{Parent: vaulttest.Everywhere, Resolver: k.Resolver.Subject, Reason: "r"}
	got, err := k.Admin.AcceptResolverCheckpoint(t.Context(), accept)
	if err != nil || got.GetOldCheckpoint() != got.GetNewCheckpoint() || got.GetNewCheckpoint() == "" {
		t.Errorf("AcceptResolverCheckpoint = %v, %v, want the head twice", got, err)
	}
	if after := checkpointOf(t, k.Admin).GetCheckpoint(); after != before {
		t.Error("accepting nothing is logged")
	}
	accept.Resolver = "spiffe://test/none"
	_, err = k.Admin.AcceptResolverCheckpoint(t.Context(), accept)
	vaulttest.WantField(t, "AcceptResolverCheckpoint of another workload", err, "resolver")
}

func TestReportsAreValidated(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	head := checkpointOf(t, k.Admin)
	report := func(change func(*vaultv1.WitnessCheckpointRequest)) error {
		req := &vaultv1.WitnessCheckpointRequest{Parent: vaulttest.Everywhere, Checkpoint: head.GetCheckpoint(), VerifierKey: head.GetVerifierKey()}
		change(req)
		_, err := k.Resolver.WitnessCheckpoint(t.Context(), req)
		return err
	}
	vaulttest.WantField(t, "a workspace", report(func(r *vaultv1.WitnessCheckpointRequest) { r.Parent = vaulttest.Workspace }), "parent")
	vaulttest.WantField(t, "no signature", report(func(r *vaultv1.WitnessCheckpointRequest) { r.Checkpoint = "a\n1\nb\n" }), "checkpoint")
	vaulttest.WantField(t, "a short hash", report(func(r *vaultv1.WitnessCheckpointRequest) { r.Hashes = [][]byte{{1}} }), "hashes[0]")
	vaulttest.WantField(t, "too many hashes", report(func(r *vaultv1.WitnessCheckpointRequest) {
		r.Hashes = make([][]byte, changelog.MaxProof+1)
		for i := range r.GetHashes() {
			r.Hashes[i] = make([]byte, tlog.HashSize)
		}
	}), "hashes")
}

// TestConcurrentReportsOfOneLogAgree sends heads of a growing log in any order, from the empty log on.
func TestConcurrentReportsOfOneLogAgree(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	genuine := vaulttest.NewReporter(t, 1)
	const reports = 8
	var calls sync.WaitGroup
	for range reports {
		calls.Go(func() {
			for size := uint64(0); ; {
				got, err := genuine.Report(t.Context(), t, k.Resolver, size)
				if err != nil {
					t.Errorf("WitnessCheckpoint from size %d = %v", size, err)
					return
				}
				if size = got.GetSize(); got.GetWitnessed() {
					return
				}
			}
		})
		genuine.Grow(t, 1)
	}
	calls.Wait()
	if got, err := genuine.Report(t.Context(), t, k.Resolver, 1<<40); err != nil || got.GetSize() > reports {
		t.Errorf("WitnessCheckpoint = %v, %v, want at most size %d", got, err, reports)
	}
}
