package server

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

// The memory of pending requests is limited: their bytes are taken from a budget in which each
// principal and each workspace has a share. The bytes count from before the request is read until
// its response has been sent, including those of the response: a caller that does not read its
// responses cannot send more requests.
//
// The workspace is known only after the request was read, except for principals with a single
// workspace.

// bodies are the two budgets that count each request.
type bodies struct{ principals, workspaces *quota.Budget }

func newBodies(total int64, metrics prometheus.Registerer) (bodies, error) {
	b := bodies{quota.NewBudget(total, fault.QuotaCaller), quota.NewBudget(total, fault.QuotaWorkspace)}
	taken := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyward_body_bytes",
		Help: "Bytes of pending requests and unsent responses that count toward limits.body_bytes.",
	}, func() float64 { return float64(b.principals.Taken()) })
	if err := metrics.Register(taken); err != nil {
		return b, fmt.Errorf("register metrics: %w", err)
	}
	return b, nil
}

// A load is the share of one request in the budgets.
type load struct {
	size      int
	principal string
	workspace string // empty: none yet

	mutex sync.Mutex
	taken []func()
}

type loadKey struct{}

// give returns the bytes to the budgets.
func (l *load) give() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, give := range l.taken {
		give()
	}
	l.taken = nil
}

func (l *load) keep(give func()) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.taken = append(l.taken, give)
}

// take takes the bytes of a request before it is read.
func (s *Server) take(ctx context.Context, method string, size int, l *load) error {
	if auth.Open(method) {
		return nil
	}
	p := auth.FromContext(ctx)
	give, err := s.bodies.principals.Take(p.Subject, size)
	if err != nil {
		return err
	}
	l.size, l.principal = size, p.Subject
	l.keep(give)
	return s.takeOf(p.OnlyWorkspace(), l)
}

// takeOf takes the bytes of a request from the share of a workspace, unless that was done before.
func (s *Server) takeOf(workspace string, l *load) error {
	if workspace == "" || workspace == l.workspace {
		return nil
	}
	give, err := s.bodies.workspaces.Take(workspace, l.size)
	if err != nil {
		return err
	}
	l.workspace = workspace
	l.keep(give)
	return nil
}

// weighed is the step that counts a request for its workspace. The principal is authorized for the
// workspace at this point, so no one can use up the share of another workspace.
func (s *Server) weighed(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if l, ok := ctx.Value(loadKey{}).(*load); ok {
		if err := s.takeOf(s.steps.guard.Workspace(info.FullMethod, req), l); err != nil {
			return nil, err
		}
	}
	return handler(ctx, req)
}

// charge adds the bytes of the response, even if they exceed the share.
func (s *Server) charge(l *load, size int) {
	if l.principal == "" {
		return
	}
	l.keep(s.bodies.principals.Charge(l.principal, size))
	if l.workspace != "" {
		l.keep(s.bodies.workspaces.Charge(l.workspace, size))
	}
}

// A reply is a response with the load of its request.
type reply struct {
	response any
	load     *load
}

// Marshal encodes a message. The load is released when the library has sent the response or
// dropped it.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	r, ok := v.(*reply)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	message, ok := r.response.(proto.Message)
	if !ok {
		r.load.give()
		return nil, fmt.Errorf("response of type %T is no message", r.response)
	}
	data, err := proto.Marshal(message)
	if err != nil || mem.IsBelowBufferPoolingThreshold(cap(data)) { // these buffers are not reported
		r.load.give()
		return mem.BufferSlice{mem.SliceBuffer(data)}, err
	}
	c.charge(r.load, len(data))
	return mem.BufferSlice{mem.NewBuffer(&data, sent{r.load})}, nil
}

// sent releases a load when its buffer is no longer used.
type sent struct{ load *load }

// Get is never called: buffers are not taken from this pool.
func (sent) Get(length int) *[]byte {
	data := make([]byte, length)
	return &data
}

// Put erases a sent buffer, which may contain a secret, and releases the load of its request.
func (s sent) Put(data *[]byte) {
	clear(*data)
	s.load.give()
}
