package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/workload"
)

// TLSConfig configures the certificate of the server and the trusted workloads, with PEM files or
// a SPIFFE Workload API. All ports use TLS.
type TLSConfig struct {
	// WorkloadAPI is the address of a SPIFFE Workload API, `unix:///run/spire/agent.sock`.
	// It replaces all files: it provides the server's certificate with its key, and the
	// authorities of its own trust domain and of federated ones. Empty: files are used.
	WorkloadAPI string `yaml:"workload_api"`
	// Certificate is the file with the server's certificate chain. Required without WorkloadAPI.
	Certificate string `yaml:"certificate"`
	// Key is the file with the certificate's private key. Required without WorkloadAPI.
	Key string `yaml:"key"`
	// ClientTrust is the file with the authorities of workloads' certificates. Without it,
	// no workload can call with a certificate.
	ClientTrust string `yaml:"client_trust"`
	// TrustDomain is the SPIFFE trust domain of the workloads, such as
	// `keyward.example`. Required with ClientTrust.
	TrustDomain string `yaml:"trust_domain"`
	// TrustDomains are additional trust domains, each with its own authorities. An
	// authority vouches for workloads of its trust domain only.
	TrustDomains []TrustDomainConfig `yaml:"trust_domains"`
}

// TrustDomainConfig is a trusted SPIFFE trust domain.
type TrustDomainConfig struct {
	// Name is the trust domain, such as `keyward.example`. Required.
	Name string `yaml:"name"`
	// ClientTrust is the PEM file with the authorities of its workloads' certificates. Required.
	ClientTrust string `yaml:"client_trust"`
}

// trustDomains returns all trust domains, in either form.
func (c TLSConfig) trustDomains() []TrustDomainConfig {
	if c.ClientTrust == "" {
		return c.TrustDomains
	}
	return append([]TrustDomainConfig{{Name: c.TrustDomain, ClientTrust: c.ClientTrust}}, c.TrustDomains...)
}

// believesWorkloads reports whether workloads can call with a certificate.
func (c TLSConfig) believesWorkloads() bool { return c.WorkloadAPI != "" || len(c.trustDomains()) > 0 }

// check returns all errors in the configuration.
func (c TLSConfig) check() error {
	if c.WorkloadAPI == "" {
		return errors.Join(required("tls.certificate", c.Certificate), required("tls.key", c.Key), c.checkTrust())
	}
	var errs []error
	if err := workload.CheckAddress(c.WorkloadAPI); err != nil {
		errs = append(errs, fmt.Errorf("tls.workload_api: %w", err))
	}
	if c.Certificate != "" || c.Key != "" || c.ClientTrust != "" || c.TrustDomain != "" || len(c.TrustDomains) > 0 {
		errs = append(errs, errors.New("tls.workload_api: cannot be combined with other settings of tls"))
	}
	return errors.Join(errs...)
}

// checkTrust returns all errors in the trust domains.
func (c TLSConfig) checkTrust() error {
	var errs []error
	if _, err := spiffeid.TrustDomainFromString(c.TrustDomain); c.ClientTrust != "" && err != nil {
		errs = append(errs, errors.New("tls.trust_domain: must be a SPIFFE trust domain, as tls.client_trust is set"))
	}
	for i, domain := range c.TrustDomains {
		at := fmt.Sprintf("tls.trust_domains[%d]", i)
		if _, err := spiffeid.TrustDomainFromString(domain.Name); err != nil {
			errs = append(errs, fmt.Errorf("%s.name: must be a SPIFFE trust domain", at))
		}
		errs = append(errs, required(at+".client_trust", domain.ClientTrust))
	}
	seen := make(map[string]bool)
	for _, domain := range c.trustDomains() {
		// The name may be written with the scheme.
		name := strings.TrimPrefix(domain.Name, "spiffe://")
		if seen[name] {
			errs = append(errs, errors.New("tls.trust_domains: a trust domain must occur once only"))
		}
		seen[name] = true
	}
	return errors.Join(errs...)
}

// files returns the paths of all files.
func (c TLSConfig) files() []string {
	if c.WorkloadAPI != "" {
		return nil
	}
	files := []string{c.Certificate, c.Key}
	for _, domain := range c.trustDomains() {
		files = append(files, domain.ClientTrust)
	}
	return files
}

// load reads all files.
func (c TLSConfig) load() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("load tls.certificate and tls.key: %w", err)
	}
	clients := make(auth.Bundles)
	for _, domain := range c.trustDomains() {
		name, err := spiffeid.TrustDomainFromString(domain.Name)
		if err != nil {
			return nil, fmt.Errorf("parse trust domain: %w", err)
		}
		if clients[name], err = loadAuthorities(domain.ClientTrust); err != nil {
			return nil, fmt.Errorf("read client_trust of trust domain %s: %w", name, err)
		}
	}
	return auth.ServerTLSConfig(cert, clients), nil
}

func loadAuthorities(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return auth.ParseAuthorities(text)
}
