package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc/credentials"
)

// A renewing is TLS whose files are read for each connection. The embedded credentials use the
// initial contents of the files and make no connections.
type renewing struct {
	credentials.TransportCredentials
	config Config
}

// newRenewing reads the files once to fail early.
func newRenewing(cfg Config) (*renewing, error) {
	first, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	return &renewing{TransportCredentials: credentials.NewTLS(first), config: cfg}, nil
}

// ClientHandshake makes a connection with the current contents of the files.
func (r *renewing) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	now, err := r.config.tls()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(now).ClientHandshake(ctx, authority, raw)
}

// Clone returns a copy.
func (r *renewing) Clone() credentials.TransportCredentials {
	return &renewing{TransportCredentials: r.TransportCredentials.Clone(), config: r.config}
}

// tls reads the files.
func (c Config) tls() (*tls.Config, error) {
	var roots *x509.CertPool // nil means the system's authorities
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("read authorities: the file contains no certificate")
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if !strings.HasPrefix(c.ServerName, spiffeScheme) {
		config.ServerName = c.ServerName
		return config, nil
	}
	if roots == nil {
		return nil, errors.New("read authorities: a server with a SPIFFE ID requires an authorities file")
	}
	// A workload's certificate has an ID and no host name, so the default check would always fail.
	// verifyWorkload replaces the whole check.
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return verifyWorkload(state.PeerCertificates, roots, c.ServerName)
	}
	return config, nil
}

const spiffeScheme = "spiffe://"

// verifyWorkload verifies the certificate of a server by the rules for leaf certificates of the
// X.509-SVID standard: it chains to an authority in roots, it is not itself an authority, and the
// SPIFFE ID is its only URI.
func verifyWorkload(chain []*x509.Certificate, roots *x509.CertPool, id string) error {
	if len(chain) == 0 {
		return errors.New("verify server certificate: the server sent none")
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	leaf := chain[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("verify server certificate: %w", err)
	}
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return errors.New("verify server certificate: it must not be an authority's")
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != id {
		return errors.New("verify server certificate: it belongs to another workload")
	}
	return nil
}
