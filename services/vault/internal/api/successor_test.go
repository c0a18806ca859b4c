package api_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestAResolverWhoseLogKeyWasReplacedIsServed(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Resolver.Bind(t, "key", "e", "op")
	r := vaulttest.NewReporter(t, 1)
	r.Grow(t, 2)
	size := uint64(0)
	report := func(want uint64) {
		t.Helper()
		got, err := r.Report(t.Context(), t, k.Resolver, size)
		if err != nil || got.GetSize() != want || !got.GetWitnessed() {
			t.Fatalf("WitnessCheckpoint = %v, %v, want size %d", got, err, want)
		}
		size = want
		serves(t, k, k.Resolver, made.GetUid(), false)
	}
	report(2)
	r.Succeed(t, 2)
	report(3)
	k.Running.Stop()
	k.Start(t)
	r.Succeed(t, 3) // twice while the vault does not look
	r.Succeed(t, 4)
	report(5)
	report(5)
	k.Running.Stop()
	k.Start(t)
	r.Grow(t, 1)
	report(6)
}

func TestAResolverWithAReplacedKeyIsRefused(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(t *testing.T, thief *vaulttest.Reporter){
		"the old key":                         func(*testing.T, *vaulttest.Reporter) {},
		"a forged succession to another key":  func(t *testing.T, thief *vaulttest.Reporter) { thief.Succeed(t, 9) },
		"a forged succession to the same key": func(t *testing.T, thief *vaulttest.Reporter) { thief.Succeed(t, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := vaulttest.New(t)
			made := k.Owner.Create(t, "key", &vaultv1.Secret{})
			k.Resolver.Bind(t, "key", "e", "op")
			genuine, thief := vaulttest.NewReporter(t, 1), vaulttest.NewReporter(t, 1)
			genuine.Succeed(t, 2)
			if _, err := genuine.Report(t.Context(), t, k.Resolver, 0); err != nil {
				t.Fatal(err)
			}
			thief.Grow(t, 3)
			attack(t, thief)
			_, err := thief.Report(t.Context(), t, k.Resolver, 1)
			vaulttest.WantError(t, "WitnessCheckpoint", err, codes.FailedPrecondition, mismatch)
			serves(t, k, k.Resolver, made.GetUid(), true)
			if _, err := genuine.Report(t.Context(), t, k.Resolver, 1); err != nil {
				t.Errorf("WitnessCheckpoint of the genuine log = %v", err)
			}
			serves(t, k, k.Resolver, made.GetUid(), false)
		})
	}
}

// TestAnAcceptedResolverIsFollowedFromItsKey accepts a log of another key, whose key is replaced later.
func TestAnAcceptedResolverIsFollowedFromItsKey(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	genuine, other := vaulttest.NewReporter(t, 1), vaulttest.NewReporter(t, 5)
	genuine.Grow(t, 2)
	other.Grow(t, 2)
	if _, err := genuine.Report(t.Context(), t, k.Resolver, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Report(t.Context(), t, k.Resolver, 2); err == nil {
		t.Fatal("WitnessCheckpoint accepts another log")
	}
	_, err := k.Admin.AcceptResolverCheckpoint(t.Context(), &vaultv1.AcceptResolverCheckpointRequest{Parent: vaulttest.Everywhere, Resolver: k.Resolver.Subject, Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	other.Succeed(t, 6)
	if got, err := other.Report(t.Context(), t, k.Resolver, 2); err != nil || !got.GetWitnessed() {
		t.Errorf("WitnessCheckpoint = %v, %v", got, err)
	}
}

func TestReportedSuccessionsAreBounded(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	head := checkpointOf(t, k.Admin)
	if len(head.GetSuccessions()) != 0 {
		t.Errorf("GetCheckpoint returns successions of a key that was not replaced: %q", head.GetSuccessions())
	}
	for field, successions := range map[string][]string{
		"successions":    make([]string, 1001),
		"successions[1]": {"x", strings.Repeat("x", 4097)},
	} {
		_, err := k.Resolver.WitnessCheckpoint(t.Context(), &vaultv1.WitnessCheckpointRequest{
			Parent: vaulttest.Everywhere, Checkpoint: head.GetCheckpoint(), VerifierKey: head.GetVerifierKey(), Successions: successions,
		})
		vaulttest.WantField(t, "WitnessCheckpoint", err, field)
	}
	// Successions that lead nowhere do not matter to a known key.
	_, err := k.Resolver.WitnessCheckpoint(t.Context(), &vaultv1.WitnessCheckpointRequest{
		Parent: vaulttest.Everywhere, Checkpoint: head.GetCheckpoint(), VerifierKey: head.GetVerifierKey(), Successions: make([]string, 1000),
	})
	if err != nil {
		t.Errorf("WitnessCheckpoint with 1000 successions = %v", err)
	}
}
