package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"google.golang.org/grpc"
)

// A Pool is several connections to one service, which take turns. One connection reads all its
// responses in one goroutine, so that a single connection would keep one core busy while the others
// wait.
type Pool struct {
	conns []*grpc.ClientConn
	turn  atomic.Uint32
}

// newPool returns a pool with one connection for each core.
func newPool(address string, options ...grpc.DialOption) (*Pool, error) {
	p := new(Pool)
	for range runtime.GOMAXPROCS(0) {
		conn, err := grpc.NewClient(address, options...)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", address, err), p.Close())
		}
		p.conns = append(p.conns, conn)
	}
	return p, nil
}

// next returns the connection whose turn it is.
func (p *Pool) next() *grpc.ClientConn {
	return p.conns[p.turn.Add(1)%uint32(len(p.conns))]
}

// Invoke makes a call over the next connection.
func (p *Pool) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	return p.next().Invoke(ctx, method, request, response, options...)
}

// NewStream begins a stream over the next connection.
func (p *Pool) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	return p.next().NewStream(ctx, desc, method, options...)
}

// Close closes all connections.
func (p *Pool) Close() error {
	var errs []error
	for _, conn := range p.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
