package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/auth"
)

// renewing is TLS whose files are read for each connection. What is embedded is TLS
// with the files as they were at first, which connects to nothing.
type renewing struct {
	credentials.TransportCredentials
	config Config
}

// newRenewing reads the files once, to fail early.
func newRenewing(cfg Config) (*renewing, error) {
	first, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	return &renewing{TransportCredentials: credentials.NewTLS(first), config: cfg}, nil
}

// ClientHandshake makes a connection with the files as they are now.
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
	var roots *x509.CertPool // nil: the system's
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("read authorities: there is no certificate in the file")
		}
	}
	var cert *tls.Certificate
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate and key: %w", err)
		}
		cert = &pair
	}
	if id, err := spiffeid.FromString(c.ServerName); err == nil {
		if roots == nil {
			return nil, errors.New("read authorities: a server with a SPIFFE id needs a file of its own")
		}
		return auth.ClientTLSConfig(cert, roots, id), nil
	}
	config := auth.ClientTLSConfig(cert, roots, spiffeid.ID{})
	config.ServerName = c.ServerName
	return config, nil
}
