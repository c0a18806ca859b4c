package endpoint

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/resource"
)

func TestURLsAreBroughtToTheirNormalForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"an empty path is the root", "https://a.example", "https://a.example/"},
		{"scheme and host are lower-cased", "HTTPS://API.Example/Path", "https://api.example/Path"},
		{"the default port is dropped", "https://a.example:443/", "https://a.example/"},
		{"an empty port is dropped", "https://a.example:/", "https://a.example/"},
		{"another port is kept, without zeros", "https://a.example:08443/", "https://a.example:8443/"},
		{"the trailing dot is dropped", "https://a.example./", "https://a.example/"},
		{"dot segments are resolved", "https://a.example/a/./b/../../c", "https://a.example/c"},
		{"dots cannot climb above the root", "https://a.example/../../a", "https://a.example/a"},
		{"a final dot segment is a folder", "https://a.example/a/b/..", "https://a.example/a/"},
		{"encoded dots are dots", "https://a.example/a/%2E%2e/b", "https://a.example/b"},
		{"unnecessary encoding is removed", "https://a.example/%41%7e", "https://a.example/A~"},
		{"other encodings are in upper case", "https://a.example/a%2fb%c3%a4", "https://a.example/a%2Fb%C3%A4"},
		{"characters outside ASCII are encoded", "https://a.example/ä", "https://a.example/%C3%A4"},
		{"double slashes are kept", "https://a.example//a//b", "https://a.example//a//b"},
		{"an international host becomes ASCII", "https://BÜCHER.example/", "https://xn--bcher-kva.example/"},
		{"full-width characters fold", "https://ａ.example/", "https://a.example/"},
		{"an IPv4 address stays", "https://192.0.2.1/", "https://192.0.2.1/"},
		{"an IPv6 address is shortened", "https://[2001:DB8:0::1]:8443/", "https://[2001:db8::1]:8443/"},
		{"a wildcard ends a path", "https://a.example/v1/*", "https://a.example/v1/*"},
		{"a wildcard may be the whole path", "https://a.example/*", "https://a.example/*"},
		{"an encoded star is not a wildcard", "https://a.example/%2a", "https://a.example/%2A"},
	} {
		got, err := ParseURL(tt.in)
		if err != nil || got.String() != tt.want {
			t.Errorf("%s: ParseURL(%q) = %q, %v, want %q", tt.name, tt.in, got, err, tt.want)
		}
	}
}

func TestURLsThatAreNotOfPartnersAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"nothing", "", errScheme},
		{"another scheme", "http://a.example/", errScheme},
		{"no scheme", "a.example/", errScheme},
		{"user information", "https://user:canary@a.example/", errUserInfo},
		{"a query", "https://a.example/?token=canary", errQuery},
		{"a fragment", "https://a.example/#canary", errQuery},
		{"no host", "https:///canary", errHost},
		{"a port alone", "https://:443/", errHost},
		{"a host with a space", "https://a canary/", errHost},
		{"an encoded host", "https://%61.example/", errHost},
		{"an empty label", "https://a..example/", errHost},
		{"two trailing dots", "https://a.example../", errHost},
		{"a label that is too long", "https://" + strings.Repeat("a", 64) + ".example/", errHost},
		{"an IPv4 address in a short form", "https://127.1/", errHost},
		{"an IPv4 address in hex", "https://0x7f000001/", errHost},
		{"an IPv4 address as one number", "https://2130706433/", errHost},
		{"an IPv6 address with a zone", "https://[fe80::1%25eth0]/", errHost},
		{"an open bracket", "https://[::1/", errHost},
		{"port zero", "https://a.example:0/", errPort},
		{"a port that is too large", "https://a.example:65536/", errPort},
		{"a port with a sign", "https://a.example:+80/", errPort},
		{"a space in the path", "https://a.example/a canary", errPath},
		{"a line break", "https://a.example/a\r\ncanary", errPath},
		{"a backslash", `https://a.example/a\canary`, errPath},
		{"half an encoding", "https://a.example/%4", errPath},
		{"a wrong encoding", "https://a.example/%zz", errPath},
		{"a star inside", "https://a.example/a*b", errWildcard},
		{"a star at the end of a segment", "https://a.example/a*", errWildcard},
		{"a star in the middle", "https://a.example/*/a", errWildcard},
		{"two stars", "https://a.example/**", errWildcard},
		{"too many bytes", "https://a.example/" + strings.Repeat("a", MaxURL), errURLSize},
		{"too many bytes after encoding", "https://a.example/" + strings.Repeat("ä", 600), errURLSize},
	} {
		got, err := ParseURL(tt.in)
		if err != tt.want { //nolint:errorlint // exactly this error
			t.Errorf("%s: ParseURL = %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestTheDestinationOfAURLIsItsHostAndPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://a.example": "a.example", "https://A.example.:443/b": "a.example", "https://a.example:8443/b:9443/": "a.example:8443",
		"https://a.example:80": "a.example:80", "https://[2001:DB8::1]/": "2001:db8::1", "https://[2001:db8::1]:8443/*": "[2001:db8::1]:8443",
		"https://192.0.2.1:1/": "192.0.2.1:1", "https://BÜCHER.example:65535": "xn--bcher-kva.example:65535",
	} {
		u, err := ParseURL(text)
		if err != nil || u.Destination().String() != want {
			t.Errorf("the destination of %q is %q, %v, want %q", text, u.Destination(), err, want)
		}
	}
	if got := (URL{}).Destination(); got != (destination.Destination{}) {
		t.Errorf("the destination of no URL is %q", got)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"https://a.example", "HTTPS://A.Example.:443/a/../b/%7e?x", "https://[::1]:1/*", "https://BÜCHER.example/ä%2f",
		"https://xn--bcher-kva.example/", "https://1.2.3.4:08/", "https://a.example/%2E%2e/*", "https://user@x/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil {
			if u != (URL{}) {
				t.Errorf("ParseURL(%q) = %q with an error", text, u)
			}
			return
		}
		again, err := ParseURL(u.String())
		if err != nil || again != u {
			t.Errorf("ParseURL(%q) = %q, and again %q, %v", text, u, again, err)
		}
		if to, err := destination.ParseAuthority(strings.TrimPrefix(u.origin(), scheme)); err != nil || to != u.Destination() {
			t.Errorf("the destination of %q is %q, and of its authority %q, %v", u, u.Destination(), to, err)
		}
		if u.Host() == "" || strings.ContainsAny(u.String(), "?#@ \\") && !strings.Contains(text, "@") {
			t.Errorf("ParseURL(%q) = %q", text, u)
		}
	})
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{
		"workspaces/a/endpoints/b", "workspaces/a/endpoints/-", "workspaces/-/endpoints/b", "workspaces/a/endpoints/b/c",
		"workspaces/a", "a/endpoints/b", "workspaces/a/endpoints/", "workspaces/workspaces/a/endpoints/b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ParseName(text)
		if err == nil && name.String() != text {
			t.Errorf("ParseName(%q) = %q", text, name)
		}
		pattern, err := ParsePattern(text)
		if err == nil && pattern.String() != text {
			t.Errorf("ParsePattern(%q) = %q", text, pattern)
		}
		if workspace, err := resource.ParseWorkspace(text); err == nil && "workspaces/"+workspace != text {
			t.Errorf("resource.ParseWorkspace(%q) = %q", text, workspace)
		}
	})
}
