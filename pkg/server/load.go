package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
)

// Reload reads the policy, the server's certificate and the workloads' authorities
// anew. The policy acts on the next request, the rest on the next connection. If
// anything is wrong with any of them, all stay as they were. The rest of the
// configuration is read at start only.
func (s *Server) Reload() error {
	policy, err := loadPolicy(s.config.Auth.Policy)
	if err != nil {
		return err
	}
	identity, err := s.config.TLS.load()
	if err != nil {
		return err
	}
	s.policies.Swap(policy)
	s.identity.Store(identity)
	return nil
}

func loadPolicy(path string) (*auth.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read auth.policy: %w", err)
	}
	policy, err := auth.ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("parse auth.policy: %w", err)
	}
	return policy, nil
}

func (c TLSConfig) load() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("load tls.certificate and tls.key: %w", err)
	}
	if c.ClientTrust == "" {
		return auth.ServerTLSConfig(cert, nil, spiffeid.TrustDomain{}), nil
	}
	text, err := os.ReadFile(c.ClientTrust)
	if err != nil {
		return nil, fmt.Errorf("read tls.client_trust: %w", err)
	}
	trust := x509.NewCertPool()
	if !trust.AppendCertsFromPEM(text) {
		return nil, errors.New("tls.client_trust: holds no certificate")
	}
	domain, err := spiffeid.TrustDomainFromString(c.TrustDomain)
	if err != nil {
		return nil, fmt.Errorf("parse tls.trust_domain: %w", err)
	}
	return auth.ServerTLSConfig(cert, trust, domain), nil
}
