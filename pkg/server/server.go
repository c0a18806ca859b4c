// Package server runs gRPC services: a TLS listener, a chain of steps around every request, and a
// graceful shutdown, all configured by a [Config].
//
// # The chain
//
// From the outside in:
//
//	deadline      every request has one
//	recover       a panic in the chain ends one request, not the server
//	request id    and the trace, which the stats handler started before
//	log, metrics  one line and one count per request, whatever its result
//	record        one access record per request, written before the response leaves
//	status        converts faults, other errors, and panics to the response
//	authenticate  determines the caller
//	share         limits the caller
//	receive       reads the request, if there is room for its bytes
//	authorize     checks the caller's roles
//	weigh         limits the workspace
//	validate      checks the fields of the request
//
// A response stream passes the same steps except the deadline. It ends with its caller, with the
// server, or when its caller is no longer authorized, which is checked again before each response.
//
// Authentication and authorization come before any check of the request, so a malformed request of
// an unauthenticated caller returns UNAUTHENTICATED. The status step catches panics of handlers,
// so that they are logged and counted with their status. Status codes appear in one file,
// status.go.
//
// The chain is not one of interceptors. Its steps are methods of one value per request, which is
// also the context of the request, and they are called one after the other in chain.go.
//
// # Changing files
//
// The server reloads the policy, certificates, and authorities when they change (package reload).
// A new policy takes effect with the next request. A connection keeps its certificate and
// authority, for at most an hour. A SPIFFE Workload API can provide certificates and authorities
// instead (package workload).
//
// # Services
//
// A [Service] registers its methods. The server does not start if a method has no access option or
// invalid validation rules. Handlers return faults for errors that callers should understand, and
// any other errors for the rest. Every server also provides keyward.access.v1.AccessService.
// [Author] returns the author of a change. Programs with several servers, and tests, use [New] and
// [Server.Serve]. Others call [Run], or [RunOpening] if their service may have to wait before it can
// open, such as for a key provider: until then, only the health service answers, with NOT_SERVING.
//
// # Metrics and health
//
// [ServeMetrics] serves /metrics, /healthz, and /readyz on a port of their own. /readyz returns 503
// while the server does not serve, and while the disk is full, unless the query is exclude=disk.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/quota"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
)

// A Service is one or more gRPC services and their resources.
type Service interface {
	// Register registers the gRPC services.
	Register(grpc.ServiceRegistrar)
	// Close ends the service. It is called after the last request has finished. Calling it again has
	// no effect.
	Close() error
}

// A PolicyReader is a Service that reads the policy.
type PolicyReader interface {
	// UsePolicies passes the holder of the current policy to the service before the server starts to
	// serve.
	UsePolicies(*auth.Policies)
}

// A Receiver is a Service with methods that accept requests above Limits.MaxReceiveBytes.
type Receiver interface {
	// MaxReceiveBytes returns the maximum size of a request for these methods, by full name, such as
	// /keyward.allowlist.v1.AllowlistService/Encrypt.
	MaxReceiveBytes() map[string]int
}

// A Server serves services over gRPC. [New] creates it, and it serves once.
type Server struct {
	config Config
	limits Limits
	log    *slog.Logger

	services  []Service
	names     [][]string         // of the gRPC services of each service
	methods   map[string]*method // by full name: all there are
	unknown   *method            // all others
	telemetry *telemetry.Telemetry
	files     *reload.Reloader
	identity  atomic.Pointer[tls.Config]
	source    *workload.Source // of the identity; nil: files
	expiry    *telemetry.Expiry
	token     *telemetry.Token // nil: none is asked for
	policies  *auth.Policies
	steps     steps
	records   *records // nil: none are written
	bodies    bodies
	codec     codec
	health    *health.Server
	grpc      *grpc.Server
	draining  chan struct{} // closed when the drain begins
}

// steps are the parts of the chain that have state.
type steps struct {
	requests      *telemetry.Requests
	authenticator *auth.Authenticator
	shares        shares
	guard         *auth.Guard
	validator     *validator
}

