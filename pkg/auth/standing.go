package auth

import (
	"slices"
	"weak"
)

// A standing is what one policy grants to one caller. It is found once for a token or a SPIFFE ID,
// and found again when another policy is current.
type standing struct {
	// policy does not keep an old policy in memory for tokens that are no longer used.
	policy  weak.Pointer[Policy]
	grants  []Grant
	overage bool
}

// standing returns the standing of a verified token.
func (p *Policy) standing(who *identity) *standing {
	if s := who.standing.Load(); s != nil && s.policy == p.self {
		return s
	}
	s := &standing{
		policy: p.self, grants: slices.Clip(p.claimGrants(who.issuer, who.claims)), overage: p.overage(who.issuer, who.claims),
	}
	who.standing.Store(s)
	return s
}

// certificateStanding returns the standing of a verified certificate.
func (p *Policy) certificateStanding(id string) *standing {
	if s := p.certificates[id]; s != nil {
		return s
	}
	return new(standing)
}

const (
	// fewGrants is the number of grants among which deciding takes no longer than remembering.
	fewGrants = 16
	// maxDecisions is the number of decisions that a policy remembers.
	maxDecisions = 10_000
)

// A decision is a question of which a policy remembers the answer: whether the rule admits the
// caller to a resource. Other callers and other rules have other questions, and another policy
// starts without answers, so an answer is never out of date.
type decision struct {
	rule *Rule
	of   *standing
	on   target
}

// admits decides whether the standing admits to the method on a resource.
func (p *Policy) admits(r *Rule, s *standing, on Resource) bool {
	question := decision{r, s, on.target}
	if admitted, known := p.decisions.Get(question); known {
		return admitted
	}
	admitted := r.decide(s.grants, on)
	p.decisions.Add(question, admitted)
	return admitted
}
