package resource_test

import (
	"testing"

	"github.com/keyward/keyward/pkg/resource"
)

func TestRowsOfAResourceStandTogether(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"workspaces/acme/secrets/api":       "s\x00acme\x00api\x00",
		"workspaces/acme/endpoints/a.b-c_d": "e\x00acme\x00a.b-c_d\x00",
		"workspaces/acme":                   "",
		"workspaces/acme/sealing":           "",
		"workspaces/acme/secrets/":          "",
		"workspaces/acme/secrets/-":         "",
		"workspaces/-/secrets/api":          "",
		"workspaces/acme/secrets/a/b/c":     "",
		"workspaces/acme//api":              "",
		"secrets/acme/workspaces/api":       "",
		"":                                  "",
	} {
		key, ok := resource.Key(name)
		if string(key) != want || ok != (want != "") {
			t.Errorf("Key(%q) = %q, %t, want %q", name, key, ok, want)
		}
	}
}
