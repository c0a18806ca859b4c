package frontdoor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
)

// An identity holds the current certificates of the door, for people and for the services, and the
// authorities of the services. They come from files or a Workload API. New connections use them.
type identity struct {
	config Config
	files  *reload.Reloader
	token  *telemetry.Token // the bearer token for metrics; nil if they require none
	expiry struct{ server, client *telemetry.Expiry }

	source *workload.Source // of the client certificate; nil if it comes from files
	held   atomic.Pointer[held]
}

// held is the contents of the files.
type held struct {
	shown *tls.Certificate // for people
	own   *tls.Certificate // for the services; nil if the source provides it
	roots *x509.CertPool   // of the services; nil if the source provides them
}

// newIdentity loads the files for the first time, and waits for the Workload API if it is
// configured.
func newIdentity(ctx context.Context, c Config, t *telemetry.Telemetry) (id *identity, err error) {
	id = &identity{config: c}
	if id.expiry.server, err = telemetry.NewExpiry(t.Metrics, "server"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if id.expiry.client, err = telemetry.NewExpiry(t.Metrics, "client"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	files := slices.DeleteFunc([]string{c.TLS.Certificate, c.TLS.Key, c.Client.Certificate, c.Client.Key, c.CA},
		func(path string) bool { return path == "" })
	if c.Metrics.TokenFile != "" {
		id.token, files = new(telemetry.Token), append(files, c.Metrics.TokenFile)
	}
	id.files, err = reload.New(reload.Options{Name: "gateway", Files: files, Load: id.load, Log: t.Log, Metrics: t.Metrics})
	if err != nil || c.Client.WorkloadAPI == "" {
		return id, err
	}
	id.source, err = workload.New(ctx, workload.Options{
		Name: "client", Address: c.Client.WorkloadAPI, Log: t.Log, Metrics: t.Metrics,
		Changed: func(now *workload.Identity) { id.expiry.client.Set(now.Certificate) },
	})
	return id, err
}

// CheckFiles reports errors and warnings about the files that the configuration names.
func (c Config) CheckFiles(r *filecheck.Report) {
	r.KeyPair("tls.certificate, tls.key", c.TLS.Certificate, c.TLS.Key)
	if c.Client.WorkloadAPI == "" {
		r.Workload("client.certificate, client.key", c.Client.Certificate, c.Client.Key)
	}
	r.Authorities("ca", c.CA)
	if c.Metrics.TokenFile != "" {
		r.Fail(new(telemetry.Token).Load(c.Metrics.TokenFile))
	}
}

// load reads all files and then applies all of them.
func (id *identity) load() error {
	c, next := id.config, new(held)
	shown, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		return fmt.Errorf("read tls: %w", err)
	}
	next.shown = &shown
	if err := next.loadClient(c); err != nil {
		return err
	}
	if id.token != nil {
		if err := id.token.Load(c.Metrics.TokenFile); err != nil {
			return err
		}
	}
	id.held.Store(next)
	id.expiry.server.Set(shown)
	if next.own != nil {
		id.expiry.client.Set(*next.own)
	}
	return nil
}

// loadClient reads the files for connections to the services.
func (h *held) loadClient(c Config) error {
	if c.Client.Certificate != "" {
		proxy, err := tls.LoadX509KeyPair(c.Client.Certificate, c.Client.Key)
		if err != nil {
			return fmt.Errorf("read client: %w", err)
		}
		h.own = &proxy
	}
	if c.CA == "" {
		return nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return fmt.Errorf("read ca: %w", err)
	}
	h.roots = x509.NewCertPool()
	if !h.roots.AppendCertsFromPEM(pem) {
		return errors.New("read ca: the file contains no certificate")
	}
	return nil
}

// client returns a function that returns the configuration of the next connection to a service.
// The service's certificate must contain the name.
func (id *identity) client(name string) func() *tls.Config {
	return func() *tls.Config {
		now := id.held.Load()
		if id.source != nil {
			return id.source.ClientTLS(name, now.roots)
		}
		server, host := auth.ParseServerName(name)
		config := auth.ClientTLSConfig(now.own, now.roots, server)
		config.ServerName = host
		return config
	}
}

// server returns the TLS configuration of the HTTPS port.
func (id *identity) server() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return id.held.Load().shown, nil },
	}
}

// follow reloads the files when they change, and follows the Workload API, until stop is called.
func (id *identity) follow(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() { id.files.Run(ctx, id.config.reloadInterval()) })
	if id.source != nil {
		tasks.Go(func() { id.source.Run(ctx) })
	}
	return func() {
		cancel()
		tasks.Wait()
	}
}
