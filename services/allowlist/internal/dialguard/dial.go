package dialguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// connectBound is how long one address may take to answer.
	connectBound = 3 * time.Second
	// connectMost is how many addresses of a host are tried. A host that has
	// hundreds is not worth the time, or means harm.
	connectMost = 4
)

// DialContext connects to a `host:port` over TCP. Each address that the host
// resolves to is judged, and the one that is connected to is judged again.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, forbidden()
	}
	addrs, err := g.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: connectBound, ControlContext: g.Control}
	failures := make([]error, 0, connectMost)
	for _, addr := range addrs[:min(len(addrs), connectMost)] {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("connect: %w", errors.Join(failures...))
}

// Control is for [net.Dialer.ControlContext]: it refuses the address that is about
// to be connected to, whatever it was resolved from. Only TCP passes.
func (g *Guard) Control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return forbidden()
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return forbidden()
	}
	return g.Check(target.Addr())
}

// NewResolver returns a resolver that asks the given DNS servers in turn, or those
// of the system if there are none. It never hands a name to the C library, which
// takes odd spellings for addresses. What it asks is not subject to a guard: the
// servers are the operator's choice.
func NewResolver(servers ...netip.AddrPort) *net.Resolver {
	if len(servers) == 0 {
		return &net.Resolver{PreferGo: true}
	}
	var turn atomic.Uint64
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		server := servers[(turn.Add(1)-1)%uint64(len(servers))]
		return new(net.Dialer).DialContext(ctx, network, server.String())
	}}
}
