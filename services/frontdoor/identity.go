package frontdoor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
)

// An identity is who the door is, to people and to the services, and whom it
// believes to be the services: what its files hold at the moment. New connections
// are made with it.
type identity struct {
	config Config
	files  *reload.Reloader
	token  *telemetry.Token // of the metrics; nil: none is asked for
	expiry struct{ server, client *telemetry.Expiry }

	shown  atomic.Pointer[tls.Certificate]
	client atomic.Pointer[tls.Config]
}

// newIdentity loads the files for the first time.
func newIdentity(c Config, t *telemetry.Telemetry) (id *identity, err error) {
	id = &identity{config: c}
	if id.expiry.server, err = telemetry.NewExpiry(t.Metrics, "server"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if id.expiry.client, err = telemetry.NewExpiry(t.Metrics, "client"); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	files := []string{c.TLS.Certificate, c.TLS.Key, c.Client.Certificate, c.Client.Key, c.CA}
	if c.Metrics.TokenFile != "" {
		id.token, files = new(telemetry.Token), append(files, c.Metrics.TokenFile)
	}
	id.files, err = reload.New(reload.Options{Name: "gateway", Files: files, Load: id.load, Log: t.Log, Metrics: t.Metrics})
	return id, err
}

// CheckFiles reports what is wrong with the files that the configuration names.
func (c Config) CheckFiles(r *filecheck.Report) {
	r.KeyPair("tls.certificate, tls.key", c.TLS.Certificate, c.TLS.Key)
	r.Workload("client.certificate, client.key", c.Client.Certificate, c.Client.Key)
	r.Authorities("ca", c.CA)
	if c.Metrics.TokenFile != "" {
		r.Fail(new(telemetry.Token).Load(c.Metrics.TokenFile))
	}
}

// load reads all files and then puts all in force.
func (id *identity) load() error {
	c := id.config
	shown, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		return fmt.Errorf("read tls: %w", err)
	}
	proxy, err := tls.LoadX509KeyPair(c.Client.Certificate, c.Client.Key)
	if err != nil {
		return fmt.Errorf("read client: %w", err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return fmt.Errorf("read ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("read ca: the file holds no certificate")
	}
	if id.token != nil {
		if err := id.token.Load(c.Metrics.TokenFile); err != nil {
			return err
		}
	}
	id.shown.Store(&shown)
	id.client.Store(auth.ClientTLSConfig(&proxy, roots, spiffeid.ID{}))
	id.expiry.server.Set(shown)
	id.expiry.client.Set(proxy)
	return nil
}

// server is how the door speaks TLS to people.
func (id *identity) server() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return id.shown.Load(), nil },
	}
}

// follow reloads the files when they change until the function it returns is called.
func (id *identity) follow(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		id.files.Run(ctx, id.config.reloadInterval())
	}()
	return func() {
		cancel()
		<-ended
	}
}
