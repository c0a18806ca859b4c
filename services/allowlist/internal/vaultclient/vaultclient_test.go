package vaultclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

func TestBindSendsTheUseAndReturnsTheFacts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	facts := &vaultv1.KeyFacts{Bytes: 32, Algorithm: "EC-P256", PrivateKey: true, Fingerprint: "f"}
	for usage, want := range map[vaultclient.Usage]vaultv1.Usage{
		vaultclient.UsageKey: vaultv1.Usage_USAGE_KEY, vaultclient.UsageParameter: vaultv1.Usage_USAGE_PARAMETER,
		vaultclient.UsageCredential: vaultv1.Usage_USAGE_CREDENTIAL, vaultclient.UsageExposedKey: vaultv1.Usage_USAGE_EXPOSED_KEY,
	} {
		var asked *vaultv1.BindSecretRequest
		b.binds(func(req *vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error) {
			asked = req
			return &vaultv1.BindSecretResponse{
				Binding: &vaultv1.Binding{Uid: "uid", Referrer: "r", OperationId: "op", Holder: "h"}, Facts: facts,
			}, nil
		})
		got, err := b.vault.Bind(t.Context(), vaultclient.BindRequest{
			Secret: nameOf("a"), Version: 3, Usage: usage, Host: "h.example", Chains: []string{"c"}, Cost: 7, Conflicting: true, Referrer: "r", Operation: "op",
		})
		if err != nil {
			t.Fatal(err)
		}
		request := &vaultv1.BindSecretRequest{
			Name: nameOf("a"), Version: 3, Usage: want, Host: "h.example", Chains: []string{"c"}, Cost: 7, Conflicting: true, Referrer: "r", OperationId: "op",
		}
		if diff := cmp.Diff(request, asked, protocmp.Transform()); diff != "" {
			t.Errorf("the request differs (-want +got):\n%s", diff)
		}
		bound := vaultclient.Binding{
			UID: "uid", Referrer: "r", Operation: "op", Holder: "h",
			Facts: vaultclient.Facts{Bytes: 32, Algorithm: "EC-P256", Private: true, Fingerprint: "f"},
		}
		if diff := cmp.Diff(bound, got); diff != "" {
			t.Errorf("the binding differs (-want +got):\n%s", diff)
		}
	}
}

func TestVersionThatDoesNotExistIsNotBound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	absent := refusal(t, codes.NotFound, "VERSION_NOT_FOUND")
	b.binds(func(*vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error) { return nil, absent })
	_, err := b.vault.Bind(t.Context(), vaultclient.BindRequest{Secret: nameOf("a"), Version: 9})
	if !fault.Is(err, vaultclient.ReasonVersionNotFound) {
		t.Errorf("Bind = %v, want VERSION_NOT_FOUND", err)
	}
}

// rotated makes the vault answer with version 4 as the current one. ages are the times since the
// previous versions were replaced, the last one first, and refused contains the errors of refused
// versions.
func (b *bench) rotated(ages []time.Duration, refused map[uint32]error) {
	b.replies(func(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		if err := refused[req.GetVersion()]; err != nil {
			return nil, err
		}
		version := req.GetVersion()
		if version == 0 {
			version = 4
		}
		res := &vaultv1.ResolveSecretResponse{
			Value: fmt.Appendf(nil, "v%d", version), Version: version, Usage: vaultv1.Usage_USAGE_KEY, Position: at(10),
		}
		if req.GetVersion() == 0 {
			for i, age := range ages {
				res.Previous = append(res.Previous, &vaultv1.PreviousVersion{
					Version: uint32(3 - i), ReplaceTime: timestamppb.New(time.Now().Add(-age)),
				})
			}
		}
		return res, nil
	})
}

// live returns the values that a want resolves to.
func (b *bench) live(t *testing.T, wants ...vaultclient.Want) ([][]string, error) {
	t.Helper()
	keys, err := b.vault.ResolveAccepted(t.Context(), wants)
	values := make([][]string, len(keys))
	for i, versions := range keys {
		for _, key := range versions {
			values[i] = append(values[i], string(key.Value.Reveal()))
		}
	}
	vaultclient.Zero(keys...)
	return values, err
}

func TestReplacedVersionsAreAcceptedWithinTheGrace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.rotated([]time.Duration{time.Hour, 3 * time.Hour, 5 * time.Hour}, nil)
	within := func(version uint32, grace time.Duration) vaultclient.Want {
		w := want("a")
		w.Version, w.Grace = version, grace
		return w
	}
	wants := []vaultclient.Want{within(0, 0), within(0, 2*time.Hour), within(0, 24*time.Hour), within(2, 24*time.Hour)}
	for range 2 { // from the vault, and from the cache
		got, err := b.live(t, wants...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{"v4"}, {"v4", "v3"}, {"v4", "v3", "v2", "v1"}, {"v2"}}, got); diff != "" {
			t.Errorf("live versions differ (-want +got):\n%s", diff)
		}
	}
	b.kept(t, want("a"))
	b.ahead.Store(int64(59 * time.Second)) // the clock ends the grace, without a message of the vault
	if got, err := b.live(t, within(0, time.Hour+58*time.Second)); err != nil || !slices.Equal(got[0], []string{"v4"}) {
		t.Errorf("after the grace, %v are live, %v", got, err)
	}
}

func TestKeyComesWithTheVersionsBeforeIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.rotated([]time.Duration{time.Hour}, nil)
	keys, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a")})
	if err != nil {
		t.Fatal(err)
	}
	defer vaultclient.Zero(keys)
	if got := keys[0].Previous; len(got) != 1 || got[0].Version != 3 || time.Since(got[0].ReplaceTime) < time.Hour {
		t.Errorf("the previous versions are %v, want version 3, replaced an hour ago", got)
	}
}

