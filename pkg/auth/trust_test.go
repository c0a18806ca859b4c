package auth_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/fault"
)

// adopt makes an authenticator reload the authorities of its issuers.
func adopt(t *testing.T, authn *auth.Authenticator) {
	t.Helper()
	put, err := authn.LoadTrust()
	if err != nil {
		t.Fatal(err)
	}
	put()
}

func TestAuthoritiesOfAnIssuerAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].CAFile = ca }, wrongAuthority(t, ca))
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	if _, err := authn.Authenticate(ctx); !fault.Is(err, fault.Unreachable) {
		t.Fatalf("Authenticate = %v by an authority that the issuer does not have, want UNAVAILABLE", err)
	}
	if err := w.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	adopt(t, authn)
	if _, err := authn.Authenticate(ctx); err != nil {
		t.Errorf("Authenticate = %v by the right authority, want OK at once", err)
	}
}

// wrongAuthority writes an authority that issued no certificate here to a file.
func wrongAuthority(t *testing.T, path string) func(*auth.Config) {
	t.Helper()
	other, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return func(*auth.Config) {
		if err := other.WriteTrust(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeysFromAnAuthorityThatIsNotTrustedAnyMoreAreGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := w.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].CAFile = ca })
	authenticate := func(subject string) error {
		_, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, subject, nil)))
		return err
	}
	if err := authenticate("olivia"); err != nil {
		t.Fatal(err)
	}
	wrongAuthority(t, ca)(nil)
	adopt(t, authn)
	if err := authenticate("mia"); err != nil {
		t.Errorf("Authenticate = %v with keys of the authority before, want OK as with an issuer that is down", err)
	}
	w.clock.advance(time.Hour + time.Second)
	if err := authenticate("olivia"); !fault.Is(err, fault.Unreachable) {
		t.Errorf("Authenticate = %v an hour after the authority was replaced, want UNAVAILABLE", err)
	}
}

func TestUnchangedAuthoritiesFetchNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 5 {
		token := w.token(t, "olivia", map[string]any{"n": n})
		if _, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token)); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(3 * time.Second)
		adopt(t, w.authn)
	}
	if n := w.issuer.fetches.Load(); n != 1 {
		t.Errorf("keys were fetched %d times, want once", n)
	}
}

func TestBrokenAuthoritiesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := w.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].CAFile = ca })
	if err := os.WriteFile(ca, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authn.LoadTrust(); err == nil {
		t.Error("LoadTrust() of a file without certificates = nil, want an error")
	}
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	if _, err := authn.Authenticate(ctx); err != nil {
		t.Errorf("Authenticate = %v after a refused reload, want OK by the authority before", err)
	}
}

func TestIssuersAreToldApart(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	other.clock = w.clock
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := other.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	authn := w.authenticator(t, func(c *auth.Config) {
		c.Issuers = append(c.Issuers, auth.IssuerConfig{URL: other.issuer.URL, Audience: "elsewhere", CAFile: ca})
	})
	w.grant(t, `
people:
- {issuer: %[1]s, claim: sub, value: olivia, role: owner, workspaces: [acme]}
- {issuer: `+other.issuer.URL+`, claim: sub, value: mia, role: member, workspaces: [acme]}
`)
	claims := func(of *world, subject, audience string) map[string]any {
		c := of.claims(subject)
		c["aud"] = audience
		return c
	}
	tests := []struct {
		name   string
		by     *world
		claims map[string]any
		want   string // the role, or the reason of the refusal
	}{
		{"the owner by the first", w, claims(w, "olivia", audience), "owner"},
		{"the member by the second", other, claims(other, "mia", "elsewhere"), "member"},
		{"the owner's subject by the second", other, claims(other, "olivia", "elsewhere"), ""},
		{"the member's subject by the first", w, claims(w, "mia", audience), ""},
		{"the second with the audience of the first", other, claims(other, "mia", audience), "CREDENTIALS_INVALID"},
		{"the second in the name of the first", other, claims(w, "olivia", audience), "CREDENTIALS_INVALID"},
	}
	for _, tt := range tests {
		token, err := tt.by.issuer.Token(tt.claims)
		if err != nil {
			t.Fatal(err)
		}
		p, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
		got := ""
		if f, ok := fault.From(err); ok {
			got = string(f.Reason)
		} else if roles := p.Roles("acme"); len(roles) > 0 {
			got = roles[0]
		}
		if got != tt.want {
			t.Errorf("%s: Authenticate = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOneIssuerDownDoesNotStopTheOther(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := other.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	authn := w.authenticator(t, func(c *auth.Config) {
		c.Issuers = append(c.Issuers, auth.IssuerConfig{URL: other.issuer.URL, Audience: audience, CAFile: ca})
	})
	other.issuer.down.Store(true)
	_, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+other.token(t, "mia", nil)))
	if !fault.Is(err, fault.Unreachable) {
		t.Errorf("Authenticate = %v by the issuer that is down, want UNAVAILABLE", err)
	}
	if _, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))); err != nil {
		t.Errorf("Authenticate = %v by the one that is up, want OK", err)
	}
}
