// Package server runs gRPC services: it turns a [Config] into a listener with TLS,
// a chain of steps around every request, and a graceful end.
//
// # The chain
//
// From the outside in:
//
//	deadline      each request has one
//	recover       a panic of the chain ends one request, not the server
//	request id    and the trace, which the stats handler has begun before
//	log, metrics  one line and one count per request, whatever becomes of it
//	status        faults, other errors and panics become what the caller gets
//	authenticate  who is it
//	share         do they leave something for others
//	receive       only now the request is read, if there is room for its bytes
//	authorize     may they
//	weigh         does their workspace leave something for others
//	validate      is the request well-formed
//
// A stream of responses passes the same steps but for the deadline: it ends with its
// caller, with the server, or with the right to it, which is looked at again before
// each response.
//
// Who a caller is and what they may do is decided before their request is looked
// at, so a stranger with a malformed request is told UNAUTHENTICATED. Panics of
// handlers are caught by the status step, so that they are logged and counted as
// what they become. Status codes are written in one file, status.go.
//
// # Changing files
//
// The policy, certificates and authorities are read again when they change (package
// reload). A change of the policy acts on the next request. What a connection was
// made with acts for as long as it lives, which is an hour at most. Certificates and
// authorities may come from a SPIFFE Workload API instead (package workload).
//
// # Fitting in
//
// A [Service] registers its methods; each needs an access option and compiling
// validation rules, or the server does not start. Handlers return faults, and
// anything else for what the caller need not understand. Beside them every server
// tells callers who they are (keyward.access.v1.AccessService). [Author] names who makes
// a change. [Run] is all that a main needs; [New] and [Server.Serve] are for
// programs that hold several servers, and for tests.
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

// A Service is one or more gRPC services and what they stand on.
type Service interface {
	// Register registers the gRPC services.
	Register(grpc.ServiceRegistrar)
	// Close ends the service. It is called when no request is under way any more,
	// and may be called again, to no effect.
	Close() error
}

// A PolicyReader is a Service that looks at who may call what.
type PolicyReader interface {
	// UsePolicies hands it the policy in force, before the server serves.
	UsePolicies(*auth.Policies)
}

// A Receiver is a Service some of whose methods take requests that are larger than
// Limits.MaxReceiveBytes.
type Receiver interface {
	// MaxReceiveBytes returns the size of the largest request of these methods, by
	// their full names, such as /keyward.allowlist.v1.AllowlistService/Encrypt.
	MaxReceiveBytes() map[string]int
}

// A Server serves services over gRPC. It is built by [New] and serves once.
type Server struct {
	config Config
	limits Limits
	log    *slog.Logger

	methods  map[string]methodName // by full name: all there are
	contract map[string]bool       // the services that are neither health nor reflection
	sizes    map[string]int        // the largest requests, by full method name
	files    *reload.Reloader
	identity atomic.Pointer[tls.Config]
	source   *workload.Source // of the identity; nil: files
	expiry   *telemetry.Expiry
	token    *telemetry.Token // nil: none is asked for
	policies *auth.Policies
	steps    steps
	bodies   bodies
	codec    codec
	health   *health.Server
	grpc     *grpc.Server
	draining chan struct{} // closed when the drain begins
}

// steps are the parts of the chain that have something to remember.
type steps struct {
	requests      *telemetry.Requests
	authenticator *auth.Authenticator
	shares        shares
	guard         *auth.Guard
	validator     *validator
}

// New returns a server for the services. It reads the files that the configuration
// names, and waits for the Workload API if there is one, but does not listen yet.
func New(cfg Config, t *telemetry.Telemetry, services ...Service) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check server configuration: %w", err)
	}
	s := &Server{
		config: cfg.withDefaults(), limits: cfg.Limits.withDefaults(), log: t.Log, health: health.NewServer(),
		policies: auth.NewPolicies(nil), draining: make(chan struct{}),
	}
	c := newCatalogue(services, s.health, cfg.Reflection)
	s.methods, s.contract = c.methods(), c.contract
	s.sizes, s.codec = s.requestSizes(services), s.newCodec()
	for _, size := range s.sizes {
		if err := s.limits.CheckFor(size); err != nil {
			return nil, fmt.Errorf("check server configuration: %w", err)
		}
	}
	var err error
	if s.bodies, err = newBodies(*s.limits.BodyBytes, t.Metrics); err != nil {
		return nil, err
	}
	if s.steps, err = newSteps(cfg, s.policies, c, t.Metrics); err != nil {
		return nil, err
	}
	if err := s.newFiles(t.Metrics); err != nil {
		return nil, err
	}
	for _, svc := range services { // now that the policy is loaded
		if reader, ok := svc.(PolicyReader); ok {
			reader.UsePolicies(s.policies)
		}
	}
	s.grpc = grpc.NewServer(s.options(t)...)
	c.registerWith(s.grpc)
	return s, nil
}

func newSteps(cfg Config, policies *auth.Policies, c *catalogue, metrics prometheus.Registerer) (s steps, err error) {
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

// Serve serves on the listeners until ctx ends or one of them fails. Then it takes
// no new requests, lets those under way finish for as long as Limits.Drain, cancels
// the rest, and returns when no handler runs any more. Meanwhile it reloads its files
// when they change.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	defer s.follow(ctx)()
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
		// The end may come before a listener was served at all.
		if late := <-failed; !errors.Is(late, grpc.ErrServerStopped) {
			err = errors.Join(err, late)
		}
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// drain lets the requests under way finish, up to a limit.
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
		s.log.LogAttrs(ctx, slog.LevelWarn, "requests did not finish in time and are cut off")
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
