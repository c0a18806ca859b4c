package vaultclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

func TestCachedKeyIsServedUntilAnEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	on := b.watched(t)
	for _, id := range []string{"a", "b"} {
		b.kept(t, want(id))
	}
	b.kept(t, vaultclient.Want{Secret: nameOf("a"), UID: "uid", Version: 1}) // known from the current version
	b.answers(at(12), "second")
	on.say <- changed("a", 11)
	b.until(t, want("a"), "second")
	if got := b.get(t, want("b")); got != "first" {
		t.Errorf("an event of another secret makes it %q", got)
	}
	if got := b.get(t, vaultclient.Want{Secret: nameOf("a"), UID: "uid", Version: 1}); got != "second" {
		t.Errorf("an event of the secret leaves %q of its version", got)
	}
}

func TestAnswerOlderThanAnEventIsNotCached(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	on := b.watched(t)
	b.kept(t, want("b"))
	arrived, release := make(chan struct{}), make(chan struct{})
	b.replies(func(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		close(arrived)
		<-release
		return reply(at(10), "old", req), nil
	})
	old := make(chan string)
	go func() { old <- b.get(t, want("a")) }()
	<-arrived
	b.answers(at(12), "new")
	on.say <- changed("a", 11)
	on.say <- changed("b", 12)
	b.until(t, want("b"), "new") // so the event of a was received, too
	b.until(t, want("a"), "new") // does not wait for the pending answer
	close(release)
	if got := <-old; got != "old" {
		t.Errorf("the caller before the event gets %q", got)
	}
	if got := b.get(t, want("a")); got != "new" {
		t.Errorf("the late answer is cached: %q", got)
	}
}

func TestWatchResumesWhereItWasAndAllIsDroppedWhereItCannot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	on := b.watched(t)
	b.kept(t, want("a"))
	on.say <- changed("z", 10)
	on.end <- status.Error(codes.Unavailable, "")
	on = b.next(t)
	if p := on.request.GetPosition(); p.GetEpoch() != "epoch" || p.GetSequence() != 11 {
		t.Errorf("the watch resumes at %v, want 11", p)
	}
	b.answers(at(20), "second")
	before := b.asked.Load()
	if got := b.get(t, want("a")); got != "first" || b.asked.Load() != before {
		t.Errorf("while the watch is broken, %q is served, want the cached value", got)
	}
	on.end <- refusal(t, codes.OutOfRange, "POSITION_OUT_OF_RANGE")
	on = b.next(t)
	if on.request.GetPosition() != nil {
		t.Errorf("the watch starts over at %v, want no position", on.request.GetPosition())
	}
	if got := b.get(t, want("a")); got != "second" {
		t.Errorf("after a watch that cannot resume, %q is served", got)
	}
	if !strings.Contains(b.log.String(), "starts over") {
		t.Error("the log does not say so")
	}
}

func TestSilentVaultIsNotTrusted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.kept(t, want("a"))
	b.replies(func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		return nil, status.Error(codes.Unavailable, "")
	})
	b.ahead.Store(int64(59 * time.Second))
	if got := b.get(t, want("a")); got != "first" {
		t.Errorf("just before it is too old, %q is served", got)
	}
	b.ahead.Store(int64(time.Minute))
	if _, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a")}); !fault.Is(err, vaultclient.ReasonVaultUnavailable) {
		t.Errorf("Resolve once it is too old = %v, want VAULT_UNAVAILABLE", err)
	}
	// A delayed heartbeat counts from its arrival.
	b.ahead.Store(int64(3 * time.Minute))
	// The silent stream is closed. A stream that resumes says nothing about missed events until
	// its first heartbeat.
	on := b.next(t)
	on.say <- &vaultv1.WatchSecretsResponse{Position: on.request.GetPosition()}
	if _, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a")}); !fault.Is(err, vaultclient.ReasonVaultUnavailable) {
		t.Errorf("Resolve before a heartbeat = %v, want VAULT_UNAVAILABLE", err)
	}
	if !strings.Contains(b.log.String(), "silent for too long") {
		t.Errorf("the log does not say that the secrets were dropped: %s", b.log)
	}
	on.say <- beat(10)
	on.say <- beat(10)
	b.answers(at(10), "back")
	b.kept(t, want("a"))
}

func TestWithoutThePermissionToWatchNothingIsCached(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 3 {
		b.next(t).end <- status.Error(codes.PermissionDenied, "")
	}
	for i := range 3 {
		b.answers(at(10), fmt.Sprint("value ", i))
		if got := b.get(t, want("a")); got != fmt.Sprint("value ", i) {
			t.Errorf("resolve %d = %q", i, got)
		}
	}
	if got := strings.Count(b.log.String(), "the vault refuses the watch"); got != 1 {
		t.Errorf("the log says so %d times, want once: %s", got, b.log)
	}
}

func TestManyWhoWantTheSameAskOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.kept(t, want("other"))
	before := b.asked.Load()
	arrived, release := make(chan struct{}), make(chan struct{})
	b.replies(func(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		close(arrived)
		<-release
		return reply(at(10), "value", req), nil
	})
	leaver, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := b.vault.Resolve(leaver, []vaultclient.Want{want("a")})
		left <- err
	}()
	<-arrived
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			if got := b.get(t, want("a")); got != "value" {
				t.Errorf("Resolve = %q", got)
			}
		})
	}
	leave() // the first caller, which asked the question
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve of a canceled caller = %v, want %v", err, context.Canceled)
	}
	close(release)
	callers.Wait()
	if got := b.asked.Load() - before; got != 1 {
		t.Errorf("the vault was asked %d times, want once", got)
	}
}

