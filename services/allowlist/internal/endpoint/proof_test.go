package endpoint_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/kv"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// These are longer than the intervals with their jitter.
const (
	overADay   = 27 * time.Hour
	overAnHour = 70 * time.Minute
)

// proven creates an endpoint with encryption, verifies it by a proof, and activates it.
func proven(t testing.TB, k *allowlisttest.Kit, p *allowlisttest.Counterpart, id string, method allowlistv1.Verification_Method) {
	t.Helper()
	e := allowlisttest.Draft(k.Secret(t, id))
	e.Url = p.URL("/" + id)
	k.Owner.Create(t, id, e)
	p.Publish(k.Owner.Get(t, id).GetChallenge())
	_, err := k.Verify(t, id, method)
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf(id)})
	allowlisttest.Must(t, err)
}

// later advances the clock and waits until the proof has been checked after that.
func later(t testing.TB, k *allowlisttest.Kit, id string, d time.Duration) *allowlistv1.Endpoint {
	t.Helper()
	before := k.Owner.Get(t, id).GetVerification().GetCheckTime().AsTime()
	k.Clock.Advance(d)
	var e *allowlistv1.Endpoint
	allowlisttest.Eventually(t, func() bool {
		e = k.Owner.Get(t, id)
		return e.GetVerification().GetCheckTime().AsTime().After(before) || e.GetVerification() == nil
	}, "the proof of %s was not checked", id)
	return e
}

func wantDegraded(t testing.TB, k *allowlisttest.Kit, want float64) {
	t.Helper()
	// The count follows the change that the endpoint shows.
	allowlisttest.Eventually(t, func() bool { return k.Labeled(t, "keyward_endpoints", "DEGRADED") == want }, "the number of degraded endpoints is not %v", want)
}

func wantHealth(t testing.TB, what string, e *allowlistv1.Endpoint, health allowlistv1.Verification_Health) {
	t.Helper()
	if got := e.GetVerification().GetHealth(); got != health || e.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("%s: %v and %v, want %v and ACTIVE", what, got, e.GetState(), health)
	}
}