func TestWithdrawnVersionIsOmittedButAnUnreachableVaultIsAnError(t *testing.T) {
	t.Parallel()
	long := want("a")
	long.Grace = 24 * time.Hour
	for reason, code := range map[string]codes.Code{
		"VERSION_DISABLED": codes.FailedPrecondition, "VERSION_DESTROYED": codes.FailedPrecondition, "VERSION_NOT_FOUND": codes.NotFound,
	} {
		b := newBench(t)
		b.rotated([]time.Duration{time.Hour, 2 * time.Hour}, map[uint32]error{3: refusal(t, code, reason)})
		if got, err := b.live(t, long); err != nil || !slices.Equal(got[0], []string{"v4", "v2"}) {
			t.Errorf("with %s, %v are live, %v", reason, got, err)
		}
	}
	expired := newBench(t)
	expired.rotated([]time.Duration{time.Hour}, map[uint32]error{3: refusal(t, codes.FailedPrecondition, "SECRET_EXPIRED")})
	if got, err := expired.live(t, long); !fault.Is(err, vaultclient.ReasonSecretExpired) || len(got) != 0 {
		t.Errorf("with an expired secret, %v are live, %v", got, err)
	}
	b := newBench(t)
	b.rotated([]time.Duration{time.Hour}, map[uint32]error{3: status.Error(codes.Unavailable, "")})
	if got, err := b.live(t, long); !fault.Is(err, vaultclient.ReasonVaultUnavailable) || len(got) != 0 {
		t.Errorf("without the vault, %v are live, %v, want VAULT_UNAVAILABLE", got, err)
	}
}

func TestPreviousVersionsDecryptIncomingMessagesWithoutTheCurrentOne(t *testing.T) {
	t.Parallel()
	long := want("a")
	long.Grace = 4 * time.Hour
	hour := func(ago int) string {
		return time.Now().Add(-time.Duration(ago) * time.Hour).UTC().Format(time.RFC3339Nano)
	}
	for _, reason := range []string{"VERSION_DISABLED", "VERSION_DESTROYED"} {
		st, err := status.New(codes.FailedPrecondition, "").WithDetails(&errdetails.ErrorInfo{
			Reason: reason, Domain: "keyward.dev",
			Metadata: map[string]string{"previous_versions": "3 " + hour(1) + ", 2 " + hour(2) + ", 1 " + hour(5)},
		})
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t)
		b.rotated(nil, map[uint32]error{0: st.Err()})
		if got, err := b.live(t, long); !fault.Is(err, fault.Reason(reason)) || len(got) != 0 {
			t.Errorf("for outgoing messages, %v are live, %v, want %s", got, err, reason)
		}
		incoming := long
		incoming.Incoming = true
		if got, err := b.live(t, want("b"), incoming); !fault.Is(err, fault.Reason(reason)) || len(got) != 0 {
			t.Errorf("with another version that fails, %v are live, %v, want %s", got, err, reason)
		}
		if got, err := b.live(t, incoming); err != nil || !slices.Equal(got[0], []string{"v3", "v2"}) {
			t.Errorf("for incoming messages, %v are live, %v", got, err)
		}
		b.rotated(nil, map[uint32]error{0: st.Err(), 3: st.Err(), 2: st.Err()})
		if got, err := b.live(t, incoming); !fault.Is(err, fault.Reason(reason)) || len(got) != 0 {
			t.Errorf("without an enabled version, %v are live, %v, want %s", got, err, reason)
		}
		incoming.Grace = 0
		b.rotated(nil, map[uint32]error{0: st.Err()})
		if got, err := b.live(t, incoming); !fault.Is(err, fault.Reason(reason)) || len(got) != 0 {
			t.Errorf("without a grace, %v are live, %v, want %s", got, err, reason)
		}
	}
}

func TestRefusalOfTheWorkloadIsVaultUnavailable(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unauthenticated} {
		b := newBench(t)
		b.replies(func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
			return nil, refusal(t, code, "PERMISSION_DENIED")
		})
		_, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a")})
		if f, _ := fault.From(err); !fault.Is(err, vaultclient.ReasonVaultUnavailable) || f.RetryAfter == 0 {
			t.Errorf("Resolve = %v, want VAULT_UNAVAILABLE", err)
		}
		if !strings.Contains(err.Error(), code.String()) {
			t.Errorf("the log does not contain %v: %v", code, err)
		}
	}
}

func TestMissingBindingIsErrNotBound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.replies(func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		return nil, refusal(t, codes.PermissionDenied, "NOT_BOUND")
	})
	_, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a")})
	if f, _ := fault.From(err); !fault.Is(err, vaultclient.ReasonVaultUnavailable) || f.RetryAfter == 0 || !errors.Is(err, vaultclient.ErrNotBound) {
		t.Errorf("Resolve = %v, want VAULT_UNAVAILABLE because of ErrNotBound", err)
	}
}

func TestUsesAreReported(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	last := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	err := b.vault.Report(t.Context(), "workspaces/acme", "id", []vaultclient.Count{
		{Secret: nameOf("a"), UID: "uid", Version: 2, Used: 3, Failed: 1, Last: last},
		{Secret: nameOf("b"), UID: "uid2", Version: 1, Failed: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []*vaultv1.ReportSecretUsesRequest{{Parent: "workspaces/acme", ReportId: "id", Uses: []*vaultv1.SecretUse{
		{Secret: nameOf("a"), Uid: "uid", Version: 2, Used: 3, Failed: 1, LastUseTime: timestamppb.New(last)},
		{Secret: nameOf("b"), Uid: "uid2", Version: 1, Failed: 2},
	}}}
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.reports, protocmp.Transform()); diff != "" {
		t.Errorf("the reports differ (-want +got):\n%s", diff)
	}
}
