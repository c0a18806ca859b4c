package cache

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
)

func unusable(t testing.TB, reason, previous string) error {
	t.Helper()
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "keyward.dev", Metadata: map[string]string{"previous_versions": previous}}
	st, err := status.New(codes.FailedPrecondition, "not usable").WithDetails(info)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// changeState makes the vault refuse or accept a secret, and report the change.
func (v *fakeVault) changeState(secret string, refuse error) {
	v.set(func() {
		v.refuse = refuse
		v.log = append(v.log, secret)
	})
}

func TestVersionThatIsDisabledIsNotServedUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"VERSION_DISABLED", "VERSION_DESTROYED"} {
		k := newKit(t, Config{MaxStale: time.Minute})
		k.vault.rotate("key")
		k.run(t)
		byNumber := Ref{Secret: "key", UID: "uid", Version: 1}
		k.wants(t, "before", ref("key"), 1)
		k.wants(t, "before", byNumber, 1)
		k.vault.changeState("key", unusable(t, reason, "3 2030-01-02T03:04:05.000000006Z, 1 2029-01-02T03:04:05Z"))
		k.caughtUp(t)
		for _, r := range []Ref{ref("key"), byNumber} {
			if _, ok := k.Kept(r); ok {
				t.Errorf("%s: version %d is still in memory", reason, r.Version)
			}
			for range 2 { // refusals are not cached
				_, err := k.resolve(t.Context(), r)
				e := (*UnusableError)(nil)
				if !errors.As(err, &e) || client.Reason(err) != reason || !errors.Is(client.Describe(err), client.ErrPrecondition) {
					t.Fatalf("Resolve = %v, want an UnusableError of reason %s", err, reason)
				}
				want := []Previous{
					{Version: 3, ReplaceTime: time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)},
					{Version: 1, ReplaceTime: time.Date(2029, 1, 2, 3, 4, 5, 0, time.UTC)},
				}
				if diff := cmp.Diff(want, e.Previous); diff != "" {
					t.Errorf("previous versions differ (-want +got):\n%s", diff)
				}
			}
		}
		k.wantAsks(t, reason, 5)
		k.vault.changeState("key", nil)
		k.caughtUp(t)
		k.wants(t, "enabled again", ref("key"), 1)
		k.wants(t, "enabled again", byNumber, 1)
	}
}

func TestRestoredVersionIsServed(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.vault.rotate("key")
	k.run(t)
	k.wants(t, "before", ref("key"), 2)
	k.vault.set(func() {
		k.vault.versions["key"] = 1
		k.vault.log = append(k.vault.log, "key")
	})
	k.caughtUp(t)
	k.wants(t, "restored", ref("key"), 1)
}

func TestOtherRefusalsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errAway, unusable(t, "NOT_BOUND", "1 2029-01-02T03:04:05Z"), outOfRange()} {
		if got := describe(err); !errors.Is(got, err) || errors.As(got, new(*UnusableError)) {
			t.Errorf("describe(%v) = %v", err, got)
		}
	}
	if reason := commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED; !client.HasReason(describe(unusable(t, "VERSION_DISABLED", "")), reason) {
		t.Error("the reason for a disabled version is lost")
	}
}

func FuzzParsePrevious(f *testing.F) {
	for _, seed := range []string{"", "1 2029-01-02T03:04:05Z", "3 2030-01-02T03:04:05.000000006+02:00, 1 2029-01-02T03:04:05Z", "0 x, , 1", "1 2029-01-02T03:04:05Z,2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := parsePrevious(text)
		if len(got) > strings.Count(text, ", ")+1 {
			t.Errorf("parsePrevious(%q) = %v", text, got)
		}
		for _, p := range got {
			if p.Version == 0 || p.ReplaceTime.Location() != time.UTC {
				t.Errorf("parsePrevious(%q) contains %v", text, p)
			}
		}
	})
}
