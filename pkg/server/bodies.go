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

// What requests under way weigh is bounded: their bytes are taken from a budget, of
// which each principal and each workspace has a share. A request weighs from before it is
// read until its response was sent, and the response weighs, too: a caller who does not
// read what they asked for cannot ask for more.
//
// The workspace is known only when the request was read. Of principals who belong to one
// only it is known before.

// bodies are the two budgets that each request is taken from.
type bodies struct{ principals, workspaces *quota.Budget }

func newBodies(total int64, metrics prometheus.Registerer) (bodies, error) {
	b := bodies{quota.NewBudget(total, fault.QuotaCaller), quota.NewBudget(total, fault.QuotaWorkspace)}
	taken := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyward_body_bytes",
		Help: "Bytes of requests under way, and of responses that were not sent yet, as far as limits.body_bytes bounds them.",
	}, func() float64 { return float64(b.principals.Taken()) })
	if err := metrics.Register(taken); err != nil {
		return b, fmt.Errorf("register metrics: %w", err)
	}
	return b, nil
}

// A load is what one request has of the budgets.
type load struct {
	size      int
	principal string
	workspace string // empty: none yet

	mutex sync.Mutex
	taken []func()
}

type loadKey struct{}

// give gives back what was taken.
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

// take takes the bytes of a request that is about to be read.
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

// takeOf takes the bytes of a request from what a workspace may have, unless they were
// taken from it before.
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

// weighed is the step that counts a request as one of its workspace. The principal may
// be heard there: else some would fill a workspace that is not theirs.
func (s *Server) weighed(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if l, ok := ctx.Value(loadKey{}).(*load); ok {
		if err := s.takeOf(s.steps.guard.Workspace(info.FullMethod, req), l); err != nil {
			return nil, err
		}
	}
	return handler(ctx, req)
}

// charge adds the bytes of the response, which are there, whatever the share.
func (s *Server) charge(l *load, size int) {
	if l.principal == "" {
		return
	}
	l.keep(s.bodies.principals.Charge(l.principal, size))
	if l.workspace != "" {
		l.keep(s.bodies.workspaces.Charge(l.workspace, size))
	}
}

// A reply is a response with what its request has taken.
type reply struct {
	response any
	load     *load
}

// Marshal encodes a message. What the request has taken is given back when the library
// has sent the response, or never will.
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
	if err != nil || mem.IsBelowBufferPoolingThreshold(cap(data)) { // these are not told of
		r.load.give()
		return mem.BufferSlice{mem.SliceBuffer(data)}, err
	}
	c.charge(r.load, len(data))
	return mem.BufferSlice{mem.NewBuffer(&data, sent{r.load})}, nil
}

// sent is told when a buffer is not used any more.
type sent struct{ load *load }

// Get is not called: nothing takes a buffer from here.
func (sent) Get(length int) *[]byte {
	data := make([]byte, length)
	return &data
}

// Put erases a buffer whose bytes were sent, which may be those of a secret, and gives
// back what its request had taken.
func (s sent) Put(data *[]byte) {
	clear(*data)
	s.load.give()
}
