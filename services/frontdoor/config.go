package frontdoor

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
	"github.com/keyward/keyward/services/console"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// A Config is the operator's configuration of the front door. Files are PEM.
type Config struct {
	// Listen is the address of the HTTPS port, such as `127.0.0.1:8443`. Required.
	Listen string `yaml:"listen"`
	// TLS is the certificate that the gateway presents to its callers. Required.
	TLS Files `yaml:"tls"`
	// AllowedHosts are the host names that requests may be addressed to. Default any.
	AllowedHosts []string `yaml:"allowed_hosts"`
	// Vault is the vault's gRPC address, such as `vault.internal:9443`. Required.
	Vault string `yaml:"vault"`
	// Allowlist is the allowlist's gRPC address. Required.
	Allowlist string `yaml:"allowlist"`
	// VaultServerName is the name that the vault's certificate must have: a host name or a
	// SPIFFE ID, `spiffe://…`. Default the host of the address.
	VaultServerName string `yaml:"vault_server_name"`
	// AllowlistServerName is the same for the allowlist. Default the host of the address.
	AllowlistServerName string `yaml:"allowlist_server_name"`
	// Client is the certificate that the gateway presents to the services. Their policy
	// gives its SPIFFE ID the role `proxy`. Required.
	Client ClientConfig `yaml:"client"`
	// CA is the file with the authorities of the services' certificates. Required
	// unless `client.workload_api` is set, which provides authorities too.
	CA string `yaml:"ca"`
	// Console is the web page and its sign-in. Without this section the gateway serves no
	// page.
	Console *console.Config `yaml:"console"`
	// ReloadInterval is the time between two polls of all these files. A change takes effect
	// after two polls, for new connections. Default 1 s.
	ReloadInterval time.Duration `yaml:"reload_interval"`
	// Limits are the bounds on the resources that clients can use.
	Limits Limits `yaml:"limits"`
	// Metrics is the address of the metrics and who may read them.
	Metrics telemetry.MetricsConfig `yaml:",inline"`
}

// Limits are the limits of clients.
type Limits struct {
	// MaxReceiveBytes is the size of the largest body of a request. A message in it is
	// base64, which is a third larger. At most 64 MiB. Default 1 MiB.
	MaxReceiveBytes int64 `yaml:"max_receive_bytes"`
	// BodyBytes is the total size of the bodies of requests under way. One address gets at
	// most as much as it leaves free for the others. Processing a body takes about five times
	// its size in memory. At least twice the largest body; 0 means no bound. Default 128 MiB.
	BodyBytes *int64 `yaml:"body_bytes"`
}

const mostReceiveBytes = 64 << 20

func (l Limits) check() error {
	if l.MaxReceiveBytes < 0 || l.MaxReceiveBytes > mostReceiveBytes {
		return fmt.Errorf("limits.max_receive_bytes: must be at most %d", mostReceiveBytes)
	}
	largest := cmp.Or(l.MaxReceiveBytes, gateway.DefaultMaxBodyBytes)
	total := int64(gateway.DefaultBodyBytes)
	if l.BodyBytes != nil {
		total = *l.BodyBytes
	}
	if total != 0 && total < 2*largest {
		return fmt.Errorf("limits.body_bytes: must be 0 or at least twice limits.max_receive_bytes, which is %d", largest)
	}
	return nil
}

// bodyBytes returns the limit in the form of package gateway.
func (l Limits) bodyBytes() int64 {
	switch {
	case l.BodyBytes == nil:
		return 0
	case *l.BodyBytes == 0:
		return -1
	}
	return *l.BodyBytes
}

// Files are the paths of a certificate and its key.
type Files struct {
	// Certificate is the file with the certificate chain. Required unless a Workload API
	// provides the certificate.
	Certificate string `yaml:"certificate"`
	// Key is the file with the certificate's private key. Required unless a Workload API
	// provides the certificate.
	Key string `yaml:"key"`
}

// A ClientConfig is the source of the certificate for the services: files, or a Workload API.
type ClientConfig struct {
	Files `yaml:",inline"`
	// WorkloadAPI is the address of a SPIFFE Workload API, `unix:///run/spire/agent.sock`,
	// that provides the certificate with its key in place of files.
	WorkloadAPI string `yaml:"workload_api"`
}

// check returns all errors of the configuration.
func (c ClientConfig) check(ca string) error {
	if c.WorkloadAPI == "" {
		return errors.Join(required("client.certificate", c.Certificate), required("client.key", c.Key), required("ca", ca))
	}
	if c.Certificate != "" || c.Key != "" {
		return errors.New("client.workload_api: must not be combined with client.certificate and client.key")
	}
	if err := workload.CheckAddress(c.WorkloadAPI); err != nil {
		return fmt.Errorf("client.workload_api: %w", err)
	}
	return nil
}

func required(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s: is required", field)
	}
	return nil
}

// Check returns all errors of the configuration. It opens no files.
func (c Config) Check() error {
	errs := []error{
		required("listen", c.Listen),
		required("tls.certificate", c.TLS.Certificate),
		required("tls.key", c.TLS.Key),
		required("vault", c.Vault),
		required("allowlist", c.Allowlist),
		c.Client.check(c.CA),
	}
	if c.ReloadInterval < 0 {
		errs = append(errs, errors.New("reload_interval: must not be negative"))
	}
	if c.Console != nil {
		errs = append(errs, c.Console.Check())
	}
	return errors.Join(append(errs, c.Limits.check(), c.Metrics.Check())...)
}

func (c Config) reloadInterval() time.Duration { return cmp.Or(c.ReloadInterval, reload.Interval) }
