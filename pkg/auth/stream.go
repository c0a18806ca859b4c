package auth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Stream is the interceptor for streams of responses. A stream may last longer than
// what let it in, so the principal is found out again before each response: a token
// that has expired, or a policy that grants less, ends it.
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

// againKey is the key of how to find out who a stream comes from once more.
type againKey struct{}

// authenticated is a stream whose context carries the principal.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that carries the principal.
func (s authenticated) Context() context.Context { return s.ctx }

// Stream is the interceptor for streams of responses. It comes after
// [Authenticator.Stream]. The request is not at hand when a stream is let in, so it
// is checked when the method receives it, and once more before each response.
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

// guarded is a stream whose request and responses are checked. It receives before it
// sends, as the generated code does that reads the one request.
type guarded struct {
	grpc.ServerStream
	rule  rule
	again func() (Principal, error)
	// name is the resource name of the request, once there is one.
	name string
}

// RecvMsg receives the request and refuses what the principal may not ask for.
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

// SendMsg sends a response to who may still ask for it.
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
