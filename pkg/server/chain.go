package server

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// unary returns the handler of a method with one response. A generated handler creates the request,
// passes it to a function that reads it, and then calls the method. That function is the place of
// the steps before the method.
func (s *Server) unary(m *method, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		r := s.newRequest(ctx, m)
		err := r.run(func() (err error) { //nolint:contextcheck // r is the context
			r.response, err = handle(srv, r, r.admit, nil)
			return err
		})
		if err != nil {
			r.load.give()
			return nil, err
		}
		return r, nil // see codec
	}
}

// admit runs the steps before the method. The order is guaranteed; see the package comment.
func (r *request) admit(message any) error {
	if err := r.recognize(); err != nil {
		return err
	}
	if err := r.spend(); err != nil {
		return err
	}
	if err := r.receive(message); err != nil {
		return err
	}
	if err := r.authorize(message); err != nil {
		return err
	}
	if err := r.weigh(); err != nil {
		return err
	}
	return r.validate(message)
}

// recognize runs the steps before a request of any kind is read: they determine and limit the caller.
func (r *request) recognize() error {
	if err := r.authenticate(); err != nil {
		return err
	}
	if err := r.uncompressed(); err != nil {
		return err
	}
	return r.enter()
}

// stream returns the handler of a method that streams.
func (s *Server) stream(m *method, handle grpc.StreamHandler) grpc.StreamHandler {
	return func(srv any, ss grpc.ServerStream) error {
		ctx, stop := s.untilDrain(ss.Context())
		defer stop()
		r := s.newRequest(ctx, m)
		return r.run(func() error {
			err := r.serveStream(srv, ss, handle)
			if drained, ok := fault.From(context.Cause(r)); ok && errors.Is(err, context.Canceled) {
				return drained
			}
			return err
		})
	}
}

// serveStream runs the steps before the method of a stream. A stream has no deadline other than
// that of its caller. Its request is read, authorized, and validated when the method receives it.
func (r *request) serveStream(srv any, ss grpc.ServerStream, handle grpc.StreamHandler) error {
	if err := r.reflected(); err != nil {
		return err
	}
	if err := r.recognize(); err != nil {
		return err
	}
	if r.method.open {
		return handle(srv, within{ss, r})
	}
	return handle(srv, r.responses(ss))
}

// refuseUnknown is the handler of all unknown methods.
func (s *Server) refuseUnknown(_ any, ss grpc.ServerStream) error {
	return s.newRequest(ss.Context(), s.unknown).run(func() error { return errUnknownMethod })
}

// run runs the steps around a request of any kind. The response is an error or nil.
func (r *request) run(serve func() error) (err error) {
	defer func() { // keep the server alive when a step of the chain itself panics
		if value := recover(); value != nil {
			a := answerTo(r, panicked(value))
			r.log(a, time.Now())
			err = a
		}
	}()
	defer r.sendHeaders()
	if err := r.identify(); err != nil {
		return err
	}
	r.method.requests.Begin()
	a := r.answer(serve)
	r.visit.Leave()
	if err := r.record(codeOfAnswer(a)); err != nil {
		a = answerTo(r, err)
	}
	r.observe(a)
	if a != nil {
		return a
	}
	return nil
}

// identify assigns an ID to the request. The headers of a response stream, which return it to the
// caller, leave with its first message.
func (r *request) identify() error {
	ok := false
	if given := metadata.ValueFromIncomingContext(r.Context, telemetry.RequestIDHeader); len(given) == 1 {
		r.id, ok = telemetry.ParseRequestID(given[0])
	}
	if !ok {
		r.id = telemetry.NewRequestID(r.begin)
	}
	var err error
	if r.wire, err = wireOf(r.Context); err != nil || !r.method.streams {
		return err
	}
	return r.wire.SetHeader(r.headers()) // fails if the connection is gone
}

// sendHeaders sends the headers of a response that is complete. The library would send them with the
// response, but setting them before costs more, because it merges headers.
func (r *request) sendHeaders() {
	if r.wire != nil && !r.method.streams {
		_ = r.wire.SendHeader(r.headers()) // fails if the connection is gone, as the response then does
	}
}

// headers returns the headers of the response.
func (r *request) headers() metadata.MD { return metadata.MD{telemetry.RequestIDHeader: {r.id}} }

// answer serves the request and converts errors and panics into the response, or nil. It runs
// inside the steps that log and count, so that panics are logged and counted.
func (r *request) answer(serve func() error) (a *answer) {
	defer func() {
		if value := recover(); value != nil {
			a = answerTo(r, panicked(value))
		}
	}()
	switch err := serve(); {
	case err == nil:
		return nil
	case r.method.open:
		return answerOf(r, err)
	default:
		return answerTo(r, err)
	}
}

// authenticate determines the caller. Open methods need none.
func (r *request) authenticate() (err error) {
	if r.method.open {
		return nil
	}
	r.caller, err = r.server.steps.authenticator.Authenticate(r)
	return err
}

// authorize refuses a caller that may not send the request.
func (r *request) authorize(message any) error {
	if r.method.open {
		return nil
	}
	resource := r.method.rule.Resource(message)
	if err := r.method.rule.Admit(&r.caller, resource); err != nil {
		return err
	}
	r.resource = resource
	return nil
}

// bounded gives every request a deadline: the caller's, up to the maximum, or the default. It runs
// before the chain, when the headers have arrived, so that the deadline also covers the reading.
// The library cancels the context at the end of the request.
func (s *Server) bounded(ctx context.Context, info *tap.Info) (context.Context, error) {
	if m, ok := s.methods[info.FullMethodName]; !ok || m.streams {
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

// untilDrain returns a context that ends when the server starts to stop, with a fault as its cause.
// The caller of a stream can then continue with another server, or with this one after a restart.
func (s *Server) untilDrain(ctx context.Context) (within context.Context, stop func()) {
	within, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.draining:
			cancel(fault.New(fault.Unavailable, fault.Unreachable, "the server is stopping; try again").Retry(time.Second))
		case <-within.Done():
		}
	}()
	return within, func() { cancel(nil) }
}
