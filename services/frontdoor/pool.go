package frontdoor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
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

// next returns the connection whose turn it is. While that one fails to connect, another one that is
// ready takes its turn: after a restart of the service, the first call that succeeds is therefore
// followed by others that do.
func (p *Pool) next() *grpc.ClientConn {
	turn := p.turn.Add(1)
	count := uint32(len(p.conns))
	conn := p.conns[turn%count]
	switch conn.GetState() {
	case connectivity.TransientFailure, connectivity.Connecting:
	default:
		return conn
	}
	for i := range count - 1 {
		if other := p.conns[(turn+1+i)%count]; other.GetState() == connectivity.Ready {
			conn.ResetConnectBackoff() // the service is back
			return other
		}
	}
	return conn
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
