// Package dialguard prevents calls to partners' hosts from reaching internal networks.
//
// Anyone who can choose a URL that a server then calls can make the server reach addresses that
// only it can reach: its own ports, neighboring machines, the metadata service of its cloud
// (server-side request forgery). A [Guard] refuses such calls. It checks addresses, never names,
// and it checks the address of the connection: a name that resolves to a harmless address when it
// is checked and to another one when it is called gains nothing.
//
// # Promises
//
//   - Only addresses that are reachable all over the Internet are allowed.
//     Refused are private, loopback, link-local, shared (carrier-grade NAT),
//     multicast, broadcast, unspecified, documentation, benchmarking, and
//     reserved ranges, the metadata addresses of clouds, the machine's own
//     addresses, and each way of embedding an IPv4 address in an IPv6 one;
//     the list is in address.go.
//   - Addresses with a zone, and names that some programs interpret as an IPv4
//     address in an odd spelling (`2130706433`, `0x7f.1`), are refused.
//   - Only [Options.Open] opens a range, and only that range. An IPv6 address
//     that embeds an IPv4 one always stays closed, except for NAT64, where the
//     prefix and the IPv4 address must both be allowed.
//   - [Guard.HTTPClient] follows no redirects, uses no proxy and no plain HTTP,
//     and limits time, headers, and body.
//
// No error names the host or the address.
//
// # Fit
//
// [Guard.Resolve] returns the allowed addresses of a host, for callers that connect by themselves.
// They are protected only if they connect to one of these.
package dialguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

var (
	// ErrForbidden is in the error chain for a forbidden address, or for a host that has only
	// forbidden addresses.
	ErrForbidden = errors.New("the address must not be connected to")
	// ErrUnresolved is in the error chain for a host without addresses.
	ErrUnresolved = errors.New("the host does not resolve")
)

// resolveBound is the maximum time to resolve one host.
const resolveBound = 5 * time.Second

// A Resolver looks up the addresses of names. [*net.Resolver] is a Resolver.
type Resolver interface {
	// LookupNetIP returns the addresses of a host. The network is `ip4` or `ip6`.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options are the settings of a guard. The zero Options open no range and use the resolver of the
// system.
type Options struct {
	// Open holds ranges that are allowed although the guard's rules would refuse them.
	Open []netip.Prefix
	// Resolver, if not nil, resolves names.
	Resolver Resolver
	// Own, if not nil, returns the machine's own addresses.
	Own func() ([]net.Addr, error)
}

// A Guard checks addresses before connections are made. It is safe for concurrent use.
type Guard struct {
	open     []netip.Prefix
	resolver Resolver
	own      func() ([]net.Addr, error)

	mu       sync.Mutex
	ours     map[netip.Addr]bool
	lookedUp time.Time
}

// New returns a guard.
func New(o Options) *Guard {
	g := &Guard{open: slices.Clone(o.Open), resolver: o.Resolver, own: o.Own}
	if g.resolver == nil {
		g.resolver = NewResolver()
	}
	if g.own == nil {
		g.own = net.InterfaceAddrs
	}
	return g
}

// Resolve returns the allowed addresses of a host, IPv4 addresses first. The host is an IP
// address, in brackets or not, or a DNS name in its ASCII form. A name is used unchanged: no
// search list of the system completes it.
//
// It fails with ErrForbidden if the host has addresses but none is allowed, and if the host is
// neither an address nor a name; with ErrUnresolved if it has no addresses; and with the context's
// error if that has ended.
func (g *Guard) Resolve(ctx context.Context, host string) (allowed []netip.Addr, err error) {
	addr, name, err := parseHost(host)
	if err != nil {
		return nil, err
	}
	if name == "" {
		if err := g.Check(addr); err != nil {
			return nil, err
		}
		return []netip.Addr{addr}, nil
	}
	found, err := g.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, addr := range found {
		if err = g.Check(addr); err == nil && !slices.Contains(allowed, addr) {
			allowed = append(allowed, addr)
		}
	}
	if allowed == nil {
		return nil, err
	}
	return allowed, nil
}

// lookUp returns all addresses of a name. It asks for the two families separately, because
// otherwise an IPv4 address cannot be distinguished from an IPv6 address that maps it.
func (g *Guard) lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	bounded, cancel := context.WithTimeout(ctx, resolveBound)
	defer cancel()
	var v4, v6 []netip.Addr
	var families sync.WaitGroup
	// A family that fails has no addresses: the other one may have some.
	families.Go(func() { v4, _ = g.resolver.LookupNetIP(bounded, "ip4", name+".") })
	families.Go(func() { v6, _ = g.resolver.LookupNetIP(bounded, "ip6", name+".") })
	families.Wait()
	for i := range v4 {
		v4[i] = v4[i].Unmap()
	}
	switch all := slices.Concat(v4, v6); {
	case len(all) > 0:
		return all, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("resolve: %w", ctx.Err())
	default:
		return nil, fmt.Errorf("resolve: %w", ErrUnresolved)
	}
}
