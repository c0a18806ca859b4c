// Package workload gets the X.509 identity of a program from a SPIFFE Workload API, such
// as that of a SPIRE agent, and follows its rotation.
//
// An [Identity] is a certificate with its key, and the authorities of each trust domain
// that the program may believe: its own and those that it is federated with. [New] waits
// for the first one, so that a program does not start without; [Source.Run] follows the
// next ones. While the API is out of reach, the last identity stays in force, until its
// certificate expires and peers refuse it.
//
// # Changes
//
// A program keeps the SPIFFE id that it started with. An update without a certificate
// for that id is refused: other programs know this one by its id. Connections that are
// open stay as they are, as with certificates in files.
//
// Trouble is an error in the log, once, and the gauge `keyward_reload_failed` is 1 until
// an update comes through.
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
	// patience is how long New waits for the first identity: an agent that has just
	// started may not know the program yet.
	patience = 30 * time.Second
	// pause is the time between two attempts.
	pause = time.Second
)

// Options are what a source works with. All but Changed are required.
type Options struct {
	// Name says whose identity this is, such as `server`. It is a label of the gauge.
	Name string
	// Address is the API's, `unix:///run/spire/agent.sock`.
	Address string
	// Log hears of each update and of trouble.
	Log *slog.Logger
	// Metrics gets the gauge `keyward_reload_failed`, 1 while the API does not renew the
	// identity.
	Metrics prometheus.Registerer
	// Changed, if not nil, hears of each identity before it is returned by Current, the
	// first one included.
	Changed func(*Identity)
}

// An Identity is who a program is and whom it may believe. It never changes.
type Identity struct {
	// ID is the program's SPIFFE id.
	ID spiffeid.ID
	// Certificate is the program's chain with its key. Its leaf is parsed.
	Certificate tls.Certificate
	// Bundles are the authorities of each trust domain.
	Bundles auth.Bundles
}

// A Source has the identity of the moment. It may be used by many goroutines.
type Source struct {
	options Options
	current atomic.Pointer[Identity]
	failing atomic.Bool
	failed  prometheus.Gauge // shows failing
}

// CheckAddress returns an error unless the address is a Unix socket's, with an absolute
// path. Over a network, any client that can connect would get the
// program's key.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "unix" || u.Host != "" || len(u.Path) < 2 || workloadapi.ValidateAddress(address) != nil {
		return errors.New("must be the address of a Unix socket, such as unix:///run/spire/agent.sock")
	}
	return nil
}

// New returns a source that has an identity. It tries for half a minute, or until ctx ends.
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

// Current returns the identity of the moment.
func (s *Source) Current() *Identity { return s.current.Load() }

// ClientTLS returns how the program speaks TLS to a server whose certificate shows the
// name: a SPIFFE id, or else a host; empty, the host that is dialed. The authorities are
// those of the server's trust domain, or of the program's own if the name is a host's,
// unless roots are given.
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
		// The library gives up on some errors, which an agent may recover from all the same.
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

// connect prepares a connection. Neither the environment nor the DNS has a say in it.
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

// watcher passes on what the library hears while it watches.
type watcher struct {
	ctx    context.Context
	source *Source
}

// OnX509ContextUpdate hears of an update.
func (w watcher) OnX509ContextUpdate(got *workloadapi.X509Context) { w.source.update(w.ctx, got) }

// OnX509ContextWatchError hears of trouble.
func (w watcher) OnX509ContextWatchError(err error) { w.source.trouble(w.ctx, err) }

// update takes over what the API hands out.
func (s *Source) update(ctx context.Context, got *workloadapi.X509Context) {
	for _, svid := range got.SVIDs {
		if svid.ID == s.Current().ID {
			s.adopt(ctx, identityOf(svid, got.Bundles))
			s.failing.Store(false)
			s.failed.Set(0)
			return
		}
	}
	s.trouble(ctx, errors.New("the update has no certificate for the SPIFFE id of this program; restart it to change the id"))
}

// trouble logs trouble with the API, once until it is over.
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
