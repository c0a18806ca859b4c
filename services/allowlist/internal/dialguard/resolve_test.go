package dialguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// everything resolves each name to one address.
type everything string

func (e everything) LookupNetIP(_ context.Context, network, _ string) ([]netip.Addr, error) {
	if network == "ip6" {
		return []netip.Addr{netip.MustParseAddr("::ffff:93.184.215.14")}, nil
	}
	return []netip.Addr{netip.MustParseAddr(string(e))}, nil
}

func TestNamesOfClosedAddressesAreRefused(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Resolver: everything("127.0.0.1"), Own: ownAddresses})
	for _, tt := range []struct{ name, host string }{
		{"the name of the machine itself", "localhost"},
		{"the name with a dot", "localhost."},
		{"the name in capitals", "LOCALHOST"},
		{"a name below it", "a.localhost"},
		{"the metadata by name", "metadata.google.internal"},
		{"a public name for a private address", "127.0.0.1.nip.example"},
	} {
		if allowed, err := guard.Resolve(t.Context(), tt.host); !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("%s: Resolve(%q) = %v, %v, want ErrForbidden", tt.name, tt.host, allowed, err)
		}
	}
}

func TestNameTricksAreRefused(t *testing.T) {
	t.Parallel()
	// A name that reached the DNS would be allowed.
	guard := dialguard.New(dialguard.Options{Resolver: everything("93.184.215.14"), Own: ownAddresses})
	for _, tt := range []struct{ name, host string }{
		{"a decimal address", "2130706433"},
		{"a decimal address with a trailing dot", "2130706433."},
		{"a hexadecimal address", "0x7f000001"},
		{"a hexadecimal address in capitals", "0X7F000001"},
		{"hexadecimal parts", "0x7f.0x0.0x0.0x1"},
		{"an octal address", "017700000001"},
		{"octal parts", "0177.0.0.1"},
		{"leading zeros", "127.000.000.001"},
		{"two parts", "127.1"},
		{"three parts", "127.0.1"},
		{"a single zero", "0"},
		{"mixed parts", "0x7f.1"},
		{"a part too large", "127.0.0.256"},
		{"five parts", "127.0.0.1.1"},
		{"a trailing dot", "127.0.0.1."},
		{"the metadata address with a trailing dot", "169.254.169.254."},
		{"wide digits", "１２７.0.0.1"},
		{"wide dots", "127。0。0。1"},
		{"circled letters", "ⓛocalhost"},
		{"a name in its own script", "bücher.example"},
		{"a soft hyphen", "local\u00adhost"},
		{"a zero byte", "127.0.0.1\x00.example.com"},
		{"user information", "example.com@127.0.0.1"},
		{"a port in the host", "127.0.0.1:80"},
		{"a path in the host", "127.0.0.1/.example.com"},
		{"a fragment in the host", "127.0.0.1#.example.com"},
		{"a backslash in the host", `127.0.0.1\.example.com`},
		{"a percent-encoding in the host", "%31%32%37.0.0.1"},
		{"white space", " 127.0.0.1"},
		{"a line break", "127.0.0.1\r\n"},
		{"an address in brackets", "[127.0.0.1]"},
		{"loopback in brackets", "[::1]"},
		{"mapped in brackets", "[::ffff:7f00:1]"},
		{"a bracket that does not close", "[::1"},
		{"a bracket that does not open", "::1]"},
		{"a zone in brackets", "[fe80::1%25eth0]"},
		{"nothing", ""},
		{"only a dot", "."},
		{"an empty label", "a..example.com"},
		{"a label too long", strings.Repeat("a", 64) + ".example.com"},
		{"a name too long", strings.Repeat("a.", 126) + "example.com"},
	} {
		allowed, err := guard.Resolve(t.Context(), tt.host)
		if !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("%s: Resolve(%q) = %v, %v, want ErrForbidden", tt.name, tt.host, allowed, err)
		}
		if len(tt.host) > 1 && err != nil && strings.Contains(err.Error(), tt.host) {
			t.Errorf("%s: the error repeats the host: %v", tt.name, err)
		}
	}
}

