package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/reload"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/workload"
)

// handOverLimit is the time for pending requests, which are short, when the server takes over.
const handOverLimit = 2 * time.Second

// A waiting serves the ports of a program whose service is not open yet.
type waiting struct {
	healthv1.UnimplementedHealthServer

	config   Config
	log      *slog.Logger
	metrics  prometheus.Gatherer
	what     string
	identity atomic.Pointer[tls.Config]
	source   *workload.Source // of the identity; nil: files
	token    *telemetry.Token // nil: none is asked for
	files    *reload.Reloader
	grpc     *grpc.Server
	ending   chan struct{} // closed when the server takes over
}

// newWaiting reads the files for the ports.
func newWaiting(ctx context.Context, cfg Config, t *telemetry.Telemetry, what string) (*waiting, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check server configuration: %w", err)
	}
	w := &waiting{config: cfg.withDefaults(), log: t.Log, metrics: t.Metrics, what: what, ending: make(chan struct{})}
	if cfg.TLS.WorkloadAPI != "" {
		var err error
		w.source, err = workload.New(ctx, workload.Options{
			Name: "server", Address: cfg.TLS.WorkloadAPI, Log: t.Log,
			Metrics: prometheus.NewRegistry(), // the server that takes over registers the same
			Changed: func(id *workload.Identity) { w.identity.Store(auth.ServerTLSConfig(id.Certificate, id.Bundles)) },
		})
		if err != nil {
			return nil, err
		}
	}
	if cfg.Metrics.TokenFile != "" {
		w.token = new(telemetry.Token)
	}
	var err error
	w.files, err = reload.New(reload.Options{
		Name: "server", Files: cfg.portFiles(), Load: w.load, Log: t.Log,
		Metrics: prometheus.NewRegistry(), // as above
	})
	if err != nil {
		return nil, err
	}
	limits := cfg.Limits.withDefaults()
	w.grpc = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion:         tls.VersionTLS13,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return w.identity.Load(), nil },
		})),
		grpc.UnknownServiceHandler(w.refuse),
		grpc.MaxRecvMsgSize(maxOpenBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(limits.MaxConcurrentStreams),
		grpc.ConnectionTimeout(maxHandshake),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: limits.MinPing, PermitWithoutStream: true}),
	)
	healthv1.RegisterHealthServer(w.grpc, w)
	return w, nil
}

// load reads the files of the ports and then applies them.
func (w *waiting) load() error {
	var identity *tls.Config // stays nil if a Workload API gives it
	if w.source == nil {
		var err error
		if identity, err = w.config.TLS.load(); err != nil {
			return err
		}
	}
	if w.token != nil {
		if err := w.token.Load(w.config.Metrics.TokenFile); err != nil {
			return err
		}
	}
	if identity != nil {
		w.identity.Store(identity)
	}
	return nil
}

// serve serves the ports until the returned function is called, which leaves them open.
func (w *waiting) serve(ctx context.Context, p ports) (handOver func()) {
	var tasks sync.WaitGroup
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	tasks.Go(func() { w.files.Run(ctx, w.config.ReloadInterval) })
	if w.source != nil {
		tasks.Go(func() { w.source.Run(ctx) })
	}
	health := lend(p.grpc)
	borrowed := []*lent{health}
	tasks.Go(func() {
		if err := w.grpc.Serve(health); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			w.log.LogAttrs(ctx, slog.LevelError, "the health is no longer served", slog.Any("cause", err))
		}
	})
	stopMetrics := func() {}
	if p.metrics != nil {
		monitored := lend(p.metrics)
		borrowed = append(borrowed, monitored)
		stopMetrics = telemetry.Monitor{
			Metrics: w.metrics, Ready: func(context.Context) error { return w.reason() }, Token: w.token, Log: w.log,
		}.Serve(ctx, monitored)
	}
	w.log.LogAttrs(ctx, slog.LevelInfo, "serving health only", slog.String("listen", p.grpc.Addr().String()))
	return func() {
		close(w.ending)
		limit := time.AfterFunc(handOverLimit, w.grpc.Stop)
		w.grpc.GracefulStop()
		limit.Stop()
		stopMetrics()
		cancel()
		tasks.Wait()
		for _, l := range borrowed {
			l.giveBack()
		}
	}
}

// reason is what /readyz says.
func (w *waiting) reason() error { return fmt.Errorf("starting: waiting for %s", w.what) }

// Check returns NOT_SERVING for all names: those of the service are not known before it is open.
func (w *waiting) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}, nil
}

// Watch sends NOT_SERVING, and ends when the server takes over.
func (w *waiting) Watch(_ *healthv1.HealthCheckRequest, stream grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	if err := stream.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}); err != nil {
		return err
	}
	select {
	case <-w.ending:
		return starting()
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

// refuse is the handler of all methods of the contract.
func (w *waiting) refuse(any, grpc.ServerStream) error { return starting() }

// A lent is a listener that one server uses before another. Closing it ends its use and leaves the
// port open, so that no connection is refused in between.
type lent struct {
	*net.TCPListener
	closed atomic.Bool
}

func lend(listener net.Listener) *lent {
	return &lent{TCPListener: listener.(*net.TCPListener)} //nolint:forcetypeassert // listen opens no other
}

// Accept returns [net.ErrClosed] after Close.
func (l *lent) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err != nil && l.closed.Load() {
		return nil, net.ErrClosed
	}
	return conn, err
}

// Close interrupts Accept.
func (l *lent) Close() error {
	l.closed.Store(true)
	return l.SetDeadline(time.Unix(1, 0))
}

// giveBack lets the next server accept connections, once the first one has ended.
func (l *lent) giveBack() { _ = l.SetDeadline(time.Time{}) }
