package auth

import (
	"google.golang.org/grpc"
)

// Stream is the interceptor for streams of responses. It comes after
// [Authenticator.Stream]. The request of a stream is not at hand when the stream is
// let in, so it is checked when the method receives it.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if Open(info.FullMethod) {
		return handler(srv, stream)
	}
	if _, known := g.rules[info.FullMethod]; !known {
		return denied()
	}
	return handler(srv, &guarded{ServerStream: stream, guard: g, method: info.FullMethod})
}

// guarded is a stream whose request is checked.
type guarded struct {
	grpc.ServerStream
	guard  *Guard
	method string
}

// RecvMsg receives the request and refuses what the principal may not ask for.
func (s *guarded) RecvMsg(request any) error {
	if err := s.ServerStream.RecvMsg(request); err != nil {
		return err
	}
	if !s.guard.admits(FromContext(s.Context()), s.method, request) {
		return denied()
	}
	return nil
}
