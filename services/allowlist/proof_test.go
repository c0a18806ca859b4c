package allowlist_test

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
)

// Longer than the intervals with their jitter.
const (
	overADay   = 27 * time.Hour
	overAnHour = 70 * time.Minute
)

// proven registers an endpoint, encrypted, verifies it by a proof and switches it on.
func (k *kit) proven(t testing.TB, p *counterpart, id string, method allowlistv1.Verification_Method) {
	t.Helper()
	e := draft(k.secret(t, id))
	e.Url = p.url("/" + id)
	k.owner.create(t, id, e)
	p.publish(k.owner.get(t, id).GetChallenge())
	_, err := k.verify(t, id, method)
	must(t, err)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf(id)})
	must(t, err)
}

// later puts the clock forward and waits until the proof was looked for since.
func (k *kit) later(t testing.TB, id string, d time.Duration) *allowlistv1.Endpoint {
	t.Helper()
	before := k.owner.get(t, id).GetVerification().GetCheckTime().AsTime()
	k.clock.advance(d)
	var e *allowlistv1.Endpoint
	eventually(t, func() bool {
		e = k.owner.get(t, id)
		return e.GetVerification().GetCheckTime().AsTime().After(before) || e.GetVerification() == nil
	}, "the proof of %s was not looked for", id)
	return e
}

func wantHealth(t testing.TB, what string, e *allowlistv1.Endpoint, health allowlistv1.Verification_Health) {
	t.Helper()
	if got := e.GetVerification().GetHealth(); got != health || e.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("%s: %v and %v, want %v and ACTIVE", what, got, e.GetState(), health)
	}
}

// wantInUse fails the test unless the sender can encrypt, or cannot because the
// endpoint is not in use.
func (k *kit) wantInUse(t testing.TB, id string, inUse bool) {
	t.Helper()
	_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
	if inUse {
		must(t, err)
		return
	}
	wantError(t, "Encrypt", err, codes.FailedPrecondition, "ENDPOINT_NOT_ACTIVE")
}

const (
	healthy  = allowlistv1.Verification_HEALTH_OK
	degraded = allowlistv1.Verification_HEALTH_DEGRADED
)

func TestTheLifeOfAProof(t *testing.T) {
	t.Parallel()
	for _, method := range proofs {
		t.Run(method.String(), func(t *testing.T) {
			t.Parallel()
			k, p := newPartnerKit(t)
			k.proven(t, p, "orders", method)
			challenge := k.verified(t, p, "orders")

			before := k.owner.get(t, "orders")
			after := k.later(t, "orders", overADay)
			wantHealth(t, "a day later", after, healthy)
			if diff := cmp.Diff(before, after, protocmp.Transform(), protocmp.IgnoreFields(after.GetVerification(), "check_time")); diff != "" {
				t.Errorf("a look that finds the proof changes the endpoint:\n%s", diff)
			}

			p.withdraw()
			e := k.later(t, "orders", overADay)
			wantHealth(t, "without the proof", e, degraded)
			if e.GetChallenge() == nil {
				t.Error("a degraded endpoint shows no challenge")
			}
			grace := e.GetVerification().GetGraceTime().AsTime()
			if left := grace.Sub(k.clock.now()); left < 71*time.Hour || left > 72*time.Hour {
				t.Errorf("the grace ends in %v, want 72 hours", left)
			}
			k.wantInUse(t, "orders", true)
			wantHealth(t, "an hour later", k.later(t, "orders", overAnHour), degraded)

			p.publish(challenge)
			wantHealth(t, "with the proof in place again", k.later(t, "orders", overAnHour), healthy)
			k.wantInUse(t, "orders", true)

			p.withdraw()
			wantHealth(t, "without it once more", k.later(t, "orders", overADay), degraded)
			k.restart(t)
			e = k.later(t, "orders", 73*time.Hour)
			if e.GetState() != allowlistv1.Endpoint_STATE_INACTIVE || e.GetVerification() != nil || e.GetStateReason() == "" {
				t.Errorf("after the grace = %v %q, verification %v", e.GetState(), e.GetStateReason(), e.GetVerification())
			}
			k.wantInUse(t, "orders", false)
			_, err := k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
			wantError(t, "ActivateEndpoint without a proof", err, codes.FailedPrecondition, "ENDPOINT_NOT_VERIFIED")
			k.wantSteps(t, "orders", 1, 7, 5, 8, 9, 8, 6)

			p.publish(k.owner.get(t, "orders").GetChallenge())
			_, err = k.verify(t, "orders", method)
			must(t, err)
			_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
			must(t, err)
			k.wantInUse(t, "orders", true)
		})
	}
}

