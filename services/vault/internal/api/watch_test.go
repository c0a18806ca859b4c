package api_test

import (
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestWatcherHearsOfARotationAtOnceAndTheAnswerSaysIfItIsLater(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "key", &vaultv1.Secret{})
	k.Resolver.Bind(t, "key", "e", "op")
	receive, end := k.Resolver.Watch(t, "workspaces/-", nil)
	defer end()
	first, err := receive()
	if err != nil || len(first.GetEvents()) != 0 || first.GetPosition().GetSequence() != 2 {
		t.Fatalf("the first message = %v, %v, want only position 2", first, err)
	}
	before, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: made.GetUid(), Purpose: vaulttest.Purpose()})
	if err != nil {
		t.Fatal(err)
	}
	rotated := time.Now()
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("new")})
	var event *vaultv1.SecretEvent
	for event == nil {
		m, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.GetEvents()) > 0 {
			event = m.GetEvents()[0]
		}
	}
	if took := time.Since(rotated); took > time.Second {
		t.Errorf("the event of the rotation arrived after %v", took)
	}
	if event.GetSecret() != vaulttest.NameOf("key") || event.GetUid() != made.GetUid() || event.GetDeleted() {
		t.Errorf("the event is %v", event)
	}
	after, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf("key"), Uid: made.GetUid(), Purpose: vaulttest.Purpose()})
	if err != nil {
		t.Fatal(err)
	}
	// A position counts the changes before it, so a response reflects the change with a sequence if
	// its position is greater.
	if event.GetSequence() < before.GetPosition().GetSequence() || event.GetSequence() >= after.GetPosition().GetSequence() {
		t.Errorf("the event has sequence %d, want it between the responses at %v and %v", event.GetSequence(), before.GetPosition(), after.GetPosition())
	}
}

func TestHeartbeatsComeTwiceASecondWhileNothingHappens(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	defer end()
	last, gap := time.Now(), time.Duration(0)
	for range 6 {
		m, err := receive()
		if err != nil || len(m.GetEvents()) != 0 || m.GetPosition() == nil {
			t.Fatalf("message %v, %v, want a heartbeat", m, err)
		}
		gap, last = max(gap, time.Since(last)), time.Now()
	}
	if gap > time.Second { // 500 ms are promised; the machine may be busy
		t.Errorf("no message arrived for %v", gap)
	}
}

func TestWatchRefusesPositionsThatItCannotResume(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	first, err := receive()
	if err != nil {
		t.Fatal(err)
	}
	end()
	at := first.GetPosition()
	for what, from := range map[string]*vaultv1.Position{
		"of another epoch": {Epoch: "other", Sequence: at.GetSequence()},
		"of nothing":       {},
		"in the future":    {Epoch: at.GetEpoch(), Sequence: 1000},
	} {
		receive, end := k.Resolver.Watch(t, vaulttest.Workspace, from)
		_, err := receive()
		end()
		vaulttest.WantError(t, "WatchSecrets with a position "+what, err, codes.OutOfRange, vaultv1.ErrorReason_ERROR_REASON_POSITION_OUT_OF_RANGE)
	}
	for _, parent := range []string{"workspaces/-/secrets/a", "workspaces/acme/secrets/a"} {
		receive, end := k.Resolver.Watch(t, parent, nil)
		_, err := receive()
		end()
		vaulttest.WantField(t, "WatchSecrets of "+parent, err, "parent")
	}
	_, err = k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: "workspaces/-/secrets/a", Uid: "u", Purpose: vaulttest.Purpose()})
	vaulttest.WantField(t, "ResolveSecret in any workspace", err, "name")
}

func TestWatchOfAWorkloadThatLosesItsRoleEnds(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
	defer end()
	if _, err := receive(); err != nil {
		t.Fatal(err)
	}
	k.Env.Revoke(t)
	for {
		if _, err := receive(); err != nil {
			vaulttest.WantError(t, "WatchSecrets without the role", err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
			return
		}
	}
}

// TestNoEventIsLostWhenTheWatcherReconnects has watchers that disconnect at random moments
// and resume, while several callers rotate.
func TestNoEventIsLostWhenTheWatcherReconnects(t *testing.T) {
	t.Parallel()
	const writers, rotations = 4, 40
	k := vaulttest.New(t)
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		k.Owner.Create(t, id, &vaultv1.Secret{})
	}
	heard := make([]map[uint64]string, 3)
	var watchers, writing sync.WaitGroup
	for i := range heard {
		heard[i] = make(map[uint64]string)
		receive, end := k.Resolver.Watch(t, vaulttest.Workspace, nil)
		first, err := receive()
		if err != nil {
			t.Fatal(err)
		}
		watchers.Go(func() {
			defer end()
			listen(t, k, dice(i), first.GetPosition(), heard[i], uint64(len(ids)+writers*rotations))
		})
	}
	for _, id := range ids[:writers] {
		writing.Go(func() {
			for range rotations {
				k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf(id), Value: vaulttest.Text("new")})
			}
		})
	}
	writing.Wait()
	watchers.Wait()
	for i, got := range heard {
		if len(got) != writers*rotations {
			t.Errorf("watcher %d received %d changes, want %d", i, len(got), writers*rotations)
		}
		for _, change := range k.Owner.History(t, "-") {
			if change.GetAction() == vaultv1.SecretChange_ACTION_UPDATED && got[change.GetSequence()] != change.GetSecret() {
				t.Errorf("watcher %d did not receive change %d", i, change.GetSequence())
			}
		}
	}
}

// dice is random enough for a test, and the same in every run (SplitMix64).
type dice uint64

func (d *dice) roll(sides int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(sides))
}

// listen records the events that it receives, and reconnects at random, until a position.
func listen(t *testing.T, k *vaulttest.Kit, d dice, at *vaultv1.Position, heard map[uint64]string, until uint64) {
	for at.GetSequence() < until {
		receive, end := k.Resolver.Watch(t, vaulttest.Workspace, at)
		for range 1 + d.roll(6) {
			m, err := receive()
			if err != nil {
				t.Errorf("WatchSecrets = %v", err)
				end()
				return
			}
			for _, e := range m.GetEvents() {
				if heard[e.GetSequence()] != "" || e.GetSequence() < at.GetSequence() {
					t.Errorf("change %d was received twice", e.GetSequence())
				}
				heard[e.GetSequence()] = e.GetSecret()
			}
			at = m.GetPosition()
		}
		end()
	}
}
