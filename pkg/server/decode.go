package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// tolerant returns the description of a service whose requests pass the chain even
// when they do not decode. As generated, a handler decodes first and answers a message
// that is cut off, or text that is not UTF-8, with a bare INTERNAL before anybody has
// asked who calls. Here such a request goes on, empty and marked as malformed: without
// credentials it is UNAUTHENTICATED, without the right PERMISSION_DENIED, and only
// then the validator says what is wrong with it.
func tolerant(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	wrapped := *desc
	wrapped.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		wrapped.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: decodeLater(m.Handler)}
	}
	return &wrapped
}

func decodeLater(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		broken := false
		return handle(srv, ctx,
			func(req any) error {
				if err := decode(req); err != nil {
					msg, ok := req.(proto.Message)
					if !ok {
						return err
					}
					proto.Reset(msg) // half of a message is no message
					broken = true
				}
				return nil
			},
			func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
				if broken {
					ctx = context.WithValue(ctx, malformedKey{}, true)
				}
				return chain(ctx, req, info, handler)
			})
	}
}

type malformedKey struct{}

// malformed reports whether the request of ctx did not decode.
func malformed(ctx context.Context) bool { return ctx.Value(malformedKey{}) != nil }
