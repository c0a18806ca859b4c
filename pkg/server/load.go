package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// Reload reads the policy, the server's certificate, the authorities of workloads and issuers, and
// the token for metrics again. The policy takes effect with the next request, the rest with the
// next connection. If any file is invalid, nothing changes. The rest of the configuration is read
// only at start.
//
// A running server reloads automatically when one of the files changes, and on SIGHUP.
func (s *Server) Reload() error { return s.files.Reload() }

// newFiles loads the files for the first time.
func (s *Server) newFiles(metrics prometheus.Registerer) (err error) {
	if s.expiry, err = telemetry.NewExpiry(metrics, "server"); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if s.config.Metrics.TokenFile != "" {
		s.token = new(telemetry.Token)
	}
	if err := s.newSource(metrics); err != nil {
		return err
	}
	files := append(s.steps.authenticator.TrustFiles(), s.config.Auth.Policy)
	s.files, err = reload.New(reload.Options{
		Name: "server", Files: append(files, s.config.portFiles()...), Load: s.load, Log: s.log, Metrics: metrics,
	})
	return err
}

// portFiles returns the paths of the files for the ports.
func (c Config) portFiles() []string {
	files := c.TLS.files()
	if c.Metrics.TokenFile != "" {
		files = append(files, c.Metrics.TokenFile)
	}
	return files
}

// newSource waits for the first identity from the Workload API, if one is configured.
func (s *Server) newSource(metrics prometheus.Registerer) (err error) {
	if s.config.TLS.WorkloadAPI == "" {
		return nil
	}
	s.source, err = workload.New(context.Background(), workload.Options{
		Name: "server", Address: s.config.TLS.WorkloadAPI, Log: s.log, Metrics: metrics,
		Changed: func(id *workload.Identity) { s.show(auth.ServerTLSConfig(id.Certificate, id.Bundles)) },
	})
	return err
}

// show uses the identity for all new connections.
func (s *Server) show(identity *tls.Config) {
	s.identity.Store(identity)
	s.expiry.Set(identity.Certificates[0])
}

// load reads all files and then applies all of them.
func (s *Server) load() error {
	policy, err := loadPolicy(s.config.Auth.Policy)
	if err != nil {
		return err
	}
	var identity *tls.Config // stays nil if a Workload API gives it
	if s.source == nil {
		if identity, err = s.config.TLS.load(); err != nil {
			return err
		}
	}
	adopt, err := s.steps.authenticator.LoadTrust()
	if err != nil {
		return fmt.Errorf("load auth.issuers: %w", err)
	}
	if s.token != nil {
		if err := s.token.Load(s.config.Metrics.TokenFile); err != nil {
			return err
		}
	}
	s.warn(policy)
	s.policies.Swap(policy)
	if identity != nil {
		s.show(identity)
	}
	adopt()
	return nil
}

// warn logs rows of the policy that have no effect.
func (s *Server) warn(policy *auth.Policy) {
	needsResolver := s.steps.guard.Asks(accessv1.Role_ROLE_RESOLVER)
	around := s.config.surroundings(needsResolver)
	if s.source != nil {
		around.AnyTrustDomain = false
		around.TrustDomains = slices.Collect(maps.Keys(s.source.Current().Bundles))
	}
	for _, warning := range policy.Warnings(around) {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "the policy has a row without effect", slog.String("warning", warning))
	}
}

// surroundings returns the configuration that decides which rows of a policy can match.
func (c Config) surroundings(needsResolver bool) auth.Surroundings {
	around := auth.Surroundings{NeedsResolver: needsResolver, AnyTrustDomain: c.TLS.WorkloadAPI != ""}
	for _, issuer := range c.Auth.Issuers {
		around.Issuers = append(around.Issuers, issuer.URL)
	}
	for _, domain := range c.TLS.trustDomains() {
		if name, err := spiffeid.TrustDomainFromString(domain.Name); err == nil {
			around.TrustDomains = append(around.TrustDomains, name)
		}
	}
	return around
}

// follow reloads the files when they change, and follows the Workload API, until the function it returns is called.
func (s *Server) follow(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() { s.files.Run(ctx, s.config.ReloadInterval) })
	if s.source != nil {
		tasks.Go(func() { s.source.Run(ctx) })
	}
	return func() {
		cancel()
		tasks.Wait()
	}
}

// LoadPolicy reads the policy that the configuration names.
func (c Config) LoadPolicy() (*auth.Policy, error) { return loadPolicy(c.Auth.Policy) }

func loadPolicy(path string) (*auth.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read auth.policy: %w", err)
	}
	policy, err := auth.ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("parse auth.policy: %w", err)
	}
	return policy, nil
}
