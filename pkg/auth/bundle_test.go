package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
)

// trusting returns the bundles of servers that trust the authority for the tests' domain.
func trusting(t testing.TB, authority *authtest.Authority) auth.Bundles {
	t.Helper()
	return auth.Bundles{spiffeid.RequireTrustDomainFromString(domain): authorities(t, authority)}
}

func authorities(t testing.TB, from *authtest.Authority) []*x509.Certificate {
	t.Helper()
	certs, err := auth.ParseAuthorities(from.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func TestAuthoritiesVouchForTheirOwnTrustDomain(t *testing.T) {
	t.Parallel()
	a, b := authorityFor(t), authorityFor(t)
	host, err := a.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	clients := auth.Bundles{
		spiffeid.RequireTrustDomainFromString("a.test"): authorities(t, a),
		spiffeid.RequireTrustDomainFromString("b.test"): authorities(t, b),
		spiffeid.RequireTrustDomainFromString("c.test"): nil,
	}
	for _, tt := range []struct {
		name   string
		by     *authtest.Authority
		id     string
		accept bool
	}{
		{"the first domain by its authority", a, "spiffe://a.test/w", true},
		{"the second domain by its authority", b, "spiffe://b.test/w", true},
		{"the first domain by the second's authority", b, "spiffe://a.test/w", false},
		{"the second domain by the first's authority", a, "spiffe://b.test/w", false},
		{"a domain without authorities", a, "spiffe://c.test/w", false},
		{"a domain that is not configured", a, "spiffe://d.test/w", false},
		{"a domain below the first", a, "spiffe://sub.a.test/w", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cert, err := tt.by.WorkloadCertificate(spiffeid.RequireFromString(tt.id))
			if err != nil {
				t.Fatal(err)
			}
			clientErr, serverErr := handshake(t, auth.ClientTLSConfig(&cert, a.Pool(), spiffeid.ID{}), auth.ServerTLSConfig(host, clients))
			if (serverErr == nil) != tt.accept || (clientErr == nil) != tt.accept {
				t.Errorf("client says %v, server says %v; want acceptance %v", clientErr, serverErr, tt.accept)
			}
		})
	}
}

// A chain that brings the other domain's authority along must not help.
func TestAChainCannotBringItsAuthority(t *testing.T) {
	t.Parallel()
	a, b := authorityFor(t), authorityFor(t)
	host, err := a.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := b.WorkloadCertificate(spiffeid.RequireFromString("spiffe://a.test/w"))
	if err != nil {
		t.Fatal(err)
	}
	for _, extra := range [][]*x509.Certificate{authorities(t, b), authorities(t, a)} {
		cert.Certificate = append(cert.Certificate, extra[0].Raw)
	}
	clients := auth.Bundles{
		spiffeid.RequireTrustDomainFromString("a.test"): authorities(t, a),
		spiffeid.RequireTrustDomainFromString("b.test"): authorities(t, b),
	}
	if _, serverErr := handshake(t, auth.ClientTLSConfig(&cert, a.Pool(), spiffeid.ID{}), auth.ServerTLSConfig(host, clients)); serverErr == nil {
		t.Error("the server accepts a certificate of a.test that b.test's authority signed")
	}
}

func TestParseAuthorities(t *testing.T) {
	t.Parallel()
	a := authorityFor(t)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	join := func(parts ...[]byte) (all []byte) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	for _, tt := range []struct {
		name string
		text []byte
		want int
	}{
		{"nothing", nil, 0},
		{"words", []byte("no certificate"), 0},
		{"a key", key, 0},
		{"a broken certificate", broken, 0},
		{"one", a.Certificate(), 1},
		{"two", join(a.Certificate(), authorityFor(t).Certificate()), 2},
		{"one among others", join([]byte("# ours\n"), key, broken, a.Certificate()), 1},
	} {
		certs, err := auth.ParseAuthorities(tt.text)
		if len(certs) != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: ParseAuthorities = %d certificates, %v; want %d", tt.name, len(certs), err, tt.want)
		}
	}
}

func TestServerWithoutBundlesAsksForNoCertificate(t *testing.T) {
	t.Parallel()
	if cfg := auth.ServerTLSConfig(tls.Certificate{}, nil); cfg.ClientAuth != tls.NoClientCert || cfg.VerifyConnection != nil {
		t.Errorf("ServerTLSConfig without bundles asks for certificates: %v", cfg.ClientAuth)
	}
}
