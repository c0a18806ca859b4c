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

// An identity is the allowlist's own certificate and the authorities that it trusts for the
// vault's certificate. Both come from files or from a Workload API, and are reloaded. New
// connections use the current ones.
type identity struct {
	config VaultConfig
	files  *reload.Reloader
	source *workload.Source // source of the certificate; nil: the files
	expiry *telemetry.Expiry

	name string // the SPIFFE ID at the start, by which the vault identifies the allowlist
	held atomic.Pointer[held]
}

// held is the content of the files.
type held struct {
	own   *tls.Certificate // nil: use the source's
	roots *x509.CertPool   // nil: use the source's
}

// newIdentity loads the files for the first time, and waits for the Workload API if one is
// configured. Nil metrics are discarded.
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
	if id.name, err = workloadName(id.held.Load().own.Leaf); err != nil {
		return nil, err
	}
	return id, nil
}

// workloadName returns the SPIFFE ID of the certificate with which the allowlist calls the vault.
func workloadName(leaf *x509.Certificate) (string, error) {
	id, err := x509svid.IDFromCert(leaf)
	if err != nil {
		return "", errors.New("read vault.certificate: the certificate does not name exactly one workload")
	}
	return id.String(), nil
}

// ask requests the first certificate from the Workload API.
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

// follow keeps the identity up to date until ctx ends.
func (id *identity) follow(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { id.files.Run(ctx, reload.Interval) })
	if id.source != nil {
		tasks.Go(func() { id.source.Run(ctx) })
	}
	tasks.Wait()
}

// tls returns the TLS configuration for the next connection.
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

// checkFiles reports problems with the files.
func (c VaultConfig) checkFiles(r *filecheck.Report) {
	if c.WorkloadAPI == "" {
		r.Workload("vault.certificate, vault.key", c.Certificate, c.Key)
	}
	r.Authorities("vault.ca", c.CA)
}

// load reads all files, and then replaces the identity at once.
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
			return errors.New("read vault.ca: the file contains no certificate")
		}
	}
	id.held.Store(next)
	if next.own != nil {
		id.expiry.Set(*next.own)
	}
	return nil
}
