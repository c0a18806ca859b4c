// Package workload gets the X.509 identity of a program from a SPIFFE Workload API, such as that
// of a SPIRE agent, and follows its rotation.
//
// An [Identity] is a certificate with its key, and the authorities of each trusted trust domain:
// its own and the federated ones. [New] waits for the first identity, so that a program does not
// start without one. [Source.Run] follows later ones. While the API is unavailable, the last
// identity remains in force until its certificate expires and peers refuse it.
//
// # Changes
//
// A program keeps the SPIFFE ID with which it started. An update without a certificate for that ID
// is refused, because other programs know this one by its ID. As with certificates in files, open
// connections do not change.
//
// A failure is logged once as an error, and the gauge `keyward_reload_failed` is 1 until an update
// succeeds.
package workload

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/reload"
)

const (
	// patience is the time that New waits for the first identity: an agent that has just started may
	// not know the program yet.
	patience = 30 * time.Second
	// pause is the time between two attempts.
	pause = time.Second
)

// Options are the options of a source. All except Changed are required.
type Options struct {
	// Name is the owner of the identity, such as `server`. It is a label of the gauge.
	Name string
	// Address is the address of the API, such as `unix:///run/spire/agent.sock`.
	Address string
	// Log receives updates and errors.
	Log *slog.Logger
	// Metrics registers the gauge `keyward_reload_failed`, which is 1 while the API does not renew
	// the identity.
	Metrics prometheus.Registerer
	// Changed, if not nil, is called with each identity, including the first, before Current returns
	// it.
	Changed func(*Identity)
}

// An Identity is the identity of a program and its trusted authorities. It is immutable.
type Identity struct {
	// ID is the program's SPIFFE ID.
	ID spiffeid.ID
	// Certificate is the program's chain with its key. Its leaf is parsed.
	Certificate tls.Certificate
	// Bundles are the authorities of each trust domain.
	Bundles auth.Bundles
}

// A Source holds the current identity. It is safe for concurrent use.
type Source struct {
	options Options
	current atomic.Pointer[Identity]
	failing atomic.Bool
	failed  prometheus.Gauge // shows failing
}

// CheckAddress returns an error unless the address is that of a Unix socket with an absolute path.
// Over a network, any client that can connect would get the program's key.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "unix" || u.Host != "" || len(u.Path) < 2 || workloadapi.ValidateAddress(address) != nil {
		return errors.New("must be the address of a Unix socket, such as unix:///run/spire/agent.sock")
	}
	return nil
}

// New returns a source with an identity. It tries for half a minute, or until ctx ends.
func New(ctx context.Context, o Options) (*Source, error) {
	s := &Source{options: o, failed: reload.FailedGauge(o.Name + "_workload_api")}
	if err := o.Metrics.Register(s.failed); err != nil {
		return nil, fmt.Errorf("register metrics of the Workload API: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // all is said
	for {
		got, err := client.FetchX509Context(ctx)
		if err == nil {
			s.adopt(ctx, identityOf(got.SVIDs[0], got.Bundles))
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("fetch identity from the Workload API: %w", err)
		case <-time.After(pause):
		}
	}
}

// Current returns the current identity.
func (s *Source) Current() *Identity { return s.current.Load() }

// ClientTLS returns the TLS configuration for a server with a name: a SPIFFE ID or a host, or, if
// empty, the dialed host. The authorities are roots or, if nil, those of the server's trust
// domain, or of the program's own if the name is a host.
func (s *Source) ClientTLS(name string, roots *x509.CertPool) *tls.Config {
	now := s.Current()
	server, host := auth.ParseServerName(name)
	if roots == nil {
		domain := now.ID.TrustDomain()
		if !server.IsZero() {
			domain = server.TrustDomain()
		}
		roots = now.Bundles.Pool(domain)
	}
	cfg := auth.ClientTLSConfig(&now.Certificate, roots, server)
	cfg.ServerName = host
	return cfg
}

// Run follows the identity until ctx ends.
func (s *Source) Run(ctx context.Context) {
	for ctx.Err() == nil {
		// The library gives up after some errors from which an agent can recover.
		s.trouble(ctx, s.watch(ctx))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (s *Source) watch(ctx context.Context) error {
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // all is said
	return client.WatchX509Context(ctx, watcher{ctx, s})
}

// connect prepares a connection. The environment and the DNS do not affect it.
func (s *Source) connect(ctx context.Context) (*workloadapi.Client, error) {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(s.options.Address), workloadapi.WithBackoffStrategy(steady{}),
		workloadapi.WithDialOptions(grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: pause},
			MinConnectTimeout: 2 * time.Second,
		})))
	if err != nil {
		return nil, fmt.Errorf("connect to the Workload API: %w", err)
	}
	return client, nil
}

// watcher forwards the events of the library.
type watcher struct {
	ctx    context.Context
	source *Source
}

// OnX509ContextUpdate receives an update.
func (w watcher) OnX509ContextUpdate(got *workloadapi.X509Context) { w.source.update(w.ctx, got) }

// OnX509ContextWatchError receives an error.
func (w watcher) OnX509ContextWatchError(err error) { w.source.trouble(w.ctx, err) }

// update applies an identity from the API.
func (s *Source) update(ctx context.Context, got *workloadapi.X509Context) {
	for _, svid := range got.SVIDs {
		if svid.ID == s.Current().ID {
			s.adopt(ctx, identityOf(svid, got.Bundles))
			s.failing.Store(false)
			s.failed.Set(0)
			return
		}
	}
	s.trouble(ctx, errors.New("the update has no certificate for the SPIFFE ID of this program; restart it to change the ID"))
}

// trouble logs a failure of the API once until it is over.
func (s *Source) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil || s.failing.Swap(true) {
		return
	}
	s.failed.Set(1)
	s.options.Log.LogAttrs(ctx, slog.LevelError,
		"the Workload API does not renew the identity; the last one stays in force until it expires", slog.Any("cause", err))
}

func (s *Source) adopt(ctx context.Context, next *Identity) {
	if s.options.Changed != nil {
		s.options.Changed(next)
	}
	s.current.Store(next)
	s.options.Log.LogAttrs(ctx, slog.LevelInfo, "took over the identity from the Workload API",
		slog.String("id", next.ID.String()), slog.Time("expires", next.Certificate.Leaf.NotAfter))
}

func identityOf(svid *x509svid.SVID, bundles *x509bundle.Set) *Identity {
	id := &Identity{ID: svid.ID, Bundles: make(auth.Bundles), Certificate: tls.Certificate{PrivateKey: svid.PrivateKey, Leaf: svid.Certificates[0]}}
	for _, cert := range svid.Certificates {
		id.Certificate.Certificate = append(id.Certificate.Certificate, cert.Raw)
	}
	for _, bundle := range bundles.Bundles() {
		id.Bundles[bundle.TrustDomain()] = bundle.X509Authorities()
	}
	return id
}

// steady waits the same time before each attempt.
type steady struct{}

// NewBackoff returns the same.
func (steady) NewBackoff() workloadapi.Backoff { return steady{} }

// Next returns the time to wait.
func (steady) Next() time.Duration { return pause }

// Reset does nothing.
func (steady) Reset() {}
