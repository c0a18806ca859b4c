package allowlist

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
)

// An identity is who the allowlist is to the vault, and whom it believes to be the
// vault: what its files hold, or a Workload API gives, at the moment. New connections are
// made with it.
type identity struct {
	config VaultConfig
	files  *reload.Reloader
	source *workload.Source // of the certificate; nil: files
	expiry *telemetry.Expiry

	name string // the SPIFFE id at the start, which is how the vault knows it
	held atomic.Pointer[held]
}

// held is what the files hold.
type held struct {
	own   *tls.Certificate // nil: the source has it
	roots *x509.CertPool   // nil: the source has them
}

// newIdentity loads the files for the first time, and waits for the Workload API if
// there is one. Nil metrics are discarded.
func newIdentity(ctx context.Context, c VaultConfig, logger *slog.Logger, metrics prometheus.Registerer) (id *identity, err error) {
	if metrics == nil {
		metrics = prometheus.NewRegistry()
	}
	id = &identity{config: c}
	if id.expiry, err = telemetry.NewExpiry(metrics, "vault_client"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	id.files, err = reload.New(reload.Options{Name: "vault_client", Files: c.files(), Load: id.load, Log: logger, Metrics: metrics})
	if err != nil {
		return nil, err
	}
	if c.WorkloadAPI != "" {
		return id, id.ask(ctx, logger, metrics)
	}
	name, err := x509svid.IDFromCert(id.held.Load().own.Leaf)
	if err != nil {
		return nil, errors.New("read vault.certificate: it does not name exactly one workload")
	}
	id.name = name.String()
	return id, nil
}

// ask gets the first certificate from the Workload API.
func (id *identity) ask(ctx context.Context, logger *slog.Logger, metrics prometheus.Registerer) (err error) {
	id.source, err = workload.New(ctx, workload.Options{
		Name: "vault_client", Address: id.config.WorkloadAPI, Log: logger, Metrics: metrics,
		Changed: func(now *workload.Identity) { id.expiry.Set(now.Certificate) },
	})
	if err != nil {
		return fmt.Errorf("use vault.workload_api: %w", err)
	}
	id.name = id.source.Current().ID.String()
	return nil
}

// files returns the paths of all files.
func (c VaultConfig) files() []string {
	var files []string
	for _, path := range []string{c.CA, c.Certificate, c.Key} {
		if path != "" {
			files = append(files, path)
		}
	}
	return files
}

// follow keeps the identity in step until ctx ends.
func (id *identity) follow(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { id.files.Run(ctx, reload.Interval) })
	if id.source != nil {
		tasks.Go(func() { id.source.Run(ctx) })
	}
	tasks.Wait()
}

// tls returns how the next connection is made.
func (id *identity) tls() *tls.Config {
	now := id.held.Load()
	if id.source != nil {
		return id.source.ClientTLS(id.config.ServerName, now.roots)
	}
	server, host := auth.ParseServerName(id.config.ServerName)
	config := auth.ClientTLSConfig(now.own, now.roots, server)
	config.ServerName = host
	return config
}

// checkFiles reports what is wrong with the files.
func (c VaultConfig) checkFiles(r *filecheck.Report) {
	if c.WorkloadAPI == "" {
		r.Workload("vault.certificate, vault.key", c.Certificate, c.Key)
	}
	r.Authorities("vault.ca", c.CA)
}

// load reads all files and then puts all in force.
func (id *identity) load() error {
	c, next := id.config, new(held)
	if c.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return fmt.Errorf("read vault.certificate and vault.key: %w", err)
		}
		next.own = &cert
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return fmt.Errorf("read vault.ca: %w", err)
		}
		next.roots = x509.NewCertPool()
		if !next.roots.AppendCertsFromPEM(pem) {
			return errors.New("read vault.ca: there is no certificate in the file")
		}
	}
	id.held.Store(next)
	if next.own != nil {
		id.expiry.Set(*next.own)
	}
	return nil
}
