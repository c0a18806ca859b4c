package server

import (
	"context"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/quota"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// shares hold principals to what they can take of the server.
type shares struct{ principals, resolvers *quota.Limiter }

func newShares(l Limits) (s shares, err error) {
	if s.principals, err = quota.New(l.principals(), time.Now); err != nil {
		return s, err
	}
	s.resolvers, err = quota.New(l.resolvers(), time.Now)
	return s, err
}

// of returns what the principal is held to.
func (s shares) of(p auth.Principal) *quota.Limiter {
	if slices.ContainsFunc(p.Grants, func(g auth.Grant) bool { return g.Role == accessv1.Role_ROLE_RESOLVER }) {
		return s.resolvers
	}
	return s.principals
}

// shared refuses a request of a principal who makes too many, before it is read.
// What the open services are asked is nobody's.
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

// occupied refuses a request of a principal who has too many under way. It is all
// that streams are held to: they are few, and last.
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
