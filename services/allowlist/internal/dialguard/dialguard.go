// Package dialguard keeps calls to other people's hosts off the networks that are
// none of theirs.
//
// Whoever can name a URL that a server then calls can make the server reach what
// only it can reach: its own ports, the machines beside it, the metadata service
// of its cloud. A [Guard] refuses such calls. It judges addresses, never names, and
// it judges the address that is connected to: a name that resolves to something
// harmless when it is looked at and to something else when it is called gains
// nothing.
//
// # Promises
//
//   - Only addresses that are reachable all over the Internet pass. Refused are
//     private, loopback, link-local, shared (carrier-grade NAT), multicast,
//     broadcast, unspecified, documentation, benchmarking and reserved ranges, the
//     metadata addresses of clouds, the machine's own addresses, and each way of
//     writing an IPv4 address inside an IPv6 one; the list is in address.go.
//   - Addresses with a zone, and names that some programs read as an IPv4 address
//     in an odd spelling (`2130706433`, `0x7f.1`), are refused as they are.
//   - Only [Options.Open] opens a range, and nothing but that range. An IPv6
//     address that stands for an IPv4 one stays closed in any case, except by
//     NAT64, where the prefix and the IPv4 address must both pass.
//   - [Guard.HTTPClient] follows no redirect, asks no proxy, takes no plain HTTP,
//     and bounds time, headers and body.
//
// No error names the host or the address.
//
// # Fit
//
// [Guard.Resolve] tells which addresses of a host would pass, for those who connect
// by themselves. They are protected only if they connect to one of these.
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
	// ErrForbidden is in the chain of the error for an address, or a host all of
	// whose addresses, must not be connected to.
	ErrForbidden = errors.New("the address must not be connected to")
	// ErrUnresolved is in the chain of the error for a host without an address.
	ErrUnresolved = errors.New("the host does not resolve")
)

// resolveBound is how long the resolving of one host may take.
const resolveBound = 5 * time.Second

// A Resolver finds the addresses of names. [*net.Resolver] is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host. The network is `ip4` or `ip6`.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options are what a guard works with. The zero Options open nothing and resolve
// as the system says.
type Options struct {
	// Open are the ranges that may be connected to though the guard's rules say no.
	Open []netip.Prefix
	// Resolver, if not nil, resolves names.
	Resolver Resolver
	// Own, if not nil, returns the machine's own addresses.
	Own func() ([]net.Addr, error)
}

// A Guard judges addresses before they are connected to. It may be used from many
// goroutines.
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

// Resolve returns those addresses of a host that may be connected to, the IPv4 ones
// first. The host is an IP address, in brackets or not, or a DNS name in its ASCII
// form. A name is taken as it is: no search list of the system completes it.
//
// It fails with ErrForbidden if there are addresses but none passes, and if the
// host is neither an address nor a name; with ErrUnresolved if there are none; and
// with the context's error if that has ended.
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

// lookUp returns all addresses of a name. The two families are asked for apart,
// because only so can an IPv4 address be told from an IPv6 one that maps it.
func (g *Guard) lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	bounded, cancel := context.WithTimeout(ctx, resolveBound)
	defer cancel()
	var v4, v6 []netip.Addr
	var families sync.WaitGroup
	// A family that fails has no addresses: the other one may have.
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
