package allowlist

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
)

// An identity is who the allowlist is to the vault, and whom it believes to be the
// vault: what its files hold at the moment. New connections are made with it.
type identity struct {
	config VaultConfig
	files  *reload.Reloader
	expiry *telemetry.Expiry

	name    string // the SPIFFE id at the start, which is how the vault knows it
	current atomic.Pointer[tls.Config]
}

// newIdentity loads the files for the first time. Nil metrics are shown to nobody.
func newIdentity(c VaultConfig, logger *slog.Logger, metrics prometheus.Registerer) (id *identity, err error) {
	if metrics == nil {
		metrics = prometheus.NewRegistry()
	}
	id = &identity{config: c}
	if id.expiry, err = telemetry.NewExpiry(metrics, "vault_client"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	id.files, err = reload.New(reload.Options{
		Name: "vault_client", Files: []string{c.CA, c.Certificate, c.Key}, Load: id.load, Log: logger, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	name, err := x509svid.IDFromCert(id.current.Load().Certificates[0].Leaf)
	if err != nil {
		return nil, errors.New("read vault.certificate: it does not name exactly one workload")
	}
	id.name = name.String()
	return id, nil
}

// checkFiles reports what is wrong with the files.
func (c VaultConfig) checkFiles(r *filecheck.Report) {
	r.Workload("vault.certificate, vault.key", c.Certificate, c.Key)
	r.Authorities("vault.ca", c.CA)
}

// load reads all files and then puts all in force.
func (id *identity) load() error {
	c := id.config
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return fmt.Errorf("read vault.certificate and vault.key: %w", err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return fmt.Errorf("read vault.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("read vault.ca: there is no certificate in the file")
	}
	server, name := spiffeid.ID{}, c.ServerName
	if parsed, err := spiffeid.FromString(c.ServerName); err == nil {
		server, name = parsed, ""
	}
	config := auth.ClientTLSConfig(&cert, roots, server)
	config.ServerName = name
	id.current.Store(config)
	id.expiry.Set(cert)
	return nil
}
