package dialguard

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// closed holds the ranges that are not reachable all over the Internet, or that lead to another
// address: the special-purpose registries of IANA, and the additions of cloud providers.
var closed = prefixes(
	"0.0.0.0/8",        // this network; 0.0.0.0 connects to the machine itself
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared: carrier-grade NAT, and a metadata address in it
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // the host of a virtual machine, in one cloud
	"169.254.0.0/16",   // link-local, and most metadata addresses in it
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments, and a metadata address in it
	"192.0.2.0/24",     // documentation
	"192.31.196.0/24",  // AS112: the nearest server answers
	"192.52.193.0/24",  // multicast tunnels
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"192.175.48.0/24",  // AS112
	"198.18.0.0/15",    // benchmarking
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, and the broadcast address

	// Of IPv6, only 2000::/3 is allocated; see Check. These are parts of it.
	"2001::/23",         // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3ffe::/16",         // returned
	"3fff::/20",         // documentation
)

var (
	global = netip.MustParsePrefix("2000::/3")     // all allocated IPv6 addresses
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // IPv4 through a translator
)

// ownFor is the time for which the machine's own addresses are cached.
const ownFor = 5 * time.Second

// Check returns an error with ErrForbidden in its chain if connections to an address are
// forbidden.
func (g *Guard) Check(addr netip.Addr) error {
	switch {
	case !addr.IsValid(), addr.Zone() != "", addr.Is4In6():
		return forbidden()
	case g.opened(addr):
		if nat64.Contains(addr) {
			last := addr.As16()
			return g.Check(netip.AddrFrom4([4]byte(last[12:])))
		}
		return nil
	case addr.Is6() && (!global.Contains(addr) || isISATAP(addr)):
		return forbidden()
	case slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return forbidden()
	}
	ours, err := g.isOwn(addr)
	if err != nil {
		return err
	}
	if ours {
		return forbidden()
	}
	return nil
}

func forbidden() error { return fmt.Errorf("dial guard: %w", ErrForbidden) }

func (g *Guard) opened(addr netip.Addr) bool {
	return slices.ContainsFunc(g.open, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// isISATAP reports whether the second half of an IPv6 address contains an IPv4 address as RFC 5214
// defines.
func isISATAP(addr netip.Addr) bool {
	b := addr.As16()
	return b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// isOwn reports whether an address belongs to the machine. It fails if that cannot be determined.
func (g *Guard) isOwn(addr netip.Addr) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ours == nil || time.Since(g.lookedUp) > ownFor {
		addrs, err := g.own()
		if err != nil {
			return false, fmt.Errorf("list own addresses: %w", err)
		}
		g.ours, g.lookedUp = make(map[netip.Addr]bool, len(addrs)), time.Now()
		for _, a := range addrs {
			if network, ok := a.(*net.IPNet); ok {
				own, _ := netip.AddrFromSlice(network.IP)
				g.ours[own.Unmap()] = true
			}
		}
	}
	return g.ours[addr], nil
}

// parseHost parses a host as an address or a name, in lower case and without a final dot. It
// refuses hosts that are neither, and unusual spellings that some programs interpret as an
// address.
func parseHost(host string) (addr netip.Addr, name string, err error) {
	bare := host
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if bare, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(bare, ":") {
			return netip.Addr{}, "", forbidden()
		}
	}
	if addr, err := netip.ParseAddr(strings.TrimSuffix(bare, ".")); err == nil {
		return addr, "", nil
	}
	name = strings.ToLower(strings.TrimSuffix(bare, "."))
	if len(name) > 253 {
		return netip.Addr{}, "", forbidden()
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return netip.Addr{}, "", forbidden()
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return netip.Addr{}, "", forbidden()
	}
	return netip.Addr{}, name, nil
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
