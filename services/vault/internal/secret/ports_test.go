package secret_test

import (
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// token stores a credential for hosts.
func (f *fixture) token(t testing.TB, hosts ...string) secret.Secret {
	t.Helper()
	made, err := f.Create(t.Context(), secret.Call{}, name("token"), secret.Draft{
		Usage: secret.Credential, AllowedHosts: hosts, Value: value(t, "a token of the partner"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (f *fixture) bindPort(t testing.TB, host string, port uint16, operation string, version uint32) error {
	t.Helper()
	_, _, err := f.Bind(t.Context(), secret.Call{}, name("token"), "allowlist", secret.BindRequest{
		Usage: secret.Credential, Host: host, Port: port, Operation: operation, Version: version, Referrer: "endpoints/" + operation,
	})
	return err
}

// update changes the hosts of the token, and its value unless text is empty.
func (f *fixture) update(t testing.TB, text string, hosts ...string) {
	t.Helper()
	change := secret.Change{Admin: true}
	if hosts != nil {
		change.AllowedHosts = &hosts
	}
	if text != "" {
		change.Value = value(t, text)
	}
	if _, err := f.Update(t.Context(), secret.Call{}, name("token"), change); err != nil {
		t.Fatal(err)
	}
}

// wantHosts compares the hosts of all versions, newest first.
func (f *fixture) wantHosts(t testing.TB, want ...[]string) {
	t.Helper()
	versions, _, err := f.Versions(t.Context(), name("token"), secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	sec, _, err := f.Get(t.Context(), name("token"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range versions {
		if !slices.Equal(v.AllowedHosts, want[i]) {
			t.Errorf("hosts of version %d = %v, want %v", v.Number, v.AllowedHosts, want[i])
		}
		if v.Current && !slices.Equal(sec.AllowedHosts, v.AllowedHosts) {
			t.Errorf("hosts of the secret = %v, and of its current version %v", sec.AllowedHosts, v.AllowedHosts)
		}
	}
}

func wantFault(t testing.TB, what string, err error, want fault.Reason) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s = %v, want %s", what, err, want)
	}
}

func TestReportedPortsBelongToTheHostsOfEarlierVersions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.token(t, "a.example", "a.example:8443", "b.example")
	for operation, port := range map[string]uint16{"plain": 443, "other": 8443} {
		if err := f.bindPort(t, "a.example", port, operation, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.earlier(t, "a.example", "b.example")
	f.update(t, "another token")
	f.wantHosts(t, []string{"a.example", "b.example"}, []string{"a.example", "b.example"})

	// Before the report, existing bindings remain and resolve, and no others are accepted.
	if _, err := f.Resolve(t.Context(), secret.Call{}, "allowlist", secret.Wanted{Name: name("token"), UID: made.UID}); err != nil {
		t.Errorf("Resolve before the report = %v", err)
	}
	wantFault(t, "a new binding to another port", f.bindPort(t, "a.example", 8443, "new", 0), secret.HostNotAllowed)
	wantFault(t, "a host of another binding", f.bindPort(t, "b.example", 8443, "other", 0), fault.InvalidField)

	logged := f.logged(t)
	for range 2 { // the second report changes nothing
		for operation, port := range map[string]uint16{"plain": 443, "other": 8443} {
			if err := f.bindPort(t, "a.example", port, operation, 0); err != nil {
				t.Errorf("the report of %d = %v", port, err)
			}
		}
		if got := f.logged(t); got != logged+3 { // two bindings, and the hosts
			t.Errorf("the log has %d new entries, want 3", got-logged)
		}
	}
	withPort := []string{"a.example", "b.example", "a.example:8443"}
	f.wantHosts(t, withPort, withPort)
	events, _, err := f.History(t.Context(), name("token"), secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(events, func(e secret.Event) bool { return slices.Contains(e.Fields, secret.FieldAllowedHosts) })
	if d := events[at].Detail; !slices.Equal(d.NewAllowedHosts, withPort) || !slices.Equal(d.OldAllowedHosts, withPort[:2]) || !slices.Equal(d.Referrers, []string{"endpoints/other"}) {
		t.Errorf("the log has %+v", d)
	}
	wantFault(t, "a second port of the binding", f.bindPort(t, "a.example", 9443, "other", 0), secret.HostNotAllowed)
	wantFault(t, "a port that was never used", f.bindPort(t, "a.example", 9443, "new", 0), secret.HostNotAllowed)
	wantFault(t, "the port on another host", f.bindPort(t, "b.example", 8443, "new", 0), secret.HostNotAllowed)
	if err := f.bindPort(t, "a.example", 8443, "new", 0); err != nil {
		t.Errorf("a new binding to the reported port = %v", err)
	}
	hosts := []string{"a.example", "b.example"}
	_, err = f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &hosts, Admin: true})
	wantFault(t, "removing the reported port", err, secret.InUse)
	f.unbind(t, "token", "other")
	f.unbind(t, "token", "new")
	f.update(t, "", hosts...)
	f.wantHosts(t, hosts, withPort)
	f.unbind(t, "token", "plain")
	f.update(t, "", "b.example") // no counter keeps an unused host
}

// earlier converts a token and its bindings to those of a release without ports, which counted
// bindings by host alone.
func (f *fixture) earlier(t testing.TB, hosts ...string) {
	t.Helper()
	f.convert(t, "token", secret.Conversion{
		Secret:  func(s *secret.Secret) { s.AllowedHosts, s.Ports = hosts, false },
		Version: func(v *secret.Version) { v.AllowedHosts, v.Ports = hosts, false },
		Binding: func(b *secret.Binding) { b.Port = 0 },
	})
}

// Hosts that were set after ports were stored are taken literally.
func TestAReportAddsNothingToHostsThatWereMeantWithPorts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.token(t, "a.example", "a.example:8443")
	for _, b := range []struct {
		operation string
		version   uint32
	}{{"current", 0}, {"pinned", 1}} {
		if err := f.bindPort(t, "a.example", 8443, b.operation, b.version); err != nil {
			t.Fatal(err)
		}
	}
	f.earlier(t, "a.example")
	f.update(t, "another token", "a.example", "c.example")
	wantFault(t, "the report of a binding to the current version", f.bindPort(t, "a.example", 8443, "current", 0), secret.HostNotAllowed)
	f.wantHosts(t, []string{"a.example", "c.example"}, []string{"a.example"})
	if err := f.bindPort(t, "a.example", 8443, "pinned", 1); err != nil {
		t.Errorf("the report of a binding to the previous version = %v", err)
	}
	f.wantHosts(t, []string{"a.example", "c.example"}, []string{"a.example", "a.example:8443"})
	wantFault(t, "the current version after that", f.bindPort(t, "a.example", 8443, "current", 0), secret.HostNotAllowed)
	wantFault(t, "a new binding after that", f.bindPort(t, "a.example", 8443, "new", 0), secret.HostNotAllowed)

	third := []string{"c.example"}
	_, err := f.Update(t.Context(), secret.Call{}, name("token"), secret.Change{AllowedHosts: &third, Admin: true})
	wantFault(t, "removing the host of a binding that was not reported", err, secret.InUse)
}

func TestAVersionFromBeforeTheUpgradeIsRestoredWithThePortsInUse(t *testing.T) {
	t.Parallel()
	for name, reported := range map[string]bool{"before the report": false, "after the report": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.token(t, "a.example", "a.example:8443")
			if err := f.bindPort(t, "a.example", 8443, "op", 0); err != nil {
				t.Fatal(err)
			}
			f.earlier(t, "a.example")
			f.update(t, "another token")
			report := func() {
				t.Helper()
				if err := f.bindPort(t, "a.example", 8443, "op", 0); err != nil {
					t.Fatal(err)
				}
			}
			if reported {
				report()
			}
			if _, err := f.Restore(t.Context(), secret.Call{}, secret.Name{Workspace: "acme", ID: "token"}.Version(1), ""); err != nil {
				t.Fatal(err)
			}
			wantFault(t, "another port of the restored version", f.bindPort(t, "a.example", 9443, "new", 0), secret.HostNotAllowed)
			if !reported {
				wantFault(t, "the port before the report", f.bindPort(t, "a.example", 8443, "new", 0), secret.HostNotAllowed)
				report()
			}
			both := []string{"a.example", "a.example:8443"}
			f.wantHosts(t, both, both)
		})
	}
}

// A restore also restores whether the hosts of a version were set with ports.
func TestARestoreDistinguishesHostsFromBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.token(t, "a.example", "a.example:8443")
	if err := f.bindPort(t, "a.example", 8443, "op", 0); err != nil {
		t.Fatal(err)
	}
	f.earlier(t, "a.example")
	f.update(t, "another token", "a.example", "c.example")
	restore := func(number uint32) error {
		_, err := f.Restore(t.Context(), secret.Call{}, name("token").Version(number), "")
		return err
	}
	if err := restore(1); err != nil {
		t.Fatal(err)
	}
	if err := f.bindPort(t, "a.example", 8443, "op", 0); err != nil {
		t.Errorf("the report while version 1 is current = %v", err)
	}
	f.wantHosts(t, []string{"a.example", "c.example"}, []string{"a.example", "a.example:8443"})
	wantFault(t, "the version whose hosts lack the port", restore(2), secret.InUse)
	f.unbind(t, "token", "op")
	if err := restore(2); err != nil {
		t.Fatal(err)
	}
	f.update(t, "a third token")
	f.wantHosts(t, []string{"a.example", "c.example"}, []string{"a.example", "c.example"}, []string{"a.example", "a.example:8443"})
}

// A port can be reported regardless of the state of the versions.
func TestAPortIsReportedAlsoOfVersionsThatAreNotEnabled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.token(t, "a.example", "a.example:8443", "a.example:9443")
	for operation, port := range map[string]uint16{"one": 8443, "two": 9443} {
		if err := f.bindPort(t, "a.example", port, operation, 1); err != nil {
			t.Fatal(err)
		}
	}
	f.earlier(t, "a.example")
	f.update(t, "another token", "b.example", "a.example")
	if _, err := f.Disable(t.Context(), secret.Call{}, name("token").Version(1), ""); err != nil {
		t.Fatal(err)
	}
	wantFault(t, "a report that names the version", f.bindPort(t, "a.example", 8443, "one", 1), secret.VersionDisabled)
	if err := f.bindPort(t, "a.example", 8443, "one", 0); err != nil {
		t.Errorf("a report of the binding = %v", err)
	}
	f.wantHosts(t, []string{"b.example", "a.example"}, []string{"a.example", "a.example:8443"})
	if _, err := f.Destroy(t.Context(), secret.Call{}, name("token").Version(1), secret.Deletion{Force: true}); err != nil {
		t.Fatal(err)
	}
	wantFault(t, "a report of a binding to a destroyed version", f.bindPort(t, "a.example", 9443, "two", 0), secret.HostNotAllowed)
}
