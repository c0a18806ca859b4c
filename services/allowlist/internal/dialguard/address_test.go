package dialguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// own is the machine's address in these tests, which would otherwise be allowed.
const own = "192.0.1.77"

func ownAddresses() ([]net.Addr, error) {
	return []net.Addr{
		&net.IPNet{IP: net.ParseIP(own), Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("2a01:4f8::77"), Mask: net.CIDRMask(64, 128)},
	}, nil
}

// A resolver is a fake DNS: names, each with the answers to successive queries. The last answer
// repeats.
type resolver struct {
	names map[string][][]string

	mu    sync.Mutex
	asked map[string]int // by network and name
}

func (r *resolver) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	answers := r.names[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		r.asked = make(map[string]int)
	}
	turn := r.asked[network+host]
	r.asked[network+host]++
	var found []netip.Addr
	for _, text := range answers[min(turn, len(answers)-1)] {
		if addr := netip.MustParseAddr(text); addr.Is4() == (network == "ip4") {
			found = append(found, addr)
		}
	}
	return found, nil
}

// closedAddresses are addresses that no call may reach.
var closedAddresses = []struct{ name, addr string }{
	{"unspecified", "0.0.0.0"},
	{"unspecified, which connects to the machine itself on some systems", "0.1.2.3"},
	{"loopback", "127.0.0.1"},
	{"loopback, another", "127.255.255.254"},
	{"private, of ten", "10.0.0.1"},
	{"private, the last of ten", "10.255.255.255"},
	{"private, of 172", "172.16.0.1"},
	{"private, the last of 172", "172.31.255.255"},
	{"private, of 192.168", "192.168.1.1"},
	{"shared, carrier-grade NAT", "100.64.0.1"},
	{"shared, the last", "100.127.255.255"},
	{"metadata in the shared range", "100.100.100.200"},
	{"link-local", "169.254.0.1"},
	{"metadata of most clouds", "169.254.169.254"},
	{"metadata of containers", "169.254.170.2"},
	{"time service of a cloud", "169.254.169.123"},
	{"metadata among the protocol assignments", "192.0.0.192"},
	{"NAT64 discovery", "192.0.0.170"},
	{"host of a virtual machine", "168.63.129.16"},
	{"documentation 1", "192.0.2.1"},
	{"documentation 2", "198.51.100.1"},
	{"documentation 3", "203.0.113.1"},
	{"AS112", "192.175.48.6"},
	{"AS112, delegated", "192.31.196.1"},
	{"multicast tunnel", "192.52.193.1"},
	{"6to4 relay", "192.88.99.1"},
	{"benchmarking", "198.18.0.1"},
	{"benchmarking, the last", "198.19.255.255"},
	{"multicast", "224.0.0.1"},
	{"multicast, the last", "239.255.255.255"},
	{"reserved", "240.0.0.1"},
	{"broadcast", "255.255.255.255"},
	{"own", own},
	{"own, of version 6", "2a01:4f8::77"},
	{"unspecified of version 6", "::"},
	{"loopback of version 6", "::1"},
	{"mapped loopback", "::ffff:127.0.0.1"},
	{"mapped metadata", "::ffff:a9fe:a9fe"},
	{"mapped private", "::ffff:10.0.0.1"},
	{"mapped public", "::ffff:93.184.215.14"},
	{"translated", "::ffff:0:127.0.0.1"},
	{"compatible loopback", "::127.0.0.1"},
	{"compatible public", "::93.184.215.14"},
	{"NAT64 to loopback", "64:ff9b::7f00:1"},
	{"NAT64 to metadata", "64:ff9b::169.254.169.254"},
	{"NAT64 to a public address", "64:ff9b::93.184.215.14"},
	{"NAT64 of local use", "64:ff9b:1::10.0.0.1"},
	{"discard", "100::1"},
	{"Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"},
	{"benchmarking of version 6", "2001:2::1"},
	{"ORCHID", "2001:10::1"},
	{"ORCHID, the second", "2001:20::1"},
	{"anycast assignment", "2001:1::1"},
	{"documentation of version 6", "2001:db8::1"},
	{"documentation of version 6, the second", "3fff::1"},
	{"6to4 to loopback", "2002:7f00:1::"},
	{"6to4 to private", "2002:a00:1::1"},
	{"6to4 to a public address", "2002:5db8:d70e::1"},
	{"6bone", "3ffe::1"},
	{"AS112 of version 6", "2620:4f:8000::1"},
	{"ISATAP to private", "2a01:4f8:1:2:0:5efe:10.0.0.1"},
	{"ISATAP to a public address", "2a01:4f8:1:2:200:5efe:93.184.215.14"},
	{"unique local", "fd12:3456:789a::1"},
	{"unique local, the other half", "fc00::1"},
	{"metadata of version 6", "fd00:ec2::254"},
	{"metadata of version 6, another cloud", "fd20:ce::254"},
	{"link-local of version 6", "fe80::1"},
	{"link-local with a zone", "fe80::1%eth0"},
	{"a public address with a zone", "2606:2800:21f:cb07::1%eth0"},
	{"site-local", "fec0::1"},
	{"multicast of version 6", "ff02::1"},
	{"multicast of version 6, global", "ff0e::1"},
	{"segment routing", "5f00::1"},
	{"not allocated", "4000::1"},
	{"not allocated, high", "e000::1"},
}

