package secret_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// Versions that were stored before hosts belonged to them keep the hosts that the secret had.
func TestVersionsWithoutHostsHaveThoseOfTheSecretBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made, err := f.Create(t.Context(), secret.Call{}, name("token"), secret.Draft{
		Usage: secret.Credential, AllowedHosts: []string{"a.example"}, Value: value(t, "a token of the partner"),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.rewrite(t, kv.NewKey("version").Text(made.UID).Uint(1), func(stored []byte) []byte {
		before := bytes.Replace(stored, []byte(`,"allowed_hosts":["a.example"],"ports":true`), nil, 1)
		if len(before) == len(stored) {
			t.Error("the version has hosts, want none")
		}
		return before
	})
	hosts := func(want ...[]string) {
		t.Helper()
		versions, _, err := f.Versions(t.Context(), name("token"), secret.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range versions {
			if !slices.Equal(v.AllowedHosts, want[i]) {
				t.Errorf("hosts of version %d = %v, want %v", v.Number, v.AllowedHosts, want[i])
			}
		}
	}
	hosts([]string{"a.example"})
	next := []string{"a.example", "b.example"}
	if _, err := f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &next, Value: value(t, "another token")}); err != nil {
		t.Fatal(err)
	}
	hosts(next, []string{"a.example"})
	if _, err := f.Restore(t.Context(), secret.Call{}, name("token").Version(1), ""); err != nil {
		t.Fatal(err)
	}
	got, _, err := f.Get(t.Context(), name("token"))
	if err != nil || !slices.Equal(got.AllowedHosts, []string{"a.example"}) {
		t.Errorf("hosts after the restore = %v, %v", got.AllowedHosts, err)
	}
	third := []string{"c.example"}
	if _, err := f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &third, Admin: true}); err != nil {
		t.Fatal(err)
	}
	hosts(next, third)
}