// New returns a server for the services. It reads the configured files and waits for the Workload
// API, if one is configured, but does not listen yet.
func New(cfg Config, t *telemetry.Telemetry, services ...Service) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check server configuration: %w", err)
	}
	s := &Server{
		config: cfg.withDefaults(), limits: cfg.Limits.withDefaults(), log: t.Log, telemetry: t, health: health.NewServer(),
		policies: auth.NewPolicies(nil), codec: newCodec(), draining: make(chan struct{}),
	}
	c := newCatalog(services, s.health, cfg.Reflection)
	s.services, s.names = services, c.names
	var err error
	if s.bodies, err = newBodies(*s.limits.BodyBytes, t.Metrics); err != nil {
		return nil, err
	}
	if s.steps, err = newSteps(cfg, s.policies, c, t.Metrics); err != nil {
		return nil, err
	}
	if s.methods, err = s.newMethods(c, services); err != nil {
		return nil, err
	}
	s.unknown = s.newMethod("unknown", "unknown")
	if err := s.newFiles(t.Metrics); err != nil {
		return nil, err
	}
	for _, svc := range services { // now that the policy is loaded
		if reader, ok := svc.(PolicyReader); ok {
			reader.UsePolicies(s.policies)
		}
	}
	if s.records, err = newRecords(s.config.AccessLog, t.Metrics); err != nil {
		return nil, err
	}
	s.grpc = grpc.NewServer(s.options(t)...)
	s.register(c)
	return s, nil
}

func newSteps(cfg Config, policies *auth.Policies, c *catalog, metrics prometheus.Registerer) (s steps, err error) {
	failures, err := quota.New(cfg.Limits.failures(), time.Now)
	if err != nil {
		return s, fmt.Errorf("set up authentication: %w", err)
	}
	s.authenticator, err = auth.NewAuthenticator(auth.Config{
		Issuers: cfg.Auth.Issuers, Policies: policies, CacheSize: cfg.Auth.CacheSize, Failures: failures,
	})
	if err != nil {
		return s, fmt.Errorf("set up authentication: %w", err)
	}
	if s.shares, err = newShares(cfg.Limits); err != nil {
		return s, fmt.Errorf("set up limits: %w", err)
	}
	if s.guard, err = auth.NewGuard(c.GetServiceInfo()); err != nil {
		return s, fmt.Errorf("set up authorization: %w", err)
	}
	requests, err := c.requests()
	if err != nil {
		return s, err
	}
	if s.validator, err = newValidator(requests); err != nil {
		return s, err
	}
	if s.requests, err = telemetry.NewRequests(metrics); err != nil {
		return s, fmt.Errorf("register metrics: %w", err)
	}
	return s, nil
}

// Serve serves on the listeners until ctx ends or one of them fails. Then it refuses new requests,
// waits up to Limits.Drain for pending ones, cancels the rest, and returns when no handler is
// running. While it serves, it reloads its files when they change.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	defer s.follow(ctx)()
	s.followHealth()
	for _, lis := range listeners {
		go func() { failed <- s.grpc.Serve(lis) }()
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.Any("listen", addresses(listeners)))

	var err error
	ended := 0
	select {
	case <-ctx.Done():
	case err = <-failed:
		ended++
	}
	s.drain(ctx)
	for ; ended < len(listeners); ended++ {
		// ctx may end before a listener was served.
		if late := <-failed; !errors.Is(late, grpc.ErrServerStopped) {
			err = errors.Join(err, late)
		}
	}
	if err = errors.Join(err, s.records.close()); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// drain waits for pending requests, up to a limit.
func (s *Server) drain(ctx context.Context) {
	s.health.Shutdown() // load balancers look elsewhere from now on
	close(s.draining)   // streams have no end of their own
	begin, finished := time.Now(), make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(finished)
	}()
	limit := time.NewTimer(s.limits.Drain)
	defer limit.Stop()
	select {
	case <-finished:
	case <-limit.C:
		s.log.LogAttrs(ctx, slog.LevelWarn, "the drain timed out; the remaining requests are canceled")
		s.grpc.Stop()
		<-finished
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopped", slog.Int64("drain_ms", time.Since(begin).Milliseconds()))
}

func addresses(listeners []net.Listener) []string {
	var texts []string
	for _, lis := range listeners {
		texts = append(texts, lis.Addr().String())
	}
	return texts
}
