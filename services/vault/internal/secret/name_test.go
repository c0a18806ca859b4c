package secret_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       secret.Name
		ok         bool
	}{
		{"two ids make a name", "workspaces/acme/secrets/db-password", secret.Name{Workspace: "acme", ID: "db-password"}, true},
		{"all allowed characters", "workspaces/A.b_c-9/secrets/0.x_y-Z", secret.Name{Workspace: "A.b_c-9", ID: "0.x_y-Z"}, true},
		{"one character each", "workspaces/a/secrets/b", secret.Name{Workspace: "a", ID: "b"}, true},
		{"128 characters", "workspaces/a/secrets/" + strings.Repeat("x", 128), secret.Name{Workspace: "a", ID: strings.Repeat("x", 128)}, true},
		{"129 characters are too many", "workspaces/a/secrets/" + strings.Repeat("x", 129), secret.Name{}, false},
		{"an empty text", "", secret.Name{}, false},
		{"an empty workspace", "workspaces//secrets/b", secret.Name{}, false},
		{"an empty id", "workspaces/a/secrets/", secret.Name{}, false},
		{"the wildcard is no secret", "workspaces/a/secrets/-", secret.Name{}, false},
		{"a wildcard workspace", "workspaces/-/secrets/b", secret.Name{}, false},
		{"a dot in front", "workspaces/a/secrets/.b", secret.Name{}, false},
		{"a hyphen at the end", "workspaces/a/secrets/b-", secret.Name{}, false},
		{"a slash inside", "workspaces/a/secrets/b/c", secret.Name{}, false},
		{"an escaped slash", "workspaces/a/secrets/b%2Fhistory", secret.Name{}, false},
		{"a version's name", "workspaces/a/secrets/b/versions/1", secret.Name{}, false},
		{"another collection", "workspaces/a/endpoints/b", secret.Name{}, false},
		{"upper-case collections", "Workspaces/a/Secrets/b", secret.Name{}, false},
		{"letters beyond ASCII", "workspaces/a/secrets/schlüssel", secret.Name{}, false},
		{"a zero byte", "workspaces/a/secrets/b\x00c", secret.Name{}, false},
		{"space around it", " workspaces/a/secrets/b", secret.Name{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := secret.ParseName(tt.text)
			if (err == nil) != tt.ok {
				t.Fatalf("ParseName(%q) = %v, want success: %v", tt.text, err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseName(%q) differs (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestHistoryNameMayBeTheWildcard(t *testing.T) {
	t.Parallel()
	got, err := secret.ParseNameOrAny("workspaces/acme/secrets/-")
	if want := (secret.Name{Workspace: "acme", ID: resource.Any}); err != nil || got != want {
		t.Errorf("ParseNameOrAny(wildcard) = %v, %v, want %v", got, err, want)
	}
	if _, err := secret.ParseNameOrAny("workspaces/-/secrets/-"); err == nil {
		t.Error("ParseNameOrAny accepts a wildcard as the workspace")
	}
}

func TestParseReferrer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"an endpoint of the workspace", "workspaces/acme/endpoints/bank", true},
		{"something deeper", "workspaces/acme/endpoints/bank/routes/r1", true},
		{"an endpoint of another workspace", "workspaces/other/endpoints/bank", false},
		{"a workspace whose name goes on", "workspaces/acme2/endpoints/bank", false},
		{"the workspace itself", "workspaces/acme", false},
		{"a collection without an id", "workspaces/acme/endpoints", false},
		{"an empty id", "workspaces/acme/endpoints/", false},
		{"a collection with a digit", "workspaces/acme/end2/x", false},
		{"text that is no name", "hello", false},
	}
	for _, tt := range tests {
		if got, err := secret.ParseReferrer("acme", tt.text); (err == nil) != tt.ok || (tt.ok && got != tt.text) {
			t.Errorf("%s: ParseReferrer(%q) = %q, %v, want success: %v", tt.name, tt.text, got, err, tt.ok)
		}
	}
}

func TestParseHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"a DNS name", "api.partner.example", true},
		{"one label", "localhost", true},
		{"an internationalised name in its ASCII form", "xn--bcher-kva.example", true},
		{"an IPv4 address", "192.0.2.7", true},
		{"an IPv6 address", "2001:db8::1", true},
		{"upper case", "API.partner.example", false},
		{"a port", "api.partner.example:443", false},
		{"a scheme", "https://api.partner.example", false},
		{"a wildcard", "*.partner.example", false},
		{"a dot at the end", "api.partner.example.", false},
		{"an empty label", "api..example", false},
		{"a hyphen at the start of a label", "-api.example", false},
		{"an IPv6 address in brackets", "[2001:db8::1]", false},
		{"an IPv6 address in another form", "2001:DB8:0::1", false},
		{"an address with a zone", "fe80::1%eth0", false},
		{"a name that looks like an address", "1.2.3", false},
		{"an address with leading zeros", "192.0.02.7", false},
		{"a long label", strings.Repeat("a", 64) + ".example", false},
		{"a long name", strings.Repeat("abcdefg.", 32) + "example", false},
		{"nothing", "", false},
		{"letters beyond ASCII", "bücher.example", false},
	}
	for _, tt := range tests {
		if _, err := secret.ParseHost(tt.text); (err == nil) != tt.ok {
			t.Errorf("%s: ParseHost(%q) = %v, want success: %v", tt.name, tt.text, err, tt.ok)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"workspaces/a/secrets/b", "workspaces/a/secrets/-", "workspaces/secrets/secrets/secrets", "workspaces/a/secrets/b/secrets/c", "workspaces/a/sealing", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		workspace, err := secret.ParseSealing(text)
		if err == nil && secret.SealingName(workspace) != text {
			t.Errorf("ParseSealing(%q) = %q", text, workspace)
		}
		name, err := secret.ParseName(text)
		if err == nil && name.String() != text {
			t.Errorf("ParseName(%q).String() = %q", text, name.String())
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Errorf("the error for %q repeats it", text)
		}
		wide, err := secret.ParseNameOrAny(text)
		if err == nil && wide.String() != text {
			t.Errorf("ParseNameOrAny(%q).String() = %q", text, wide.String())
		}
	})
}

func FuzzParseReferrer(f *testing.F) {
	for _, seed := range []string{"workspaces/a/endpoints/b", "workspaces/a", "workspaces/b/endpoints/c", "workspaces/a//"} {
		f.Add("a", seed)
	}
	f.Fuzz(func(t *testing.T, workspace, text string) {
		got, err := secret.ParseReferrer(workspace, text)
		if err == nil && (got != text || !strings.HasPrefix(text, "workspaces/"+workspace+"/")) {
			t.Errorf("ParseReferrer(%q, %q) = %q", workspace, text, got)
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"api.partner.example", "192.0.2.7", "2001:db8::1", "fe80::1%eth0", "a:1", "1.2.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		host, err := secret.ParseHost(text)
		if err != nil {
			return
		}
		if host != text || host != strings.ToLower(host) || strings.ContainsAny(host, "/@?#[]* %") {
			t.Errorf("ParseHost accepts %q", text)
		}
	})
}
