package server

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/keyward/keyward/pkg/quota"
)

// maxConnectionAge limits the time for which a connection outlives its certificate and authority.
const maxConnectionAge = time.Hour

// Limits are the limits of a server. Zero means the default, unless a field states otherwise.
type Limits struct {
	// MaxReceiveBytes is the size of the largest request. Methods that take bodies to
	// encrypt or decrypt have a larger limit of their own. Default 1 MiB.
	MaxReceiveBytes int `yaml:"max_receive_bytes"`
	// BodyBytes is the total size of requests under way and of responses that are being
	// sent. One principal, and one workspace, gets at most as much as it leaves free for the
	// others. Processing a body takes about five times its size in memory. At least twice the
	// largest request; 0 means no bound. Default 128 MiB.
	BodyBytes *int64 `yaml:"body_bytes"`
	// DefaultDeadline is the deadline of requests that come without one. Default 10 s.
	DefaultDeadline time.Duration `yaml:"default_deadline"`
	// MaxDeadline is the longest deadline; longer ones are shortened to it. Default 60 s.
	MaxDeadline time.Duration `yaml:"max_deadline"`
	// MaxConcurrentStreams is the number of requests that one connection may have under
	// way. Default 1,000.
	MaxConcurrentStreams uint32 `yaml:"max_concurrent_streams"`
	// MaxConnectionAge is the age at which the server ends a connection, so that callers
	// spread over replicas and certificates are checked again. Default and maximum 1 h.
	MaxConnectionAge time.Duration `yaml:"max_connection_age"`
	// MinPing is the shortest time between two pings of a client. Default 30 s.
	MinPing time.Duration `yaml:"min_ping"`
	// Drain is the time that requests under way get to finish when the server stops.
	// Default 10 s.
	Drain time.Duration `yaml:"drain"`
	// PerPrincipal is the limit for each person and each workload, except resolvers. All
	// replicas with one SPIFFE ID share one limit. Default 20,000 requests a second and 2,000
	// under way, which is enough for a fleet.
	PerPrincipal Share `yaml:"per_principal"`
	// PerResolver is the limit for each workload with the role resolver. Default no bound,
	// because an allowlist acts for callers that it has counted already.
	PerResolver Share `yaml:"per_resolver"`
	// FailuresPerAddress is the number of invalid tokens a second that the server checks
	// for one address. 0 means no bound. Default 50.
	FailuresPerAddress *float64 `yaml:"failures_per_address"`
}

// A Share limits one caller. Callers over the limit get RATE_LIMITED with the time to wait.
type Share struct {
	// RequestsPerSecond is the sustained rate of requests. 0 means no bound.
	RequestsPerSecond *float64 `yaml:"requests_per_second"`
	// Burst is the number of requests that may come at once. Default twice RequestsPerSecond.
	Burst int `yaml:"burst"`
	// Concurrent is the number of requests under way, including streams. 0 means no bound.
	Concurrent *int `yaml:"concurrent"`
}

const (
	defaultRate       = 20_000
	defaultConcurrent = 2000
	defaultFailures   = 50
	defaultBodyBytes  = 128 << 20
)

// quota returns the limits, with the given defaults for unset fields.
func (s Share) quota(rate float64, concurrent int) quota.Limits {
	if s.RequestsPerSecond != nil {
		rate = *s.RequestsPerSecond
	}
	if s.Concurrent != nil {
		concurrent = *s.Concurrent
	}
	return quota.Limits{Rate: rate, Burst: cmp.Or(s.Burst, twice(rate)), Concurrent: concurrent}
}

func twice(rate float64) int { return int(math.Ceil(2 * rate)) }

// withDefaults returns the limits with defaults for zero fields.
func (l Limits) withDefaults() Limits {
	l.MaxReceiveBytes = cmp.Or(l.MaxReceiveBytes, 1<<20)
	if l.BodyBytes == nil {
		l.BodyBytes = new(int64(defaultBodyBytes))
	}
	l.DefaultDeadline = cmp.Or(l.DefaultDeadline, 10*time.Second)
	l.MaxDeadline = cmp.Or(l.MaxDeadline, time.Minute)
	l.MaxConcurrentStreams = cmp.Or(l.MaxConcurrentStreams, 1000)
	l.MaxConnectionAge = cmp.Or(l.MaxConnectionAge, maxConnectionAge)
	l.MinPing = cmp.Or(l.MinPing, 30*time.Second)
	l.Drain = cmp.Or(l.Drain, 10*time.Second)
	return l
}

func (l Limits) principals() quota.Limits {
	return l.PerPrincipal.quota(defaultRate, defaultConcurrent)
}

func (l Limits) resolvers() quota.Limits { return l.PerResolver.quota(0, 0) }

func (l Limits) failures() quota.Limits {
	return Share{RequestsPerSecond: l.FailuresPerAddress}.quota(defaultFailures, 0)
}

// CheckFor returns the errors in the limits of a server whose largest request has the given size.
func (l Limits) CheckFor(largest int) error {
	switch total := *l.withDefaults().BodyBytes; {
	case total < 0:
		return errors.New("limits.body_bytes: must not be negative")
	case total > 0 && total < 2*int64(largest):
		return fmt.Errorf("limits.body_bytes: must be at least twice the largest request, which is %d bytes", largest)
	}
	return nil
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
	errs = append(errs, l.CheckFor(l.withDefaults().MaxReceiveBytes))
	if d := l.withDefaults(); d.DefaultDeadline > d.MaxDeadline {
		errs = append(errs, errors.New("limits.default_deadline: must not be longer than limits.max_deadline"))
	}
	if l.MaxConnectionAge > maxConnectionAge {
		errs = append(errs, errors.New("limits.max_connection_age: must not be longer than 1h"))
	}
	for name, limits := range map[string]quota.Limits{
		"per_principal": l.principals(), "per_resolver": l.resolvers(), "failures_per_address": l.failures(),
	} {
		if err := limits.Check(); err != nil {
			errs = append(errs, fmt.Errorf("limits.%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
