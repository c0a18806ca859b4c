package auth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Stream is the interceptor for response streams. A stream may outlast the credentials that opened
// it, so the principal is determined again before each response: an expired token, or a policy
// that grants less, ends the stream.
func (a *Authenticator) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if Open(info.FullMethod) {
		return handler(srv, stream)
	}
	ctx := stream.Context()
	p, err := a.Authenticate(ctx)
	if err != nil {
		return err
	}
	again := func() (Principal, error) { return a.Authenticate(ctx) }
	return handler(srv, authenticated{stream, context.WithValue(NewContext(ctx, p), againKey{}, again)})
}

// againKey is the context key of the function that authenticates a stream again.
type againKey struct{}

// authenticated is a stream whose context carries the principal.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that carries the principal.
func (s authenticated) Context() context.Context { return s.ctx }

// Stream is the interceptor for response streams. It follows [Authenticator.Stream]. The request
// is not available when a stream starts, so it is checked when the method receives it, and again
// before each response.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if Open(info.FullMethod) {
		return handler(srv, stream)
	}
	r, known := g.rules[info.FullMethod]
	if !known {
		return denied()
	}
	again, ok := stream.Context().Value(againKey{}).(func() (Principal, error))
	if !ok {
		return denied()
	}
	return handler(srv, &guarded{ServerStream: stream, rule: r, again: again})
}

// guarded is a stream that checks its request and responses. It receives before it sends, because
// the generated code reads the single request first.
type guarded struct {
	grpc.ServerStream
	rule  rule
	again func() (Principal, error)
	// name is the resource name of the request, after it was received.
	name string
}

// RecvMsg receives the request and refuses it if the principal is not authorized.
func (s *guarded) RecvMsg(request any) error {
	if err := s.ServerStream.RecvMsg(request); err != nil {
		return err
	}
	message, ok := request.(proto.Message)
	p := FromContext(s.Context())
	if !ok || !s.rule.admits(p, s.rule.name(message)) {
		return p.denied()
	}
	s.name = s.rule.name(message)
	return nil
}

// SendMsg sends a response if the principal is still authorized.
func (s *guarded) SendMsg(response any) error {
	p, err := s.again()
	if err != nil {
		return err
	}
	if !s.rule.admits(p, s.name) {
		return p.denied()
	}
	return s.ServerStream.SendMsg(response)
}