// wantInUse fails the test unless the sender can encrypt, or cannot because the endpoint is not in
// use.
func wantInUse(t testing.TB, k *allowlisttest.Kit, id string, inUse bool) {
	t.Helper()
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
	if inUse {
		allowlisttest.Must(t, err)
		return
	}
	allowlisttest.WantError(t, "Encrypt", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
}

const (
	healthy  = allowlistv1.Verification_HEALTH_OK
	degraded = allowlistv1.Verification_HEALTH_DEGRADED
)

func TestTheLifecycleOfAProof(t *testing.T) {
	t.Parallel()
	for _, method := range proofs {
		t.Run(method.String(), func(t *testing.T) {
			t.Parallel()
			k, p := allowlisttest.NewPartnerKit(t)
			proven(t, k, p, "orders", method)
			challenge := verified(t, k, p, "orders")

			before := k.Owner.Get(t, "orders")
			after := later(t, k, "orders", overADay)
			wantHealth(t, "a day later", after, healthy)
			if diff := cmp.Diff(before, after, protocmp.Transform(), protocmp.IgnoreFields(after.GetVerification(), "check_time")); diff != "" {
				t.Errorf("a check that finds the proof changes the endpoint:\n%s", diff)
			}

			p.Withdraw()
			e := later(t, k, "orders", overADay)
			wantHealth(t, "without the proof", e, degraded)
			wantDegraded(t, k, 1)
			if e.GetChallenge() == nil {
				t.Error("a degraded endpoint shows no challenge")
			}
			grace := e.GetVerification().GetGraceTime().AsTime()
			if left := grace.Sub(k.Clock.Now()); left < 71*time.Hour || left > 72*time.Hour {
				t.Errorf("the grace ends in %v, want 72 hours", left)
			}
			wantInUse(t, k, "orders", true)
			wantHealth(t, "an hour later", later(t, k, "orders", overAnHour), degraded)

			p.Publish(challenge)
			wantHealth(t, "with the proof in place again", later(t, k, "orders", overAnHour), healthy)
			wantDegraded(t, k, 0)
			wantInUse(t, k, "orders", true)

			p.Withdraw()
			wantHealth(t, "without it once more", later(t, k, "orders", overADay), degraded)
			k.Restart(t)
			wantDegraded(t, k, 1)
			e = later(t, k, "orders", 73*time.Hour)
			if e.GetState() != allowlistv1.Endpoint_STATE_INACTIVE || e.GetVerification() != nil || e.GetStateReason() == "" {
				t.Errorf("after the grace = %v %q, verification %v", e.GetState(), e.GetStateReason(), e.GetVerification())
			}
			wantDegraded(t, k, 0)
			wantInUse(t, k, "orders", false)
			_, err := k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.WantError(t, "ActivateEndpoint without a proof", err, codes.FailedPrecondition, "ENDPOINT_NOT_VERIFIED")
			wantSteps(t, k, "orders", 1, 7, 5, 8, 9, 8, 6)

			p.Publish(k.Owner.Get(t, "orders").GetChallenge())
			_, err = k.Verify(t, "orders", method)
			allowlisttest.Must(t, err)
			_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
			allowlisttest.Must(t, err)
			wantInUse(t, k, "orders", true)
		})
	}
}

// verified returns the challenge by which an endpoint was verified. The endpoint no longer shows
// it, so this is the challenge of another endpoint on the same host.
func verified(t testing.TB, k *allowlisttest.Kit, p *allowlisttest.Counterpart, id string) *allowlistv1.Challenge {
	t.Helper()
	k.Owner.Create(t, id+"-2", allowlisttest.At(p.URL("/"+id+"-2")))
	return k.Owner.Get(t, id+"-2").GetChallenge()
}

// wantSteps compares the actions on the log, oldest first. The author of the steps of a proof must
// be the system.
func wantSteps(t testing.TB, k *allowlisttest.Kit, id string, want ...allowlistv1.EndpointChange_Action) {
	t.Helper()
	var got []allowlistv1.EndpointChange_Action
	history := k.Owner.History(t, allowlisttest.NameOf(id))
	slices.Reverse(history)
	for _, change := range history {
		got = append(got, change.GetAction())
		mine := change.GetAction() == 1 || change.GetAction() == 5 || change.GetAction() == 7
		if system := change.GetActor().GetSubject() == "system"; system == mine || system && change.GetReason() == "" {
			t.Errorf("%v was made by %v because %q", change.GetAction(), change.GetActor(), change.GetReason())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("history of %s = %v, want %v", id, got, want)
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
}

func TestADNSThatFailsDegradesToo(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	proven(t, k, p, "orders", allowlisttest.ByDNS)
	p.Set(func() { p.Code = dns.RcodeServerFailure })
	wantHealth(t, "with a failing DNS", later(t, k, "orders", overADay), degraded)
	p.Set(func() { p.Code = 0 })
	_, err := k.Verify(t, "orders", allowlisttest.ByDNS)
	allowlisttest.Must(t, err)
	wantHealth(t, "approved in the meantime", k.Owner.Get(t, "orders"), healthy)
}

func TestAProofStaysValidWhileItStaysInPlace(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	proven(t, k, p, "orders", allowlisttest.ByWeb)
	old := verified(t, k, p, "orders")
	for range 3 { // long after the token has expired
		wantHealth(t, "weeks later", later(t, k, "orders", 21*24*time.Hour), healthy)
	}
	_, err := k.Verify(t, "orders-2", allowlisttest.ByWeb)
	allowlisttest.WantFinding(t, "the same token for another endpoint", err, "EXPIRED")

	// The partner changes to the current token, which is then valid for weeks.
	p.Publish(k.Owner.Get(t, "orders-2").GetChallenge())
	wantHealth(t, "with the token of today", later(t, k, "orders", overADay), healthy)
	last := k.Owner.History(t, allowlisttest.NameOf("orders"))[0]
	if last.GetAction() != allowlistv1.EndpointChange_ACTION_VERIFIED || last.GetActor().GetSubject() != "system" {
		t.Errorf("the log says %v, want that the proof was renewed", last)
	}
	wantHealth(t, "weeks later", later(t, k, "orders", 21*24*time.Hour), healthy)
	p.Publish(old)
	wantHealth(t, "with the token that it replaced", later(t, k, "orders", overADay), degraded)
}

func TestOnlyProofsAreCheckedAgain(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	proven(t, k, p, "watched", allowlisttest.ByDNS)
	for _, id := range []string{"approved", "deleted", "moved"} {
		k.Owner.Create(t, id, allowlisttest.At(p.URL("/"+id)))
		p.Publish(k.Owner.Get(t, id).GetChallenge())
		if id == "approved" {
			k.Activate(t, id)
			continue
		}
		_, err := k.Verify(t, id, allowlisttest.ByFile)
		allowlisttest.Must(t, err)
	}
	k.Owner.Delete(t, "deleted")
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("moved"), Url: "https://" + allowlisttest.PartnerHost + ":1/"}, "url")
	allowlisttest.Must(t, err)
	before := p.Reached()
	approved := k.Owner.Get(t, "approved")
	for range 3 {
		later(t, k, "watched", overADay)
	}
	if p.Reached() != before {
		t.Error("a file was checked that no endpoint needs")
	}
	if diff := cmp.Diff(approved, k.Owner.Get(t, "approved"), protocmp.Transform()); diff != "" {
		t.Errorf("an approved endpoint changed:\n%s", diff)
	}
	for _, space := range []string{"proof", "proof-due"} {
		if n := count(t, k, kv.NewKey(space)); n != 1 {
			t.Errorf("%d keys of %s are kept, want that of the one proof", n, space)
		}
	}
	if again := k.Owner.Create(t, "deleted", allowlisttest.At(p.URL("/deleted"))); again.GetVerification() != nil {
		t.Errorf("the next incarnation of a name is verified: %v", again.GetVerification())
	}
}

// count returns how many keys of a space the store holds.
func count(t testing.TB, k *allowlisttest.Kit, space kv.Key) (n int) {
	t.Helper()
	allowlisttest.Must(t, k.Store.View(t.Context(), func(r kv.Reader) error {
		n = 0
		for _, err := range r.Scan(kv.Prefix(space, 100)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}

func TestManyProofsAreCheckedInTurn(t *testing.T) {
	t.Parallel()
	k, p := allowlisttest.NewPartnerKit(t)
	const many = 40
	ids := make([]string, many)
	for i := range ids {
		ids[i] = "orders-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		k.Owner.Create(t, ids[i], allowlisttest.At(p.URL("/"+ids[i])))
		if i == 0 {
			p.Publish(k.Owner.Get(t, ids[i]).GetChallenge())
		}
		_, err := k.Verify(t, ids[i], allowlisttest.ByDNS)
		allowlisttest.Must(t, err)
	}
	p.Withdraw()
	k.Clock.Advance(overADay)
	allowlisttest.Eventually(t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool {
			return k.Owner.Get(t, id).GetVerification().GetHealth() != degraded
		})
	}, "not all proofs were checked")
}
