package frontdoor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
)

// A Config is what an operator decides about the front door. Files are PEM.
type Config struct {
	// Listen is the address of the HTTPS port, such as `127.0.0.1:8443`. Required.
	Listen string `yaml:"listen"`
	// TLS is the certificate shown to people. Required.
	TLS Files `yaml:"tls"`
	// AllowedHosts are the host names that requests may be addressed to. Empty: any.
	AllowedHosts []string `yaml:"allowed_hosts"`
	// Vault is the vault's gRPC address, such as `vault.internal:9443`. Required.
	Vault string `yaml:"vault"`
	// Allowlist is the allowlist's gRPC address. Required.
	Allowlist string `yaml:"allowlist"`
	// Client is the certificate shown to the services. Their policy gives its
	// SPIFFE id the role `proxy`. Required.
	Client Files `yaml:"client"`
	// CA is the file with the authorities of the services' certificates. Required.
	CA string `yaml:"ca"`
}

// Files names a certificate and its key. Both are read anew for each connection, so
// that they can be renewed in place.
type Files struct {
	// Certificate is the file with the certificate chain.
	Certificate string `yaml:"certificate"`
	// Key is the file with the certificate's private key.
	Key string `yaml:"key"`
}

// Check returns all that is wrong with the configuration, without opening a file.
func (c Config) Check() error {
	var errs []error
	for _, required := range []struct{ name, value string }{
		{"listen", c.Listen},
		{"tls.certificate", c.TLS.Certificate},
		{"tls.key", c.TLS.Key},
		{"vault", c.Vault},
		{"allowlist", c.Allowlist},
		{"client.certificate", c.Client.Certificate},
		{"client.key", c.Client.Key},
		{"ca", c.CA},
	} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("%s: is required", required.name))
		}
	}
	return errors.Join(errs...)
}

func (f Files) load() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate and key: %w", err)
	}
	return &cert, nil
}

// load reads the files: how the door speaks TLS to people, and to the services.
func (c Config) load() (server, client *tls.Config, err error) {
	for _, files := range []Files{c.TLS, c.Client} {
		if _, err := files.load(); err != nil {
			return nil, nil, err
		}
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("read ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, errors.New("read ca: the file holds no certificate")
	}
	server = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.TLS.load() },
	}
	client = auth.ClientTLSConfig(nil, roots, spiffeid.ID{})
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.Client.load() }
	return server, client, nil
}
