package server

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

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
	bodies *bodies
	size   int

	mutex                 sync.Mutex // the response is sent by another goroutine
	principal, workspaces quota.Share
	workspace             string // empty: none yet
}

// give returns the bytes to the budgets.
func (l *load) give() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.principal.Give()
	l.workspaces.Give()
}

// charge adds the bytes of the response, even if they exceed the shares.
func (l *load) charge(size int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.principal.Charge(size)
	l.workspaces.Charge(size)
}

// takeOf takes the bytes of a request from the share of a workspace, unless that was done before.
func (l *load) takeOf(workspace string) (err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if workspace == "" || workspace == l.workspace {
		return nil
	}
	l.workspaces.Give()
	l.workspaces, err = l.bodies.workspaces.Take(workspace, l.size)
	if err == nil {
		l.workspace = workspace
	}
	return err
}

// take takes the bytes of a request before it is read.
func (r *request) take(size int) (err error) {
	if r.method.open {
		return nil
	}
	l := &r.load
	l.size = size
	if l.principal, err = l.bodies.principals.Take(r.caller.Subject, size); err != nil {
		return err
	}
	return l.takeOf(r.caller.OnlyWorkspace())
}

// weigh is the step that counts a request for its workspace. The principal is authorized for the
// workspace at this point, so no one can use up the share of another workspace.
func (r *request) weigh() error { return r.load.takeOf(r.resource.Workspace()) }

// Marshal encodes a message. The load of a request is released when the library has sent the
// response or dropped it.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	r, ok := v.(*request)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	message, ok := r.response.(proto.Message)
	if !ok {
		r.load.give()
		return nil, fmt.Errorf("response of type %T is no message", r.response)
	}
	data, err := encode(message)
	// It may contain a secret, and the request stays until the response was sent.
	r.response = nil
	if err != nil {
		r.load.give()
		return nil, err
	}
	if mem.IsBelowBufferPoolingThreshold(len(*data)) { // the library does not report that it sent these
		r.load.give()
		return mem.BufferSlice{mem.SliceBuffer(*data)}, nil
	}
	r.load.charge(len(*data))
	return mem.BufferSlice{mem.NewBuffer(data, sent{&r.load})}, nil
}

// encode encodes a message, in a buffer of the library's pool if it is large enough for [sent] to give
// the buffer back. The messages of the contract have generated code for it, which takes a quarter of
// the time.
func encode(message proto.Message) (*[]byte, error) {
	generated, ok := message.(interface {
		SizeVT() int
		MarshalToSizedBufferVT(data []byte) (int, error)
	})
	if !ok {
		data, err := proto.Marshal(message)
		return &data, err
	}
	size := generated.SizeVT()
	data := new([]byte)
	if mem.IsBelowBufferPoolingThreshold(size) {
		*data = make([]byte, size)
	} else {
		data = mem.DefaultBufferPool().Get(size)
	}
	_, err := generated.MarshalToSizedBufferVT(*data)
	return data, err
}

// sent releases a load when its buffer is no longer used.
type sent struct{ load *load }

// Get is never called: buffers are not taken from this pool.
func (sent) Get(length int) *[]byte { return mem.DefaultBufferPool().Get(length) }

// Put erases a sent buffer, which may contain a secret, and releases the load of its request.
func (s sent) Put(data *[]byte) {
	clear(*data)
	mem.DefaultBufferPool().Put(data)
	s.load.give()
}
