package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestTrustDomainsHaveAuthoritiesOfTheirOwn(t *testing.T) {
	t.Parallel()
	partner, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	trust, policy := filepath.Join(dir, "partner.pem"), filepath.Join(dir, "policy.yaml")
	if err := partner.WriteTrust(trust); err != nil {
		t.Fatal(err)
	}
	rows := `workloads:
- {spiffe_id: "spiffe://keyward.test/w", role: resolver, workspaces: [acme]}
- {spiffe_id: "spiffe://partner.test/w", role: resolver, workspaces: [acme]}
`
	if err := os.WriteFile(policy, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	const admitted = codes.Internal // the fake has no such method
	for _, form := range []struct {
		name   string
		change func(*server.Config)
	}{
		{"a list beside the single one", func(c *server.Config) {
			c.TLS.TrustDomains = []server.TrustDomainConfig{{Name: "partner.test", ClientTrust: trust}}
		}},
		{"a list alone", func(c *server.Config) {
			c.TLS.TrustDomains = []server.TrustDomainConfig{
				{Name: "partner.test", ClientTrust: trust}, {Name: c.TLS.TrustDomain, ClientTrust: c.TLS.ClientTrust},
			}
			c.TLS.ClientTrust, c.TLS.TrustDomain = "", ""
		}},
	} {
		env := servertest.New(t, func(c *server.Config) { c.Auth.Policy = policy }, form.change)
		addr := env.Serve(t, &fake{})
		for _, tt := range []struct {
			id   string
			by   *authtest.Authority
			want codes.Code
		}{
			{"spiffe://keyward.test/w", env.Authority, admitted},
			{"spiffe://partner.test/w", partner, admitted},
			{"spiffe://partner.test/w2", partner, codes.PermissionDenied},
			{"spiffe://keyward.test/w", partner, codes.Unavailable},
			{"spiffe://partner.test/w", env.Authority, codes.Unavailable},
		} {
			cert, err := tt.by.WorkloadCertificate(spiffeid.RequireFromString(tt.id))
			if err != nil {
				t.Fatal(err)
			}
			client := vaultv1.NewVaultServiceClient(env.Dial(t, addr, servertest.Caller{Certificate: &cert}))
			_, err = client.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: "workspaces/acme"})
			if got := status.Code(err); got != tt.want {
				t.Errorf("%s: %s by its authority %v: %v, want %v", form.name, tt.id, tt.by == partner, err, tt.want)
			}
		}
	}
}

func TestTrustDomainsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, tls, want string }{
		{"a list alone", `trust_domains: [{name: a.example, client_trust: a.pem}]`, ""},
		{"both forms", `client_trust: t.pem, trust_domain: b.example, trust_domains: [{name: a.example, client_trust: a.pem}]`, ""},
		{"no name", `trust_domains: [{client_trust: a.pem}]`, "tls.trust_domains[0].name:"},
		{"a name that is no trust domain", `trust_domains: [{name: "a/b c", client_trust: a.pem}]`, "tls.trust_domains[0].name:"},
		{"no file", `trust_domains: [{name: a.example}]`, "tls.trust_domains[0].client_trust:"},
		{"twice", `trust_domains: [{name: a.example, client_trust: a.pem}, {name: "spiffe://a.example", client_trust: b.pem}]`, "once only"},
		{"twice in both forms", `client_trust: t.pem, trust_domain: a.example, trust_domains: [{name: a.example, client_trust: a.pem}]`, "once only"},
	} {
		cfg, err := load(t, "listen: 127.0.0.1:1\nauth: {policy: p}\ntls: {certificate: c, key: k, "+tt.tls+"}\n")
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.Check()
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check() = %v, want %q", tt.name, err, tt.want)
		}
	}
}
