package destination_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/destination"
)

func TestEntriesHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a DNS name", "api.partner.example", "api.partner.example"},
		{"one label", "localhost", "localhost"},
		{"an internationalized name in its ASCII form", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"an IPv4 address", "192.0.2.7", "192.0.2.7"},
		{"an IPv6 address", "2001:db8::1", "2001:db8::1"},
		{"an IPv6 address whose last group looks like a port", "2001:db8::8443", "2001:db8::8443"},
		{"an IPv4-mapped IPv6 address", "::ffff:192.0.2.7", "::ffff:192.0.2.7"},
		{"a port", "api.partner.example:8443", "api.partner.example:8443"},
		{"the port of plain HTTP", "api.partner.example:80", "api.partner.example:80"},
		{"the highest port", "api.partner.example:65535", "api.partner.example:65535"},
		{"the port that no port means", "api.partner.example:443", "api.partner.example"},
		{"an IPv4 address and a port", "192.0.2.7:8443", "192.0.2.7:8443"},
		{"an IPv6 address and a port", "[2001:db8::1]:8443", "[2001:db8::1]:8443"},
		{"an IPv6 address and the port that no port means", "[2001:db8::1]:443", "2001:db8::1"},
		{"an IPv4-mapped IPv6 address and a port", "[::ffff:192.0.2.7]:8443", "[::ffff:192.0.2.7]:8443"},
	} {
		got, err := destination.Parse(tt.text)
		if err != nil || got.String() != tt.want {
			t.Errorf("%s: Parse(%q) = %q, %v, want %q", tt.name, tt.text, got, err, tt.want)
		}
	}
}

func TestOtherEntriesAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text string }{
		{"nothing", ""},
		{"upper case", "API.partner.example"},
		{"upper case and a port", "API.partner.example:8443"},
		{"a scheme", "https://api.partner.example"},
		{"a path", "api.partner.example/v1"},
		{"user information", "user@api.partner.example"},
		{"a wildcard", "*.partner.example"},
		{"a wildcard for the port", "api.partner.example:*"},
		{"a trailing dot", "api.partner.example."},
		{"a trailing dot and a port", "api.partner.example.:8443"},
		{"an empty label", "api..example"},
		{"a hyphen at the start of a label", "-api.example"},
		{"an IPv6 address in brackets without port", "[2001:db8::1]"},
		{"an IPv6 address in another form", "2001:DB8:0::1"},
		{"an IPv6 address in another form and a port", "[2001:DB8:0::1]:8443"},
		{"an address with a zone", "fe80::1%eth0"},
		{"an address with a zone and a port", "[fe80::1%eth0]:8443"},
		{"a name in brackets", "[api.partner.example]:8443"},
		{"an IPv4 address in brackets", "[192.0.2.7]:8443"},
		{"a name that looks like an address", "1.2.3"},
		{"an address in hexadecimal", "0x7f000001"},
		{"an address with leading zeros", "192.0.02.7"},
		{"a long label", strings.Repeat("a", 64) + ".example"},
		{"a long name", strings.Repeat("abcdefg.", 32) + "example"},
		{"letters beyond ASCII", "bücher.example"},
		{"full-width digits in the port", "a.example:８４４３"},
		{"an empty port", "a.example:"},
		{"port zero", "a.example:0"},
		{"a port that is too great", "a.example:65536"},
		{"a leading zero", "a.example:08443"},
		{"a leading zero before 443", "a.example:0443"},
		{"a sign", "a.example:+8443"},
		{"a space", "a.example: 8443"},
		{"two ports", "a.example:80:443"},
		{"a port alone", ":8443"},
		{"the name of a service", "a.example:https"},
	} {
		if got, err := destination.Parse(tt.text); err == nil {
			t.Errorf("%s: Parse(%q) = %q, want an error", tt.name, tt.text, got)
		}
	}
}