func TestResolveReturnsWhatPasses(t *testing.T) {
	t.Parallel()
	guard := dialguard.New(dialguard.Options{Own: ownAddresses, Resolver: &resolver{names: map[string][][]string{
		"public.example.":  {{"93.184.215.14", "2606:2800:21f:cb07::1", "93.184.215.14"}},
		"mixed.example.":   {{"10.0.0.1", "93.184.215.14", "fd00:ec2::254"}},
		"private.example.": {{"10.0.0.1", "::1"}},
		"mapped.example.":  {{"::ffff:93.184.215.14"}},
	}}})
	for _, tt := range []struct {
		host string
		want []string
		err  error
	}{
		{"public.example", []string{"93.184.215.14", "2606:2800:21f:cb07::1"}, nil},
		{"Public.Example.", []string{"93.184.215.14", "2606:2800:21f:cb07::1"}, nil},
		{"mixed.example", []string{"93.184.215.14"}, nil},
		{"93.184.215.14", []string{"93.184.215.14"}, nil},
		{"[2606:2800:21f:cb07::1]", []string{"2606:2800:21f:cb07::1"}, nil},
		{"private.example", nil, dialguard.ErrForbidden},
		{"mapped.example", nil, dialguard.ErrForbidden},
		{"10.0.0.1", nil, dialguard.ErrForbidden},
		{"none.example", nil, dialguard.ErrUnresolved},
	} {
		allowed, err := guard.Resolve(t.Context(), tt.host)
		var got []string
		for _, addr := range allowed {
			got = append(got, addr.String())
		}
		if !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
			t.Errorf("Resolve(%s) = %v, %v, want %v, %v", tt.host, got, err, tt.want, tt.err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := guard.Resolve(over, "none.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve after the end = %v, want context.Canceled", err)
	}
}

func TestRebindingGainsNothing(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	guard := dialguard.New(dialguard.Options{Own: ownAddresses, Resolver: &resolver{names: map[string][][]string{
		"rebind.example.": {{"93.184.215.14"}, {"127.0.0.1"}},
	}}})
	if _, err := guard.Resolve(t.Context(), "rebind.example"); err != nil {
		t.Fatalf("Resolve = %v, want the first answer to pass", err)
	}
	conn, err := guard.DialContext(t.Context(), "tcp", "rebind.example:"+port)
	if conn != nil || !errors.Is(err, dialguard.ErrForbidden) {
		t.Errorf("DialContext = %v, want ErrForbidden", err)
	}
	// If the caller resolves the name by itself, the address of the connection decides.
	dialer := net.Dialer{ControlContext: guard.Control}
	if conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String()); conn != nil || !errors.Is(err, dialguard.ErrForbidden) {
		t.Errorf("dialing with Control = %v, want ErrForbidden", err)
	}
}

func FuzzResolve(f *testing.F) {
	for _, seed := range []string{"example.com", "127.0.0.1", "[::1]", "0x7f.1", "fe80::1%eth0", "１２７.0.0.1", "[", "."} {
		f.Add(seed)
	}
	guard := dialguard.New(dialguard.Options{Resolver: everything("127.0.0.1"), Own: ownAddresses})
	f.Fuzz(func(t *testing.T, host string) {
		allowed, err := guard.Resolve(t.Context(), host)
		if err != nil {
			return
		}
		// All names resolve to refused addresses, so only a public address gets here.
		addr, parsed := netip.ParseAddr(strings.Trim(host, "[]."))
		if parsed != nil || len(allowed) != 1 || allowed[0] != addr || guard.Check(addr) != nil {
			t.Errorf("Resolve(%q) = %v", host, allowed)
		}
	})
}