// verified returns the challenge that an endpoint was verified by, which it no longer
// shows: that of another one on the same host.
func (k *kit) verified(t testing.TB, p *counterpart, id string) *allowlistv1.Challenge {
	t.Helper()
	k.owner.create(t, id+"-2", at(p.url("/"+id+"-2")))
	return k.owner.get(t, id+"-2").GetChallenge()
}

// wantSteps compares the actions on the log, the oldest first; who made the steps of
// a proof must be the system.
func (k *kit) wantSteps(t testing.TB, id string, want ...allowlistv1.EndpointChange_Action) {
	t.Helper()
	var got []allowlistv1.EndpointChange_Action
	history := k.owner.history(t, nameOf(id))
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
	must(t, k.allowlist.Verify(t.Context()))
}

func TestADNSThatFailsDegradesToo(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.proven(t, p, "orders", byDNS)
	p.set(func() { p.code = dns.RcodeServerFailure })
	wantHealth(t, "with a failing DNS", k.later(t, "orders", overADay), degraded)
	p.set(func() { p.code = 0 })
	_, err := k.verify(t, "orders", byDNS)
	must(t, err)
	wantHealth(t, "verified by hand meanwhile", k.owner.get(t, "orders"), healthy)
}

func TestAProofStaysGoodForAsLongAsItStays(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.proven(t, p, "orders", byWeb)
	old := k.verified(t, p, "orders")
	for range 3 { // long after the token has expired
		wantHealth(t, "weeks later", k.later(t, "orders", 21*24*time.Hour), healthy)
	}
	_, err := k.verify(t, "orders-2", byWeb)
	wantFinding(t, "the same token for another endpoint", err, "EXPIRED")

	// The partner changes to the token of today, which is good for weeks in its turn.
	p.publish(k.owner.get(t, "orders-2").GetChallenge())
	wantHealth(t, "with the token of today", k.later(t, "orders", overADay), healthy)
	last := k.owner.history(t, nameOf("orders"))[0]
	if last.GetAction() != allowlistv1.EndpointChange_ACTION_VERIFIED || last.GetActor().GetSubject() != "system" {
		t.Errorf("the log says %v, want that the proof was renewed", last)
	}
	wantHealth(t, "weeks later", k.later(t, "orders", 21*24*time.Hour), healthy)
	p.publish(old)
	wantHealth(t, "with the token that it replaced", k.later(t, "orders", overADay), degraded)
}

func TestOnlyProofsAreLookedForAgain(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	k.proven(t, p, "watched", byDNS)
	for _, id := range []string{"approved", "deleted", "moved"} {
		k.owner.create(t, id, at(p.url("/"+id)))
		p.publish(k.owner.get(t, id).GetChallenge())
		if id == "approved" {
			k.activate(t, id)
			continue
		}
		_, err := k.verify(t, id, byFile)
		must(t, err)
	}
	k.owner.delete(t, "deleted")
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("moved"), Url: "https://" + partnerHost + ":1/"}, "url")
	must(t, err)
	before := p.reached()
	approved := k.owner.get(t, "approved")
	for range 3 {
		k.later(t, "watched", overADay)
	}
	if p.reached() != before {
		t.Error("a file was looked for that nothing rests on")
	}
	if diff := cmp.Diff(approved, k.owner.get(t, "approved"), protocmp.Transform()); diff != "" {
		t.Errorf("an approved endpoint changed:\n%s", diff)
	}
	for _, space := range []string{"proof", "proof-due"} {
		if n := k.count(t, kv.NewKey(space)); n != 1 {
			t.Errorf("%d keys of %s are kept, want that of the one proof", n, space)
		}
	}
	if again := k.owner.create(t, "deleted", at(p.url("/deleted"))); again.GetVerification() != nil {
		t.Errorf("the next life of a name is verified: %v", again.GetVerification())
	}
}

// count returns how many keys of a space the store holds.
func (k *kit) count(t testing.TB, space kv.Key) (n int) {
	t.Helper()
	must(t, k.store.View(t.Context(), func(r kv.Reader) error {
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

func TestManyProofsAreLookedForInTurn(t *testing.T) {
	t.Parallel()
	k, p := newPartnerKit(t)
	const many = 40
	ids := make([]string, many)
	for i := range ids {
		ids[i] = "orders-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		k.owner.create(t, ids[i], at(p.url("/"+ids[i])))
		if i == 0 {
			p.publish(k.owner.get(t, ids[i]).GetChallenge())
		}
		_, err := k.verify(t, ids[i], byDNS)
		must(t, err)
	}
	p.withdraw()
	k.clock.advance(overADay)
	eventually(t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool {
			return k.owner.get(t, id).GetVerification().GetHealth() != degraded
		})
	}, "not all proofs were looked for")
}
