package allowlist

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/workload"
)

// VaultConfig configures the connection to the vault, which uses mutual TLS. All files are PEM.
type VaultConfig struct {
	// Address is the vault's gRPC address, such as `vault.internal:8443`. Required.
	Address string `yaml:"address"`
	// ServerName is the name that the vault's certificate must have: a host name or a
	// SPIFFE ID, `spiffe://…`. Default the host of the address.
	ServerName string `yaml:"server_name"`
	// WorkloadAPI is the address of a SPIFFE Workload API, `unix:///run/spire/agent.sock`,
	// that provides the allowlist's certificate with its key in place of files.
	WorkloadAPI string `yaml:"workload_api"`
	// CA is the file with the authorities of the vault's certificate. Required without
	// WorkloadAPI, which provides authorities too.
	CA string `yaml:"ca"`
	// Certificate is the file with the allowlist's certificate chain. The vault's policy
	// gives its SPIFFE ID the role resolver. Required without WorkloadAPI.
	Certificate string `yaml:"certificate"`
	// Key is the file with that certificate's private key. Required without
	// WorkloadAPI. The allowlist reads the three files again when they change.
	Key string `yaml:"key"`
	// LogKey is the public key of the vault's change log, as `vault log-key` prints it. The
	// allowlist refuses a vault with another one, unless this key signed it as its successor.
	// Default the key that the allowlist saw first.
	LogKey string `yaml:"log_key"`
	// MaxStale is how long cached secrets are used after the last heartbeat of the vault.
	// A disabled or destroyed version can be used for that long. It is also how long
	// unused secrets stay cached. At most 1 h; 0 caches nothing. Default 60 s.
	MaxStale *time.Duration `yaml:"max_stale"`
}

// The default and the maximum of [VaultConfig.MaxStale].
const (
	defaultMaxStale = time.Minute
	longestMaxStale = time.Hour
)

// patience is how long a call waits for a connection. It is longer than the longest pause between
// two attempts, so that a vault that has just started is reached.
const patience = 1500 * time.Millisecond

// A ping is sent to the vault after this silence, and must be answered within this time. A
// half-open connection lasts for both together.
const (
	silence = 10 * time.Second // the minimum of the library
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
	required := []struct{ name, value string }{{"address", c.Address}}
	if c.WorkloadAPI == "" {
		required = append(required, []struct{ name, value string }{{"ca", c.CA}, {"certificate", c.Certificate}, {"key", c.Key}}...)
	} else {
		errs = append(errs, c.checkWorkloadAPI())
	}
	for _, field := range required {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("vault.%s: is required", field.name))
		}
	}
	if _, err := note.NewVerifier(c.LogKey); c.LogKey != "" && err != nil {
		errs = append(errs, errors.New("vault.log_key: must be a key as `vault log-key` prints it"))
	}
	if c.maxStale() < 0 || c.maxStale() > longestMaxStale {
		errs = append(errs, errors.New("vault.max_stale: must be from 0 to 1h"))
	}
	return errors.Join(errs...)
}

func (c VaultConfig) checkWorkloadAPI() error {
	if c.Certificate != "" || c.Key != "" {
		return errors.New("vault.workload_api: must be unset with vault.certificate or vault.key")
	}
	if err := workload.CheckAddress(c.WorkloadAPI); err != nil {
		return fmt.Errorf("vault.workload_api: %w", err)
	}
	return nil
}

// dial prepares the connection. It is established when it is first needed, and again after a
// failure, at the latest a few seconds after the vault is back.
func (c VaultConfig) dial(current func() *tls.Config) (*grpc.ClientConn, error) {
	return grpc.NewClient(c.Address,
		grpc.WithTransportCredentials(auth.ClientCredentials(current)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithUnaryInterceptor(settle),
		// The watch receives messages all the time. So a ping is sent only on a silent connection,
		// and a connection that does not answer it is closed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silence, Timeout: pong}),
		// Neither the environment nor the DNS can change how the vault is reached.
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
	)
}

// settle lets a call wait a moment for the connection, so that calls do not fail while the vault
// starts or restarts. They fail if the vault stays unreachable.
func settle(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if conn.GetState() != connectivity.Ready {
		soon, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ready(soon, conn)
	}
	return invoke(ctx, method, req, reply, conn, opts...)
}

// ready waits until the connection is established, and reports whether that happened before the
// context ended.
func ready(ctx context.Context, conn *grpc.ClientConn) bool {
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.Idle {
			conn.Connect()
		}
		if state == connectivity.Shutdown || !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
	return true
}

// watch keeps the connection to the vault established and logs when it is lost and restored, until
// the context ends.
func watch(ctx context.Context, conn *grpc.ClientConn, logger *slog.Logger) {
	reachable := true // so that a vault that is down at the start is logged
	for {
		state := conn.GetState()
		switch {
		case state == connectivity.Idle:
			conn.Connect()
		case state == connectivity.TransientFailure && reachable && away(ctx, conn):
			reachable = false
			logger.WarnContext(ctx, "the vault cannot be reached; requests that need a secret that is not cached are refused until it can")
		case state == connectivity.Ready && !reachable:
			reachable = true
			logger.InfoContext(ctx, "the vault can be reached again")
		}
		if !conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// away reports whether the vault stays unreachable for a while. A restart, or the allowlist's own
// stop right after the vault's, is not worth a log message.
func away(ctx context.Context, conn *grpc.ClientConn) bool {
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return !ready(soon, conn) && ctx.Err() == nil
}
