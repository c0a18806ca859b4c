package server

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/keyward/keyward/pkg/fault"
)

// A generated handler reads and decodes the request before anything else, so that a
// stranger could fill the memory of the server, and be told that their message is
// malformed. Here reading is a step of the chain that comes after authentication,
// and a message that does not decode is known only to the validator, after
// authorisation.
//
//	handler → chain … authenticate → receive → authorize → validate → method

// A reception is a request that has not been read yet.
type reception struct {
	read func(any) error
	into any
}

type receptionKey struct{}

// receivedLate returns the description of a service whose handlers leave the reading
// to the step that [receive] is.
func receivedLate(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	wrapped := *desc
	wrapped.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		wrapped.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: readLater(m.Handler)}
	}
	return &wrapped
}

func readLater(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, read func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		r := &reception{read: read}
		keep := func(into any) error {
			r.into = into
			return nil
		}
		return handle(srv, context.WithValue(ctx, receptionKey{}, r), keep, chain)
	}
}

// receive is the step that reads the request. One that does not decode stays empty.
func (s *Server) receive(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	r, ok := ctx.Value(receptionKey{}).(*reception)
	if !ok || r.into != req {
		return nil, errors.New("the handler has read its request itself")
	}
	wrong, err := s.read(r.read, req, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		ctx = context.WithValue(ctx, problemKey{}, wrong)
	}
	return handler(ctx, req)
}

// read reads a request of a method, and returns what is wrong with it.
func (s *Server) read(read func(any) error, req any, method string) (wrong, err error) {
	f := frame{into: req}
	if err := read(&f); err != nil {
		// The library has answered already; this is for the log.
		return nil, unread(err)
	}
	if f.broken {
		return malformed(), nil
	}
	if limit := s.sizes[method]; limit > 0 && f.size > limit {
		return tooLarge(limit), nil
	}
	return nil, nil
}

// receiveFirst is the step that reads the request of a stream, in the same way but
// when the method asks for it. Health and reflection read theirs themselves.
func (s *Server) receiveFirst(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !s.contract[s.nameOf(info.FullMethod).service] {
		return handler(srv, ss)
	}
	wrong := new(error)
	ctx := context.WithValue(ss.Context(), problemKey{}, wrong)
	return handler(srv, &firstReceived{within{ss, ctx}, func(req any) (err error) {
		*wrong, err = s.read(ss.RecvMsg, req, info.FullMethod)
		return err
	}})
}

// firstReceived is a stream whose messages are received by a function.
type firstReceived struct {
	within
	receive func(any) error
}

// RecvMsg receives a message.
func (r *firstReceived) RecvMsg(req any) error { return r.receive(req) }

type problemKey struct{}

// problem returns what was wrong with the request of ctx when it was read, or nil.
// Whoever may not call is not told, so it waits in the context for the validator.
func problem(ctx context.Context) error {
	switch found := ctx.Value(problemKey{}).(type) {
	case error:
		return found
	case *error: // of a stream, whose request is read after the context was made
		return *found
	}
	return nil
}

func malformed() error {
	return fault.New(fault.InvalidArgument, fault.InvalidField, "the request is not the message that the method takes")
}

func tooLarge(limit int) error {
	return fault.New(fault.ResourceExhausted, fault.MessageTooLarge, "the request is larger than the method takes").
		With("limit_bytes", strconv.Itoa(limit))
}

// A frame is what the codec of [receive] decodes into: the message, and what became
// of it.
type frame struct {
	into   any
	size   int
	broken bool
}

// codec is the library's codec for protobuf, which in a frame notes what is wrong
// instead of failing: for a failure, the library would answer in its own words.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Unmarshal decodes data.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	f.size = data.Len()
	if err := c.CodecV2.Unmarshal(data, f.into); err != nil {
		f.broken = true
		return c.CodecV2.Unmarshal(nil, f.into) // half of a message is no message
	}
	return nil
}