func TestClosedAddressesAreRefused(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Own: ownAddresses})
	for _, tt := range closedAddresses {
		addr := netip.MustParseAddr(tt.addr)
		if err := guard.Check(addr); !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("%s: Check(%s) = %v, want ErrForbidden", tt.name, addr, err)
		}
		network := "tcp6"
		if addr.Is4() {
			network = "tcp4"
		}
		target := net.JoinHostPort(tt.addr, "443")
		if err := guard.Control(t.Context(), network, target, nil); !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("%s: Control(%s) = %v, want ErrForbidden", tt.name, target, err)
		}
		if conn, err := guard.DialContext(t.Context(), "tcp", target); conn != nil || !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("%s: DialContext(%s) = %v, want ErrForbidden", tt.name, target, err)
		}
	}
}

func TestPublicAddressesPass(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Own: ownAddresses})
	for _, target := range []string{
		"93.184.215.14:443", "1.1.1.1:8443", "9.255.255.255:443", "11.0.0.0:443", "100.63.255.255:443", "100.128.0.0:443",
		"126.255.255.255:443", "128.0.0.1:443", "172.15.255.255:443", "172.32.0.0:443", "192.0.1.1:443", "192.167.255.255:443",
		"198.17.255.255:443", "198.20.0.0:443", "223.255.255.255:443",
		"[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443", "[2001:200::1]:443", "[2a01:4f8::78]:443", "[2001:4860:4860::8888]:443",
	} {
		network := "tcp4"
		if target[0] == '[' {
			network = "tcp6"
		}
		if err := guard.Control(t.Context(), network, target, nil); err != nil {
			t.Errorf("Control(%s) = %v, want it to pass", target, err)
		}
	}
	if err := guard.Control(t.Context(), "udp4", "93.184.215.14:443", nil); !errors.Is(err, dialguard.ErrForbidden) {
		t.Errorf("Control of UDP = %v, want ErrForbidden", err)
	}
	if err := guard.Control(t.Context(), "tcp4", "example.com:443", nil); !errors.Is(err, dialguard.ErrForbidden) {
		t.Errorf("Control of a name = %v, want ErrForbidden", err)
	}
}

func TestOnlyNamedRangesAreOpened(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Own: ownAddresses, Open: []netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/16"), netip.MustParsePrefix("64:ff9b::/96"),
		netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("fe80::/10"),
	}})
	for addr, pass := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": false, "169.254.169.254": false, "fd12::1": true, "fd13::1": false,
		"::ffff:10.1.2.3": false, "fe80::1%eth0": false, own: false,
		"64:ff9b::93.184.215.14": true, "64:ff9b::10.1.2.3": true, "64:ff9b::10.2.0.1": false, "64:ff9b::169.254.169.254": false,
	} {
		if err := guard.Check(netip.MustParseAddr(addr)); (err == nil) != pass {
			t.Errorf("Check(%s) = %v, want pass = %t", addr, err, pass)
		}
	}
}

func TestNothingPassesWhileTheOwnAddressesAreUnknown(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Own: func() ([]net.Addr, error) { return nil, errors.ErrUnsupported }})
	if err := guard.Check(netip.MustParseAddr("93.184.215.14")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Check = %v, want the error of the listing", err)
	}
}
