package server

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// A step runs around every request of any kind. It calls next with the context for the following
// steps.
type step func(ctx context.Context, method string, next func(context.Context) error) error

// unaryChain is the chain of steps of every request, from the outside in. The order is guaranteed;
// see the package comment.
func (s *Server) unaryChain() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{
		unary(s.recovered),
		unary(identified),
		unary(s.observed),
		unary(s.answered),
		s.steps.authenticator.Unary,
		unary(recognized),
		unary(s.uncompressed),
		unary(s.shared),
		s.receive,
		s.steps.guard.Unary,
		s.weighed,
		s.steps.validator.unary,
	}
}

// streamChain is the chain for streams. They have no deadline other than the caller's, and end
// when the server starts to stop. Their single request is read, checked, and validated when the
// method receives it.
func (s *Server) streamChain() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		stream(s.recovered),
		stream(identified),
		stream(s.observed),
		stream(s.answered),
		stream(s.known),
		stream(s.untilDrain),
		stream(s.reflected),
		s.steps.authenticator.Stream,
		stream(recognized),
		stream(s.uncompressed),
		stream(s.occupied),
		s.receiveFirst,
		s.steps.guard.Stream,
		s.steps.validator.stream,
	}
}

func unary(do step) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		var resp any
		err := do(ctx, info.FullMethod, func(ctx context.Context) (err error) {
			resp, err = handler(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
}

func stream(do step) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return do(ss.Context(), info.FullMethod, func(ctx context.Context) error {
			return handler(srv, within{ServerStream: ss, ctx: ctx})
		})
	}
}

// within is a stream with another context.
type within struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context of the previous steps.
func (w within) Context() context.Context { return w.ctx }

// recovered keeps the server alive when a step of the chain itself panics.
func (s *Server) recovered(ctx context.Context, method string, next func(context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			a := answerTo(ctx, panicked(value))
			s.logAnswer(ctx, s.nameOf(method), &call{}, a, 0)
			err = a
		}
	}()
	return next(ctx)
}

// identified assigns an ID to the request and returns it to the caller.
func identified(ctx context.Context, _ string, next func(context.Context) error) error {
	id, ok := "", false
	if given := metadata.ValueFromIncomingContext(ctx, telemetry.RequestIDHeader); len(given) == 1 {
		id, ok = telemetry.ParseRequestID(given[0])
	}
	if !ok {
		id = telemetry.NewRequestID()
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(telemetry.RequestIDHeader, id)); err != nil {
		return err // the connection is gone
	}
	return next(telemetry.WithRequestID(ctx, id))
}

// answered converts errors and panics of the inner steps into the response. It runs inside the
// steps that log and count, so that panics are logged and counted.
func (s *Server) answered(ctx context.Context, method string, next func(context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = answerTo(ctx, panicked(value))
		}
	}()
	switch err := next(ctx); {
	case err == nil:
		return nil
	case auth.Open(method):
		return answerOf(ctx, err)
	default:
		return answerTo(ctx, err)
	}
}

// bounded gives every request a deadline: the caller's, up to the maximum, or the default. It runs
// before the chain, when the headers have arrived, so that the deadline also covers the reading.
// The library cancels the context at the end of the request.
func (s *Server) bounded(ctx context.Context, info *tap.Info) (context.Context, error) {
	if name, ok := s.methods[info.FullMethodName]; !ok || name.streams {
		return ctx, nil
	}
	limit := s.limits.DefaultDeadline
	if deadline, ok := ctx.Deadline(); ok {
		if limit = s.limits.MaxDeadline; time.Until(deadline) <= limit {
			return ctx, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit) //nolint:gosec // G118: see above
	_ = cancel
	return ctx, nil
}

// known refuses unknown methods. The library passes them to the chain of streams.
func (s *Server) known(ctx context.Context, method string, next func(context.Context) error) error {
	if _, ok := s.methods[method]; !ok {
		return errUnknownMethod
	}
	return next(ctx)
}

// untilDrain ends a stream when the server starts to stop. The caller can then continue with
// another server, or with this one after a restart.
func (s *Server) untilDrain(ctx context.Context, _ string, next func(context.Context) error) error {
	drained := fault.New(fault.Unavailable, fault.Unreachable, "the server is stopping; try again").Retry(time.Second)
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-s.draining:
			cancel(drained)
		case <-within.Done():
		}
	}()
	err := next(within)
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(within), drained) {
		return drained
	}
	return err
}

// recognized reports the authenticated caller to the outer steps, for the log.
func recognized(ctx context.Context, _ string, next func(context.Context) error) error {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.principal = auth.FromContext(ctx)
	}
	return next(ctx)
}
