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
		{"two IDs form a name", "workspaces/acme/secrets/db-password", secret.Name{Workspace: "acme", ID: "db-password"}, true},
		{"all allowed characters", "workspaces/A.b_c-9/secrets/0.x_y-Z", secret.Name{Workspace: "A.b_c-9", ID: "0.x_y-Z"}, true},
		{"one character each", "workspaces/a/secrets/b", secret.Name{Workspace: "a", ID: "b"}, true},
		{"128 characters", "workspaces/a/secrets/" + strings.Repeat("x", 128), secret.Name{Workspace: "a", ID: strings.Repeat("x", 128)}, true},
		{"129 characters are too many", "workspaces/a/secrets/" + strings.Repeat("x", 129), secret.Name{}, false},
		{"an empty string", "", secret.Name{}, false},
		{"an empty workspace", "workspaces//secrets/b", secret.Name{}, false},
		{"an empty ID", "workspaces/a/secrets/", secret.Name{}, false},
		{"the wildcard is not a secret", "workspaces/a/secrets/-", secret.Name{}, false},
		{"a wildcard workspace", "workspaces/-/secrets/b", secret.Name{}, false},
		{"a leading dot", "workspaces/a/secrets/.b", secret.Name{}, false},
		{"a trailing hyphen", "workspaces/a/secrets/b-", secret.Name{}, false},
		{"a slash inside", "workspaces/a/secrets/b/c", secret.Name{}, false},
		{"an escaped slash", "workspaces/a/secrets/b%2Fhistory", secret.Name{}, false},
		{"a version's name", "workspaces/a/secrets/b/versions/1", secret.Name{}, false},
		{"another collection", "workspaces/a/endpoints/b", secret.Name{}, false},
		{"upper-case collections", "Workspaces/a/Secrets/b", secret.Name{}, false},
		{"letters beyond ASCII", "workspaces/a/secrets/schlüssel", secret.Name{}, false},
		{"a zero byte", "workspaces/a/secrets/b\x00c", secret.Name{}, false},
		{"surrounding space", " workspaces/a/secrets/b", secret.Name{}, false},
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
		{"a workspace with a longer name", "workspaces/acme2/endpoints/bank", false},
		{"the workspace itself", "workspaces/acme", false},
		{"a collection without an ID", "workspaces/acme/endpoints", false},
		{"an empty ID", "workspaces/acme/endpoints/", false},
		{"a collection with a digit", "workspaces/acme/end2/x", false},
		{"a string that is not a name", "hello", false},
	}
	for _, tt := range tests {
		if got, err := secret.ParseReferrer("acme", tt.text); (err == nil) != tt.ok || (tt.ok && got != tt.text) {
			t.Errorf("%s: ParseReferrer(%q) = %q, %v, want success: %v", tt.name, tt.text, got, err, tt.ok)
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
