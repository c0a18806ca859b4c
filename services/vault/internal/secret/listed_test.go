package secret_test

import (
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// wantStated compares each row of a secret with the newest entry that lists it.
func (f *fixture) wantStated(t testing.TB, what string, sec secret.Secret) {
	t.Helper()
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		rows, err := secret.Listed(r, sec.Name, sec.UID)
		if err != nil {
			return err
		}
		entries, err := changelog.List(r, changelog.Query{Resource: sec.Name.String(), Limit: 1000})
		if err != nil {
			return err
		}
		listed := make(map[string]bool)
		for i, e := range entries {
			if !slices.Contains(e.Rows(), "") {
				t.Errorf("%s: entry %d (%s) does not list the secret", what, i, e.Action)
			}
			for _, ref := range e.Rows() {
				states := e.State(ref, nil) == changelog.Matches
				if row, exists := rows[ref]; exists {
					states = audit.States(e, secret.Rows{}, ref, row)
				}
				if !listed[ref] && !states {
					t.Errorf("%s: the row %q differs from its newest entry (%s)", what, ref, e.Action)
				}
				listed[ref] = true
			}
		}
		for ref := range rows {
			if !listed[ref] {
				t.Errorf("%s: no entry lists the row %q", what, ref)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLogStatesEachRowOfASecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "the first value")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		f.wantStated(t, what, made)
	}
	must("created", nil)
	bind := func(version uint32) error {
		_, _, err := f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", secret.BindRequest{
			Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/e", Operation: "op", Version: version,
		})
		return err
	}
	must("bound", bind(0))
	must("bound to a version", bind(1))
	_, err := f.Resolve(t.Context(), secret.Call{}, "allowlist", secret.Wanted{Name: made.Name, UID: made.UID, Purpose: purpose().Digest(), Seal: true})
	must("purpose sealed", err)
	_, err = f.ReplacePurpose(t.Context(), secret.Call{}, name("key"), "", []string{gcm}, nil)
	must("purpose replaced", err)
	for _, text := range []string{"the second value", "the third value", "the first value"} {
		_, err = f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, text)})
		must("rotated", err)
	}
	f.convert(t, "key", secret.Conversion{Version: func(v *secret.Version) { v.Prints = []secret.Print{{}} }})
	another := useFor("another", "op2", gcm)
	another.Host = ""
	_, _, err = f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", another)
	must("bound with missing fingerprints", err)
	version := func(number uint32) secret.VersionName { return name("key").Version(number) }
	_, err = f.Disable(t.Context(), secret.Call{}, version(2), "")
	must("disabled", err)
	_, err = f.Enable(t.Context(), secret.Call{}, version(2), "")
	must("enabled", err)
	_, err = f.Restore(t.Context(), secret.Call{}, version(2), "")
	must("restored", err)
	_, err = f.Destroy(t.Context(), secret.Call{}, version(3), secret.Deletion{Force: true})
	must("destroyed", err)
	must("unbound", f.Unbind(t.Context(), secret.Call{}, name("key"), "allowlist", "op"))

	made = f.token(t, "a.example", "a.example:8443")
	must("bound to a port", f.bindPort(t, "a.example", 8443, "op", 1))
	f.earlier(t, "a.example")
	must("port reported", f.bindPort(t, "a.example", 8443, "op", 1))
	hosts := []string{"a.example", "a.example:8443", "b.example"}
	_, err = f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &hosts, Admin: true})
	must("hosts changed", err)
	must("unbound", f.Unbind(t.Context(), secret.Call{}, name("token"), "allowlist", "op"))
}
