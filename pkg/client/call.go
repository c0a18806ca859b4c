package client

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// deadline sets a deadline for calls without one.
func deadline(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return invoke(ctx, method, req, res, conn, opts...)
	}
}

// identify sets the idempotency key of requests that support one and have none. It does not change
// the caller's message: if that contained the key, sending it again would count as a retry.
func identify(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if m, ok := req.(proto.Message); ok {
		if field := fieldOf(m, "request_id"); field != nil && !m.ProtoReflect().Has(field) {
			identified := shallow(m.ProtoReflect())
			identified.Set(field, protoreflect.ValueOfString(uuid.NewString()))
			req = identified.Interface()
		}
	}
	return invoke(ctx, method, req, res, conn, opts...)
}

// fieldOf returns a string field of a message, or nil.
func fieldOf(m proto.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	field := m.ProtoReflect().Descriptor().Fields().ByName(name)
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return nil
	}
	return field
}

// shallow returns a copy of a message that shares the contents of its fields, so that a value is
// not copied.
func shallow(m protoreflect.Message) protoreflect.Message {
	c := m.New()
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		c.Set(field, value)
		return true
	})
	return c
}
