package allowlist

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// VerificationConfig configures how the allowlist looks for proof that an endpoint belongs to the
// partner, and which addresses of hosts it may connect to. The zero configuration is valid and
// allows no private addresses.
type VerificationConfig struct {
	// Resolvers are the addresses of DNS servers, `10.0.0.2` or `10.0.0.2:53`. Default
	// those of the system.
	Resolvers []string `yaml:"resolvers"`
	// AllowRanges are networks outside the public Internet, such as `10.20.0.0/16`, that the
	// allowlist may call. This opens all addresses in them, including metadata services
	// and the machine itself. Default none.
	AllowRanges []string `yaml:"allow_ranges"`
	// Recheck is the time between two checks of the proof of a verified endpoint. At most
	// 30 days. Default 24 hours.
	Recheck time.Duration `yaml:"recheck"`
	// Grace is how long an endpoint stays in use without its proof. Default 72 hours.
	Grace time.Duration `yaml:"grace"`
	// CAFile is a PEM file with the authorities of partners' certificates. Default those of
	// the system.
	CAFile string `yaml:"ca_file"`
}

const (
	defaultRecheck = 24 * time.Hour
	defaultGrace   = 72 * time.Hour
	// leastRecheck limits how often partners are called. mostRecheck limits how long an endpoint
	// stays active after its partner removed the proof.
	leastRecheck = time.Minute
	mostRecheck  = 30 * 24 * time.Hour
)

func (c VerificationConfig) check() error {
	_, servers := c.servers()
	_, ranges := c.ranges()
	errs := []error{servers, ranges}
	if c.Recheck != 0 && (c.Recheck < leastRecheck || c.Recheck > mostRecheck) {
		errs = append(errs, errors.New("verification.recheck: must be from 1m to 720h, or 0"))
	}
	if c.Grace < 0 {
		errs = append(errs, errors.New("verification.grace: must not be negative"))
	}
	return errors.Join(errs...)
}

func (c VerificationConfig) servers() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, text := range c.Resolvers {
		server, err := netip.ParseAddrPort(text)
		if addr, bare := netip.ParseAddr(text); bare == nil {
			server, err = netip.AddrPortFrom(addr, 53), nil
		}
		if err != nil {
			return nil, errors.New("verification.resolvers: must be IP addresses, each with an optional port")
		}
		all = append(all, server)
	}
	return all, nil
}

func (c VerificationConfig) ranges() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range c.AllowRanges {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() {
			return nil, errors.New("verification.allow_ranges: must be networks such as 10.20.0.0/16")
		}
		all = append(all, prefix)
	}
	return all, nil
}

// An outside is how the allowlist connects to partners' hosts.
type outside struct {
	guard    *dialguard.Guard
	resolver *net.Resolver
	roots    *x509.CertPool // nil: the system's
}

// open prepares the connections to partners. The configuration has been checked before.
func (c VerificationConfig) open() (outside, error) {
	servers, err := c.servers()
	if err != nil {
		return outside{}, err
	}
	ranges, err := c.ranges()
	if err != nil {
		return outside{}, err
	}
	resolver := dialguard.NewResolver(servers...)
	o := outside{resolver: resolver, guard: dialguard.New(dialguard.Options{Open: ranges, Resolver: resolver})}
	if c.CAFile == "" {
		return o, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return outside{}, fmt.Errorf("read verification.ca_file: %w", err)
	}
	o.roots = x509.NewCertPool()
	if !o.roots.AppendCertsFromPEM(pem) {
		return outside{}, errors.New("read verification.ca_file: the file contains no certificate")
	}
	return o, nil
}

func (c VerificationConfig) recheck() time.Duration { return orDefault(c.Recheck, defaultRecheck) }

func (c VerificationConfig) grace() time.Duration { return orDefault(c.Grace, defaultGrace) }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
