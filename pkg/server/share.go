package server

import (
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/quota"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// shares limit the requests of principals.
type shares struct{ principals, resolvers *quota.Limiter }

func newShares(l Limits) (s shares, err error) {
	if s.principals, err = quota.New(l.principals(), time.Now); err != nil {
		return s, err
	}
	s.resolvers, err = quota.New(l.resolvers(), time.Now)
	return s, err
}

// of returns the limits of the principal.
func (s shares) of(p *auth.Principal) *quota.Limiter {
	if slices.ContainsFunc(p.Grants, func(g auth.Grant) bool { return g.Role == accessv1.Role_ROLE_RESOLVER }) {
		return s.resolvers
	}
	return s.principals
}

// enter refuses a request of a principal with too many concurrent requests. It is the only limit
// for streams, which are few and long-lived. Requests to open methods are not counted.
func (r *request) enter() (err error) {
	if r.caller.Subject == "" {
		return nil
	}
	r.visit, err = r.server.steps.shares.of(&r.caller).Enter(r.caller.Subject)
	return err
}

// spend refuses a request of a principal over its rate limit, before the request is read.
func (r *request) spend() error { return r.visit.Spend() }
