package server

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// reflected admits reflection requests according to the configuration. If reflection is off, the
// method does not exist.
func (s *Server) reflected(ctx context.Context, method string, next func(context.Context) error) error {
	if s.config.Reflection != reflectionAuthenticated || !strings.HasPrefix(method, "/grpc.reflection.") {
		return next(ctx)
	}
	p, err := s.steps.authenticator.Authenticate(ctx)
	if err != nil {
		return err
	}
	if len(p.Grants) == 0 {
		return fault.New(fault.PermissionDenied, fault.Denied, "permission denied")
	}
	return next(auth.NewContext(ctx, p))
}
