package server

import (
	"context"
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
func (s shares) of(p auth.Principal) *quota.Limiter {
	if slices.ContainsFunc(p.Grants, func(g auth.Grant) bool { return g.Role == accessv1.Role_ROLE_RESOLVER }) {
		return s.resolvers
	}
	return s.principals
}

// shared refuses a request of a principal over its rate limit, before the request is read.
// Requests to open services are not counted.
func (s *Server) shared(ctx context.Context, method string, next func(context.Context) error) error {
	p := auth.FromContext(ctx)
	if p.Subject == "" {
		return next(ctx)
	}
	return s.occupied(ctx, method, func(ctx context.Context) error {
		if err := s.steps.shares.of(p).Spend(p.Subject); err != nil {
			return err
		}
		return next(ctx)
	})
}

// occupied refuses a request of a principal with too many concurrent requests. It is the only
// limit for streams, which are few and long-lived.
func (s *Server) occupied(ctx context.Context, _ string, next func(context.Context) error) error {
	p := auth.FromContext(ctx)
	if p.Subject == "" {
		return next(ctx)
	}
	leave, err := s.steps.shares.of(p).Enter(p.Subject)
	if err != nil {
		return err
	}
	defer leave()
	return next(ctx)
}
