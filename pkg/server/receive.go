package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"time"

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
//
// The step reads the message itself, from the library's stream: so it knows how large
// the message is before its bytes are let in, and takes them from the budget first.

const (
	// maxOpenBytes is the size of the largest request to health and reflection, which
	// strangers may call. No budget knows of them.
	maxOpenBytes = 4 << 10
	// maxArrival is how long the request of a stream may take to arrive. The others have
	// their deadline.
	maxArrival = 10 * time.Second
)

// A wire is what the library's stream of a request can do beside what it says it can. A
// stream without these methods, of another version of the library, is not served.
type wire interface {
	// RecvCompress returns the encoding of the messages.
	RecvCompress() string
	// ReadMessageHeader reads the five bytes before a message.
	ReadMessageHeader(header []byte) error
	// Read lets n bytes in and reads them.
	Read(n int) (mem.BufferSlice, error)
}

func wireOf(ctx context.Context) (wire, error) {
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(wire)
	if !ok {
		return nil, errors.New("the library's stream is not one that can be read")
	}
	return w, nil
}

// A reception is a request that has not been read yet, and what it weighs then.
type reception struct {
	into any
	load load
}

type receptionKey struct{}

// receivedLate returns the description of a service whose handlers leave the reading
// to the step that [Server.receive] is.
func receivedLate(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	wrapped := *desc
	wrapped.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		wrapped.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: readLater(m.Handler)}
	}
	return &wrapped
}

func readLater(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, _ func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		r := new(reception)
		keep := func(into any) error {
			r.into = into
			return nil
		}
		response, err := handle(srv, context.WithValue(ctx, receptionKey{}, r), keep, chain)
		if err != nil {
			r.load.give()
			return nil, err
		}
		return &reply{response, &r.load}, nil
	}
}

// uncompressed refuses requests that are compressed: a few bytes could become as many as
// a request may have. Responses are not compressed either, as their sizes would tell of
// what is in them.
func (s *Server) uncompressed(ctx context.Context, _ string, next func(context.Context) error) error {
	w, err := wireOf(ctx)
	if err != nil {
		return err
	}
	if name := w.RecvCompress(); name != "" && name != encoding.Identity {
		return fault.Field("grpc-encoding", "must be absent or identity: requests are not compressed")
	}
	return next(ctx)
}

// receive is the step that reads the request. One that does not decode stays empty.
func (s *Server) receive(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	r, ok := ctx.Value(receptionKey{}).(*reception)
	if !ok || r.into != req {
		return nil, errors.New("the handler has read its request itself")
	}
	wrong, err := s.read(ctx, req, info.FullMethod, &r.load)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		ctx = context.WithValue(ctx, problemKey{}, wrong)
	}
	return handler(context.WithValue(ctx, loadKey{}, &r.load), req)
}

// read reads the one request of a method, and returns what is wrong with it.
func (s *Server) read(ctx context.Context, req any, method string, l *load) (wrong, err error) {
	w, err := wireOf(ctx)
	if err != nil {
		return nil, err
	}
	size, wrong, err := s.announced(ctx, w, method)
	if wrong != nil || err != nil {
		return wrong, err
	}
	if err := s.take(ctx, method, size, l); err != nil {
		return nil, err
	}
	data, err := w.Read(size)
	if err != nil {
		return nil, unread(ctx, err)
	}
	defer data.Free()
	switch err := w.ReadMessageHeader(make([]byte, headerBytes)); {
	case err == nil:
		return malformed(), nil // there is a second one
	case !errors.Is(err, io.EOF):
		return nil, unread(ctx, err)
	}
	if err := s.codec.Unmarshal(data, req); err != nil {
		return malformed(), s.codec.Unmarshal(nil, req) // half of a message is no message
	}
	return nil, nil
}

// headerBytes is the length of what is before a message: whether it is compressed, and
// its length.
const headerBytes = 5

// announced reads the length of a request that is about to come, and returns what is
// wrong with it. One that is too large is refused at once: whether its principal may call
// is not known without reading it.
func (s *Server) announced(ctx context.Context, w wire, method string) (size int, wrong, err error) {
	var header [headerBytes]byte
	if err := w.ReadMessageHeader(header[:]); errors.Is(err, io.EOF) {
		return 0, malformed(), nil // there is none
	} else if err != nil {
		return 0, nil, unread(ctx, err)
	}
	length, limit := int64(binary.BigEndian.Uint32(header[1:])), maxOpenBytes
	if size, ok := s.sizes[method]; ok {
		limit = size
	}
	switch {
	case header[0] != 0:
		return 0, malformed(), nil // it is compressed, with nothing
	case length > int64(limit):
		return 0, nil, tooLarge(limit)
	}
	return int(length), nil, nil
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
		*wrong, err = s.readSoon(ctx, req, info.FullMethod)
		return err
	}})
}

// readSoon is read for a request that has no deadline. It weighs nothing once it is read.
func (s *Server) readSoon(ctx context.Context, req any, method string) (wrong, err error) {
	type outcome struct{ wrong, err error }
	read := make(chan outcome, 1)
	go func() { // it ends with the stream
		defer func() {
			if value := recover(); value != nil { // the chain recovers its own goroutine only
				read <- outcome{nil, panicked(value)}
			}
		}()
		var l load
		defer l.give()
		wrong, err := s.read(ctx, req, method, &l)
		read <- outcome{wrong, err}
	}()
	late := time.NewTimer(maxArrival)
	defer late.Stop()
	select {
	case got := <-read:
		return got.wrong, got.err
	case <-late.C:
		return nil, context.DeadlineExceeded
	}
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

// A codec is the library's codec for protobuf. It sends a [reply] with what becomes of it.
type codec struct {
	encoding.CodecV2
	charge func(l *load, size int)
}

func (s *Server) newCodec() codec { return codec{encoding.GetCodecV2(proto.Name), s.charge} }
