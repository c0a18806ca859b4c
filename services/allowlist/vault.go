package allowlist

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/keyward/keyward/pkg/auth"
)

// VaultConfig is the way to the vault: mutual TLS. All files are PEM.
type VaultConfig struct {
	// Address is the vault's gRPC address, such as `vault.internal:8443`. Required.
	Address string `yaml:"address"`
	// ServerName is the name that the vault's certificate must show. Empty: the
	// host of the address. A SPIFFE id, `spiffe://…`, is looked for as such.
	ServerName string `yaml:"server_name"`
	// CA is the file with the authorities of the vault's certificate. Required.
	CA string `yaml:"ca"`
	// Certificate is the file with the allowlist's own certificate chain, whose
	// SPIFFE id the vault's policy makes a resolver. Required.
	Certificate string `yaml:"certificate"`
	// Key is the file with that certificate's private key. Required. Both files
	// are read anew for each connection, so they can be renewed in place.
	Key string `yaml:"key"`
	// MaxStale is how long secrets in memory are used while the vault is not heard,
	// so also how long it may take until a version that was disabled or destroyed is
	// no longer used then. At most 1 h; 0 keeps nothing in memory. Default 60 s.
	MaxStale *time.Duration `yaml:"max_stale"`
}

// The bounds of [VaultConfig.MaxStale].
const (
	defaultMaxStale = time.Minute
	longestMaxStale = time.Hour
)

// How long nothing may come from the vault until it is asked for a sign of life, and
// how long that may take. A half-open connection lasts for both.
const (
	silence = 10 * time.Second // the library's least
	pong    = 2 * time.Second
)

func (c VaultConfig) maxStale() time.Duration {
	if c.MaxStale == nil {
		return defaultMaxStale
	}
	return *c.MaxStale
}

func (c VaultConfig) check() error {
	var errs []error
	for _, field := range []struct{ name, value string }{
		{"address", c.Address}, {"ca", c.CA}, {"certificate", c.Certificate}, {"key", c.Key},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("vault.%s: is required", field.name))
		}
	}
	if c.maxStale() < 0 || c.maxStale() > longestMaxStale {
		errs = append(errs, errors.New("vault.max_stale: must be from 0 to 1h"))
	}
	return errors.Join(errs...)
}

// identity returns the SPIFFE id that the allowlist shows, which is how the vault
// knows it.
func (c VaultConfig) identity() (string, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return "", fmt.Errorf("read vault.certificate and vault.key: %w", err)
	}
	id, err := x509svid.IDFromCert(cert.Leaf)
	if err != nil {
		return "", errors.New("read vault.certificate: it does not name exactly one workload")
	}
	return id.String(), nil
}

// dial prepares the connection. It is made when it is first needed, and again
// after it broke, a few seconds after the vault is back at the latest.
func (c VaultConfig) dial() (*grpc.ClientConn, error) {
	tlsConfig, err := c.tls()
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(c.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(tlsConfig)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
		// The watch is heard all the time. So a ping is sent only on a connection that
		// went silent, and one that does not answer it is given up.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silence, Timeout: pong}),
		// Neither the environment nor the DNS has a say in how the vault is reached.
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
	)
}

func (c VaultConfig) tls() (*tls.Config, error) {
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read vault.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("read vault.ca: there is no certificate in the file")
	}
	var id spiffeid.ID
	name := c.ServerName
	if parsed, err := spiffeid.FromString(c.ServerName); err == nil {
		id, name = parsed, ""
	}
	if _, err := tls.LoadX509KeyPair(c.Certificate, c.Key); err != nil {
		return nil, fmt.Errorf("read vault.certificate and vault.key: %w", err)
	}
	config := auth.ClientTLSConfig(nil, roots, id)
	config.ServerName = name
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		return &cert, err
	}
	return config, nil
}

// watch keeps the connection to the vault up and says in the log when it goes and
// comes, until the context ends.
func watch(ctx context.Context, conn *grpc.ClientConn, logger *slog.Logger) {
	reachable := true // so that a vault that is down at the start is spoken of
	for {
		state := conn.GetState()
		switch {
		case state == connectivity.Idle:
			conn.Connect()
		case state == connectivity.TransientFailure && reachable && away(ctx, conn):
			reachable = false
			logger.WarnContext(ctx, "the vault cannot be reached; what needs a secret that is not in memory is refused until it can")
		case state == connectivity.Ready && !reachable:
			reachable = true
			logger.InfoContext(ctx, "the vault can be reached again")
		}
		if !conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// away reports whether the vault stays out of reach for a while. A restart, or our own
// stop right after the vault's, is nothing to speak of.
func away(ctx context.Context, conn *grpc.ClientConn) bool {
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.Idle {
			conn.Connect()
		}
		if !conn.WaitForStateChange(soon, state) {
			return ctx.Err() == nil
		}
	}
	return false
}
