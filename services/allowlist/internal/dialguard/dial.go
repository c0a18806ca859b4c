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
	// connectBound is the maximum time to connect to one address.
	connectBound = 3 * time.Second
	// connectMost is the maximum number of addresses of a host that are tried. A host with hundreds
	// of addresses is not worth the time, or is malicious.
	connectMost = 4
)

// DialContext connects to a `host:port` over TCP. It checks each address that the host resolves
// to, and checks the address again when it connects.
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

// Control is for [net.Dialer.ControlContext]: it checks the address right before the connection,
// however it was resolved. It allows only TCP.
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

// NewResolver returns a resolver that asks the given DNS servers in turn, or by default those of
// the system. It never passes a name to the C library, which interprets odd spellings as
// addresses. Its queries are not subject to a guard: the operator chooses the servers.
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
