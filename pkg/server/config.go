package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/telemetry"
)

// A Config is what an operator decides about a server. Programs embed it in their
// own configuration.
type Config struct {
	// Listen is the address of the gRPC port, such as `127.0.0.1:8443`. Required.
	Listen string `yaml:"listen"`
	// MetricsListen is the address for /metrics, /healthz and /readyz over plain
	// HTTP, such as `127.0.0.1:9090`. Nothing there names a caller or a resource.
	// Empty: none.
	MetricsListen string `yaml:"metrics_listen"`
	// TLS is how the server proves who it is and which workloads it believes.
	TLS TLSConfig `yaml:"tls"`
	// Auth is who may call.
	Auth AuthConfig `yaml:"auth"`
	// Limits bounds what a caller can ask of the server.
	Limits Limits `yaml:"limits"`
	// Telemetry is what is logged and traced.
	Telemetry telemetry.Config `yaml:",inline"`
}

// TLSConfig names the files of the server's TLS, all PEM. There is no port without TLS.
type TLSConfig struct {
	// Certificate is the file with the server's certificate chain. Required.
	Certificate string `yaml:"certificate"`
	// Key is the file with the certificate's private key. Required.
	Key string `yaml:"key"`
	// ClientTrust is the file with the authorities of workloads' certificates.
	// Empty: no workload can call with a certificate.
	ClientTrust string `yaml:"client_trust"`
	// TrustDomain is the SPIFFE trust domain of the workloads, such as
	// `keyward.example`. Required with ClientTrust.
	TrustDomain string `yaml:"trust_domain"`
}

// AuthConfig is who may call.
type AuthConfig struct {
	// Issuers are the OIDC issuers whose tokens are believed.
	Issuers []auth.IssuerConfig `yaml:"issuers"`
	// Policy is the file that says which of the authenticated may do what. Required.
	Policy string `yaml:"policy"`
	// CacheSize is how many verified tokens are remembered. Default 10,000.
	CacheSize int `yaml:"cache_size"`
}

// Limits bounds what a caller can ask of the server. Zero means the default.
type Limits struct {
	// MaxReceiveBytes is the size of the largest request. Default 1 MiB. Methods
	// whose contract says so take larger ones.
	MaxReceiveBytes int `yaml:"max_receive_bytes"`
	// DefaultDeadline is how long a request may take whose caller does not say.
	// Default 10 s.
	DefaultDeadline time.Duration `yaml:"default_deadline"`
	// MaxDeadline is how long a request may take whatever its caller says. Default 60 s.
	MaxDeadline time.Duration `yaml:"max_deadline"`
	// MaxConcurrentStreams is how many requests one connection may have under way.
	// Default 1,000.
	MaxConcurrentStreams uint32 `yaml:"max_concurrent_streams"`
	// MaxConnectionAge is when a connection is asked to end, so that callers spread
	// over replicas and certificates are checked anew. Default 1 h.
	MaxConnectionAge time.Duration `yaml:"max_connection_age"`
	// MinPing is how often a client may ping at most. Default 30 s.
	MinPing time.Duration `yaml:"min_ping"`
	// Drain is how long requests under way may take to finish when the server
	// stops. Default 10 s.
	Drain time.Duration `yaml:"drain"`
}

// withDefaults returns the limits with the defaults in the place of zeros.
func (l Limits) withDefaults() Limits {
	return Limits{
		MaxReceiveBytes:      cmp.Or(l.MaxReceiveBytes, 1<<20),
		DefaultDeadline:      cmp.Or(l.DefaultDeadline, 10*time.Second),
		MaxDeadline:          cmp.Or(l.MaxDeadline, time.Minute),
		MaxConcurrentStreams: cmp.Or(l.MaxConcurrentStreams, 1000),
		MaxConnectionAge:     cmp.Or(l.MaxConnectionAge, time.Hour),
		MinPing:              cmp.Or(l.MinPing, 30*time.Second),
		Drain:                cmp.Or(l.Drain, 10*time.Second),
	}
}

// Check returns all that is wrong with the configuration, without opening a file.
func (c Config) Check() error {
	errs := []error{
		checkAddress("listen", c.Listen, true),
		checkAddress("metrics_listen", c.MetricsListen, false),
		required("tls.certificate", c.TLS.Certificate),
		required("tls.key", c.TLS.Key),
		required("auth.policy", c.Auth.Policy),
		c.Limits.check(),
		c.Telemetry.Check(),
	}
	if c.TLS.ClientTrust != "" {
		if _, err := spiffeid.TrustDomainFromString(c.TLS.TrustDomain); err != nil {
			errs = append(errs, errors.New("tls.trust_domain: must be a SPIFFE trust domain, as tls.client_trust is set"))
		}
	}
	if c.TLS.ClientTrust == "" && len(c.Auth.Issuers) == 0 {
		errs = append(errs, errors.New("auth.issuers, tls.client_trust: nobody could call without one of them"))
	}
	for i, issuer := range c.Auth.Issuers {
		if err := issuer.Check(); err != nil {
			errs = append(errs, fmt.Errorf("auth.issuers[%d]: %w", i, err))
		}
	}
	if c.Auth.CacheSize < 0 {
		errs = append(errs, errors.New("auth.cache_size: must not be negative"))
	}
	return errors.Join(errs...)
}

func (l Limits) check() error {
	var errs []error
	for name, value := range map[string]int64{
		"max_receive_bytes": int64(l.MaxReceiveBytes), "default_deadline": int64(l.DefaultDeadline),
		"max_deadline": int64(l.MaxDeadline), "max_connection_age": int64(l.MaxConnectionAge),
		"min_ping": int64(l.MinPing), "drain": int64(l.Drain),
	} {
		if value < 0 {
			errs = append(errs, fmt.Errorf("limits.%s: must not be negative", name))
		}
	}
	if d := l.withDefaults(); d.DefaultDeadline > d.MaxDeadline {
		errs = append(errs, errors.New("limits.default_deadline: must not be longer than limits.max_deadline"))
	}
	return errors.Join(errs...)
}

func checkAddress(field, address string, needed bool) error {
	if address == "" && !needed {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s: must be an address such as 127.0.0.1:8443", field)
	}
	return nil
}

func required(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s: is required", field)
	}
	return nil
}
