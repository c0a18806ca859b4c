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

// A Config is what an operator decides about a server. Programs embed it in their
// own configuration.
type Config struct {
	// Listen is the address of the gRPC port, such as `127.0.0.1:8443`. Required.
	Listen string `yaml:"listen"`
	// Metrics is where metrics are served, and to whom.
	Metrics telemetry.MetricsConfig `yaml:",inline"`
	// Reflection is who may ask the server what its methods are: `open`, everybody;
	// `authenticated`, whomever the policy gives a role; `off`, nobody. Default open.
	Reflection string `yaml:"reflection"`
	// TLS is how the server proves who it is and which workloads it believes.
	TLS TLSConfig `yaml:"tls"`
	// Auth is who may call.
	Auth AuthConfig `yaml:"auth"`
	// ReloadInterval is the time between two looks at the files of the policy, the
	// certificates and the authorities. A change is in force after two. Default 1 s.
	ReloadInterval time.Duration `yaml:"reload_interval"`
	// Limits bounds what a caller can ask of the server.
	Limits Limits `yaml:"limits"`
	// Telemetry is what is logged and traced.
	Telemetry telemetry.Config `yaml:",inline"`
}

// The values of [Config.Reflection].
const (
	reflectionOpen          = "open"
	reflectionAuthenticated = "authenticated"
	reflectionOff           = "off"
)

// AuthConfig is who may call.
type AuthConfig struct {
	// Issuers are the OIDC issuers whose tokens are believed.
	Issuers []auth.IssuerConfig `yaml:"issuers"`
	// Policy is the file that says which of the authenticated may do what. Required.
	Policy string `yaml:"policy"`
	// CacheSize is how many verified tokens are remembered. Default 10,000.
	CacheSize int `yaml:"cache_size"`
}

// withDefaults returns the configuration with the defaults in the place of what is
// not set. Limits have their own.
func (c Config) withDefaults() Config {
	c.Reflection = cmp.Or(c.Reflection, reflectionOpen)
	c.ReloadInterval = cmp.Or(c.ReloadInterval, reload.Interval)
	return c
}

// Check returns all that is wrong with the configuration, without opening a file.
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
