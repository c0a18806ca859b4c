package server

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/quota"
	"github.com/keyward/keyward/pkg/telemetry"
)

// A request is the state of one request. The steps of the chain are its methods. It is also the
// context of the request, so that the steps add nothing to the library's context: it answers for
// the ID of the request and for its caller itself.
type request struct {
	context.Context
	server *Server
	method *method
	wire   wire // set by identify
	begin  time.Time
	id     string
	// caller is zero before authentication and for open methods.
	caller auth.Principal
	visit  quota.Visit
	load   load
	// resource is the one that the request names, if the caller is authorized for it.
	resource auth.Resource
	// problem is an error from reading the request. Unauthorized callers must not see it, so it
	// waits for validation.
	problem error
	// recorded means that the access record of the request was written.
	recorded bool
	response any
	// header is the space for the prefix of a message.
	header [headerBytes]byte
}

func (s *Server) newRequest(ctx context.Context, m *method) *request {
	return &request{Context: ctx, server: s, method: m, begin: time.Now(), load: load{bodies: &s.bodies}}
}

// Value returns the ID and the caller of the request, and otherwise the library's values.
func (r *request) Value(key any) any {
	switch key.(type) {
	case telemetry.RequestIDKey:
		return &r.id
	case auth.PrincipalKey:
		return &r.caller
	}
	return r.Context.Value(key)
}

// A wire is the set of methods of the library's stream that the chain uses. Those that read are
// undocumented. A stream without them, from another version of the library, is not served.
type wire interface {
	// SetHeader adds to the headers of the response.
	SetHeader(md metadata.MD) error
	// SendHeader sends the headers of the response.
	SendHeader(md metadata.MD) error
	// RecvCompress returns the encoding of the messages.
	RecvCompress() string
	// ReadMessageHeader reads the five bytes before a message.
	ReadMessageHeader(header []byte) error
	// Read reads n bytes.
	Read(n int) (mem.BufferSlice, error)
}

// wireOf returns the library's stream.
func wireOf(ctx context.Context) (wire, error) {
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(wire)
	if !ok {
		return nil, errors.New("the library's stream is not one that can be read")
	}
	return w, nil
}
