package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
)

// A Config is the operator's configuration of a server. Programs embed it in their own
// configuration.
type Config struct {
	// Listen is the address of the gRPC port, such as `127.0.0.1:8443`. Required.
	Listen string `yaml:"listen"`
	// Metrics is the address of the metrics and who may read them.
	Metrics telemetry.MetricsConfig `yaml:",inline"`
	// Reflection selects the callers that may list the server's methods: `open`, every
	// caller; `authenticated`, callers with a role; `off`, no caller. Default open.
	Reflection string `yaml:"reflection"`
	// TLS is the identity of the server and the authorities of the workloads that it trusts.
	TLS TLSConfig `yaml:"tls"`
	// Auth is the authentication and authorization of callers.
	Auth AuthConfig `yaml:"auth"`
	// ReloadInterval is the time between two polls of the files of the policy, the
	// certificates and the authorities. A change takes effect after two polls. Default 1 s.
	ReloadInterval time.Duration `yaml:"reload_interval"`
	// Limits are the bounds on the resources that callers can use.
	Limits Limits `yaml:"limits"`
	// AccessLog is the configuration of the access records.
	AccessLog AccessLogConfig `yaml:"access_log"`
	// Telemetry is the configuration of logs and traces.
	Telemetry telemetry.Config `yaml:",inline"`
}

// The values of [Config.Reflection].
const (
	reflectionOpen          = "open"
	reflectionAuthenticated = "authenticated"
	reflectionOff           = "off"
)

// AuthConfig configures the callers of a server.
type AuthConfig struct {
	// Issuers are the OIDC issuers whose tokens the server accepts.
	Issuers []auth.IssuerConfig `yaml:"issuers"`
	// Policy is the file that maps callers to roles. Required.
	Policy string `yaml:"policy"`
	// CacheSize is the number of verified tokens to cache, for 5 minutes at most. Default
	// 10,000.
	CacheSize int `yaml:"cache_size"`
}

// withDefaults returns the configuration with defaults for unset fields. Limits have their own
// defaults.
func (c Config) withDefaults() Config {
	c.Reflection = cmp.Or(c.Reflection, reflectionOpen)
	c.ReloadInterval = cmp.Or(c.ReloadInterval, reload.Interval)
	return c
}

// Check returns all errors in the configuration. It opens no files.
func (c Config) Check() error {
	errs := []error{
		checkAddress("listen", c.Listen),
		c.Metrics.Check(),
		required("auth.policy", c.Auth.Policy),
		c.TLS.check(),
		c.Limits.check(),
		c.Telemetry.Check(),
	}
	if !slices.Contains([]string{"", reflectionOpen, reflectionAuthenticated, reflectionOff}, c.Reflection) {
		errs = append(errs, errors.New("reflection: must be open, authenticated or off"))
	}
	if c.ReloadInterval < 0 {
		errs = append(errs, errors.New("reload_interval: must not be negative"))
	}
	if !c.TLS.believesWorkloads() && len(c.Auth.Issuers) == 0 {
		errs = append(errs, errors.New("auth.issuers, tls.client_trust: at least one of them is required"))
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

func checkAddress(field, address string) error {
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