func TestAHostAloneHasNoPort(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"api.partner.example": true, "192.0.2.7": true, "2001:db8::1": true, "xn--bcher-kva.example": true,
		"api.partner.example:443": false, "[2001:db8::1]": false, "[2001:db8::1]:8443": false, "API.partner.example": false,
		"api.partner.example.": false, "fe80::1%eth0": false, "": false, "[": false,
	} {
		if got, err := destination.ParseHost(text); (err == nil) != ok || ok && got != text {
			t.Errorf("ParseHost(%q) = %q, %v, want success: %v", text, got, err, ok)
		}
	}
}

func TestAuthoritiesInAnySpellingAreOneDestination(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want, authority string }{
		{"no port", "a.example", "a.example", "a.example"},
		{"an empty port", "a.example:", "a.example", "a.example"},
		{"the default port", "a.example:443", "a.example", "a.example"},
		{"the default port with a zero", "a.example:0443", "a.example", "a.example"},
		{"upper case", "A.Example:8443", "a.example:8443", "a.example:8443"},
		{"a trailing dot", "a.example.:8443", "a.example:8443", "a.example:8443"},
		{"an internationalized name", "BÜCHER.example:8443", "xn--bcher-kva.example:8443", "xn--bcher-kva.example:8443"},
		{"an ideographic full stop", "a。example", "a.example", "a.example"},
		{"an IPv6 address", "[2001:DB8:0::1]", "2001:db8::1", "[2001:db8::1]"},
		{"an IPv6 address and a port", "[2001:DB8:0::1]:8443", "[2001:db8::1]:8443", "[2001:db8::1]:8443"},
	} {
		got, err := destination.ParseAuthority(tt.text)
		if err != nil || got.String() != tt.want || got.Authority() != tt.authority {
			t.Errorf("%s: ParseAuthority(%q) = %q (%q), %v, want %q", tt.name, tt.text, got, got.Authority(), err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"api.partner.example", "api.partner.example:8443", "a.example:443", "a.example:0443", "192.0.2.7:80", "2001:db8::1",
		"[2001:db8::1]:443", "[::ffff:192.0.2.7]:1", "fe80::1%eth0", "a:1", "1.2.3", "[", "]:1", "xn--bcher-kva.example:65535",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := destination.Parse(text)
		if err != nil {
			if d != (destination.Destination{}) {
				t.Errorf("Parse(%q) = %q beside an error", text, d)
			}
			return
		}
		if again, err := destination.Parse(d.String()); err != nil || again != d {
			t.Errorf("Parse(%q) = %q, and of that %q, %v", text, d, again, err)
		}
		if text != d.String() && text != d.Authority()+":443" {
			t.Errorf("Parse(%q) = %q: two spellings of one entry", text, d)
		}
		sameAuthority(t, d)
	})
}

func FuzzParseAuthority(f *testing.F) {
	for _, seed := range []string{
		"a.example", "A.Example.:443", "[::1]:1", "BÜCHER.example", "xn--bcher-kva.example:", "1.2.3.4:08", "[::1", "a.example:+80", "a。example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := destination.ParseAuthority(text)
		if err != nil {
			return
		}
		if again, err := destination.Parse(d.String()); err != nil || again != d {
			t.Errorf("ParseAuthority(%q) = %q, and Parse of that %q, %v", text, d, again, err)
		}
		sameAuthority(t, d)
	})
}

// sameAuthority fails unless the destination reads the same from a URL.
func sameAuthority(t *testing.T, d destination.Destination) {
	t.Helper()
	if again, err := destination.ParseAuthority(d.Authority()); err != nil || again != d {
		t.Errorf("ParseAuthority(%q) = %q, %v, want %q", d.Authority(), again, err, d)
	}
	if host, err := destination.ParseHost(d.Host); err != nil || host != d.Host {
		t.Errorf("ParseHost(%q) = %q, %v", d.Host, host, err)
	}
	if d.Port == 0 || strings.ContainsAny(d.Host, "/@?#[]* %") {
		t.Errorf("the destination %q is none", d)
	}
}
