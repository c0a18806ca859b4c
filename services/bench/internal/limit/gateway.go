package limit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/auth"
	vaultgw "github.com/keyward/keyward/proto/gen/gateway/keyward/vault/v1"
)

// runGateway serves the JSON form of the vault's methods with the default settings of
// grpc-gateway, over one connection to the backend.
func runGateway(ctx context.Context, cfg Config) error {
	client, cert, err := cfg.gatewayTLS()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(cfg.Backend, grpc.WithTransportCredentials(credentials.NewTLS(client)))
	if err != nil {
		return fmt.Errorf("connect to backend: %w", err)
	}
	defer func() { _ = conn.Close() }()
	mux := runtime.NewServeMux()
	if err := vaultgw.RegisterVaultServiceHandler(ctx, mux, conn); err != nil {
		return fmt.Errorf("register handlers: %w", err)
	}
	var listen net.ListenConfig
	lis, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}} //nolint:gosec // G112: only the benchmark calls it
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ServeTLS(lis, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// gatewayTLS returns the TLS configuration for the backend, and the certificate, which serves both
// sides.
func (c Config) gatewayTLS() (*tls.Config, tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, cert, fmt.Errorf("load certificate: %w", err)
	}
	text, err := os.ReadFile(c.Trust)
	if err != nil {
		return nil, cert, fmt.Errorf("read authorities: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, cert, errors.New("read authorities: the file contains no certificate")
	}
	return auth.ClientTLSConfig(nil, roots, spiffeid.ID{}), cert, nil
}
