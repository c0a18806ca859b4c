package endpoint

import (
	"context"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

// ByApproval is the verification method of an endpoint that a super admin
// vouched for. The others are the methods of package verify.
const ByApproval = "manual"

// VerifyEvery is the minimum time between two requested checks of the proof of one endpoint: each
// is a call to another party's host.
const VerifyEvery = 2 * time.Second

// A Verification says how it was established that an endpoint is the partner's.
// The zero Verification means that it was not.
type Verification struct {
	Method string
	Actor  string
	Time   time.Time
	// Period is the period of the token in the proof, which stays valid for this endpoint.
	Period verify.Period
	// Grace is the time when an endpoint whose proof is missing is switched off; zero while the proof
	// is in place.
	Grace time.Time
}

// Done reports whether the endpoint is verified.
func (v Verification) Done() bool { return v.Method != "" }

// Proven reports whether the endpoint is verified by a proof, which is checked again.
func (v Verification) Proven() bool { return v.Done() && v.Method != ByApproval }

// Degraded reports whether the last check did not find the proof.
func (v Verification) Degraded() bool { return !v.Grace.IsZero() }

// covers reports whether the verification of one URL also applies to another.
func (v Verification) covers(from, to URL) bool {
	switch verify.Method(v.Method) {
	case verify.DNS, verify.File:
		return from.origin() == to.origin()
	default:
		return from == to
	}
}

// origin returns the scheme, the host and the port, unless that is the default.
func (u URL) origin() string {
	authority, _, _ := strings.Cut(u.text[len(scheme):], "/")
	return scheme + authority
}

func (e Endpoint) subject() verify.Subject {
	return verify.Subject{Workspace: e.Name.Workspace, Host: e.URL.host, Origin: e.URL.origin(), URL: e.URL.text}
}

// Challenge returns the challenge for a proof of an endpoint. It returns false while nothing needs
// to be proven.
func (r *Registry) Challenge(e Endpoint) (verify.Challenge, bool) {
	if e.Verification.Done() && !e.Verification.Degraded() {
		return verify.Challenge{}, false
	}
	return r.proofs.Challenge(e.subject()), true
}

// Verify checks for a proof and, if it is in place, records the verification, replacing any other.
// Like Approve, it does not change the state. It fails with VERIFICATION_FAILED, and with
// RATE_LIMITED if the previous attempt was a moment ago.
func (r *Registry) Verify(ctx context.Context, name Name, method verify.Method, etag string, call Call) (Endpoint, error) {
	seen, err := r.Get(ctx, name)
	if err != nil {
		return Endpoint{}, err
	}
	if err := checkEtag(etag, seen.Revision); err != nil {
		return Endpoint{}, err
	}
	if wait := r.pace.take(name, r.now()); wait > 0 {
		return Endpoint{}, tooSoon(wait)
	}
	period, err := r.proofs.Check(ctx, method, seen.subject(), 0)
	if err != nil {
		return Endpoint{}, err
	}
	return r.save(ctx, name, ActionVerified, call, existing(etag, func(e Endpoint) (Endpoint, error) {
		if e.UID != seen.UID || e.URL != seen.URL {
			return Endpoint{}, contention() // the proof was for the previous state
		}
		e.Verification = Verification{
			Method: string(method), Actor: call.Author.Actor.Subject, Time: r.now().UTC(), Period: period,
		}
		if e.State == Pending {
			e.StateReason = "verified"
		}
		return e, nil
	}))
}

// A pace remembers when an action was last done for each of a limited number of endpoints.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	last  *lru.LRU[Name, time.Time]
}

func newPace(every time.Duration) *pace {
	last, _ := lru.NewLRU[Name, time.Time](10_000, nil) // fails only for sizes below 1
	return &pace{every: every, last: last}
}

// take returns zero and records the time if the action may be done now, or else the time to wait.
func (p *pace) take(name Name, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, known := p.last.Get(name); known {
		// A clock that was set back does not lock anyone out.
		if passed := now.Sub(last); passed >= 0 && passed < p.every {
			return p.every - passed
		}
	}
	p.last.Add(name, now)
	return 0
}