func TestAnswersThatMustNotBeCached(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.kept(t, want("other"))
	none := &vaultv1.ResolveSecretRequest{}
	for name, answer := range map[string]struct {
		version  uint32 // that is requested
		response *vaultv1.ResolveSecretResponse
		err      error
	}{
		"a refusal":                       {0, nil, refusal(t, codes.FailedPrecondition, "VERSION_DISABLED")},
		"an answer without a position":    {0, reply(nil, "v", none), nil},
		"an answer of another epoch":      {0, reply(&vaultv1.Position{Epoch: "other", Sequence: 99}, "v", none), nil},
		"an answer from before the watch": {0, reply(at(9), "v", none), nil},
		"an answer without a version":     {0, &vaultv1.ResolveSecretResponse{Value: []byte("v"), Usage: vaultv1.Usage_USAGE_KEY, Position: at(10)}, nil},
		"an answer of another version":    {8, reply(at(10), "v", none), nil},
		"a corrupt answer":                {0, nil, status.Error(codes.DataLoss, "")},
	} {
		b.replies(func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
			return answer.response, answer.err
		})
		before := b.asked.Load()
		for range 2 {
			keys, err := b.vault.Resolve(t.Context(), []vaultclient.Want{{Secret: nameOf("a"), UID: "uid", Version: answer.version}})
			if err != nil && keys != nil {
				t.Errorf("%s: Resolve = %v with keys", name, err)
			}
			vaultclient.Zero(keys)
		}
		if got := b.asked.Load() - before; got != 2 {
			t.Errorf("%s: the vault was asked %d times for two, want twice", name, got)
		}
	}
}

func TestHostOfAKeptCredentialIsCheckedEachTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.replies(func(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		r := reply(at(10), "token", req)
		r.Usage, r.AllowedHosts = vaultv1.Usage_USAGE_CREDENTIAL, []string{"a.example"}
		return r, nil
	})
	to := func(host string, port uint16, anyPort bool) vaultclient.Want {
		w := want("a")
		w.Usage, w.To, w.AnyPort = vaultclient.UsageCredential, destination.Destination{Host: host, Port: port}, anyPort
		return w
	}
	allowed, key := to("a.example", 443, false), want("a")
	b.kept(t, allowed)
	before := b.asked.Load()
	for what, foreign := range map[string]vaultclient.Want{
		"another host": to("b.example", 443, false), "another port": to("a.example", 8443, false),
		"any port of another host": to("b.example", 8443, true), "nothing": to("", 0, false), "a host without port": to("a.example", 0, false),
	} {
		if _, err := b.vault.Resolve(t.Context(), []vaultclient.Want{foreign}); !fault.Is(err, vaultclient.ReasonHostNotAllowed) {
			t.Errorf("Resolve for %s = %v, want HOST_NOT_ALLOWED", what, err)
		}
	}
	if got := b.get(t, to("a.example", 8443, true)); got != "token" {
		t.Errorf("Resolve for any port of its host = %q", got)
	}
	if _, err := b.vault.Resolve(t.Context(), []vaultclient.Want{key}); !fault.Is(err, vaultclient.ReasonUsageNotAllowed) {
		t.Errorf("Resolve of a credential as a key = %v, want USAGE_NOT_ALLOWED", err)
	}
	if got := b.get(t, allowed); got != "token" || b.asked.Load() != before {
		t.Errorf("Resolve for its host = %q after %d more questions", got, b.asked.Load()-before)
	}
}

func TestCallersOwnTheirKeys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.kept(t, want("a"))
	first, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want("a"), want("a")})
	if err != nil {
		t.Fatal(err)
	}
	first[0].Value.Zero()
	if !bytes.Equal(first[1].Value.Reveal(), []byte("first")) || b.get(t, want("a")) != "first" {
		t.Error("zeroing a caller's key zeroes the keys of others")
	}
}

func TestDeletedSecretIsReported(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	on := b.watched(t)
	on.say <- changed("kept", 10)
	deleted := changed("gone", 11)
	deleted.Events[0].Deleted, deleted.Events[0].Uid = true, "uid"
	on.say <- deleted
	select {
	case got := <-b.deleted:
		if got != nameOf("gone")+"#uid" {
			t.Errorf("%s is reported as deleted, want %s", got, nameOf("gone"))
		}
	case <-time.After(10 * time.Second):
		t.Error("no deletion was reported in time")
	}
}

func TestCacheIsAskedOncePerKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watched(t)
	b.kept(t, want("other")) // the watch has begun
	wants := []vaultclient.Want{want("a"), want("b")}
	for _, tt := range []struct {
		name  string
		delta map[string]float64
	}{
		{name: "when neither key is cached", delta: map[string]float64{"misses": 2}},
		{name: "when both keys are cached", delta: map[string]float64{"hits": 2}},
	} {
		before := b.lookups(t)
		keys, err := b.vault.ResolveAccepted(t.Context(), wants)
		if err != nil {
			t.Fatal(err)
		}
		vaultclient.Zero(keys...)
		for outcome, after := range b.lookups(t) {
			if got := after - before[outcome]; got != tt.delta[outcome] {
				t.Errorf("%s, ResolveAccepted makes %v lookups that are %s, want %v", tt.name, got, outcome, tt.delta[outcome])
			}
		}
	}
}

// lookups returns the number of cache lookups by outcome.
func (b *bench) lookups(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := b.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]float64)
	for _, f := range families {
		for _, outcome := range []string{"hits", "misses"} {
			if f.GetName() == "keyward_key_cache_"+outcome+"_total" {
				counts[outcome] = f.GetMetric()[0].GetCounter().GetValue()
			}
		}
	}
	return counts
}
