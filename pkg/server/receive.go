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

// A generated handler reads and decodes the request first, so that unauthenticated callers could
// fill the memory of the server, or learn that their message is malformed. In this server, reading
// is a step of the chain that follows authentication, and only the validator, which follows
// authorization, reports a message that does not decode.
//
//	handler → chain … authenticate → receive → authorize → validate → method
//
// The step reads the message itself from the stream of the library. It therefore knows the size of
// the message before its bytes are read, and takes them from the budget first.

const (
	// maxOpenBytes is the maximum size of a request for health and reflection, which unauthenticated
	// callers may send. No budget counts these.
	maxOpenBytes = 4 << 10
	// maxArrival is the time in which the request of a stream must arrive. Other requests have their
	// deadline.
	maxArrival = 10 * time.Second
)

// A wire is the set of undocumented methods of the library's stream. A stream without them, from
// another version of the library, is not served.
type wire interface {
	// RecvCompress returns the encoding of the messages.
	RecvCompress() string
	// ReadMessageHeader reads the five bytes before a message.
	ReadMessageHeader(header []byte) error
	// Read reads n bytes.
	Read(n int) (mem.BufferSlice, error)
}

func wireOf(ctx context.Context) (wire, error) {
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(wire)
	if !ok {
		return nil, errors.New("the library's stream is not one that can be read")
	}
	return w, nil
}

// A reception is a request that has not been read yet, with its load.
type reception struct {
	into any
	load load
}

type receptionKey struct{}

// receivedLate returns the description of a service whose handlers leave the reading to the step
// [Server.receive].
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

// uncompressed refuses compressed requests: a few bytes could expand to the maximum size.
// Responses are not compressed either, because their sizes would reveal their content.
func (s *Server) uncompressed(ctx context.Context, _ string, next func(context.Context) error) error {
	w, err := wireOf(ctx)
	if err != nil {
		return err
	}
	if name := w.RecvCompress(); name != "" && name != encoding.Identity {
		return fault.Field("grpc-encoding", "must be absent or identity; compressed requests are not supported")
	}
	return next(ctx)
}

// receive is the step that reads the request. A request that does not decode remains empty.
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

// read reads the single request of a method. The error wrong is for the validator.
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

// headerBytes is the length of the prefix of a message: the compression flag and the length.
const headerBytes = 5

// announced reads the length of the next request. The error wrong is for the validator. A request
// that is too large is refused immediately, because its authorization cannot be checked without
// reading it.
func (s *Server) announced(ctx context.Context, w wire, method string) (size int, wrong, err error) {
	var header [headerBytes]byte
	if err := w.ReadMessageHeader(header[:]); errors.Is(err, io.EOF) {
		return 0, malformed(), nil // no message
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

// receiveFirst is the step that reads the request of a stream in the same way, when the method
// requests it. Health and reflection read their own.
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

// readSoon is read for a request without a deadline. Its load is released as soon as it is read.
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

// firstReceived is a stream that receives messages with a function.
type firstReceived struct {
	within
	receive func(any) error
}

// RecvMsg receives a message.
func (r *firstReceived) RecvMsg(req any) error { return r.receive(req) }

type problemKey struct{}

// problem returns the error from reading the request of ctx, or nil. Unauthorized callers must not
// see it, so it stays in the context until validation.
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
	return fault.New(fault.InvalidArgument, fault.InvalidField, "the request is not a valid message for this method")
}

func tooLarge(limit int) error {
	return fault.New(fault.ResourceExhausted, fault.MessageTooLarge, "the request exceeds the maximum size for this method").
		With("limit_bytes", strconv.Itoa(limit))
}

// A codec is the library's protobuf codec. It also releases the load of a [reply].
type codec struct {
	encoding.CodecV2
	charge func(l *load, size int)
}

func (s *Server) newCodec() codec { return codec{encoding.GetCodecV2(proto.Name), s.charge} }
