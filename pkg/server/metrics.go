package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// ServeMetrics serves /metrics, /healthz and /readyz until the function it returns is
// called. That comes after the drain, so that the end can be observed.
func (s *Server) ServeMetrics(ctx context.Context, lis net.Listener, metrics prometheus.Gatherer) (stop func()) {
	srv := &http.Server{
		Handler:           s.metricsHandler(metrics),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it quotes requests
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			s.log.LogAttrs(ctx, slog.LevelError, "metrics are not served any more", slog.Any("cause", err))
		}
	}()
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving metrics", slog.String("listen", lis.Addr().String()))
	return func() {
		if err := srv.Close(); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "close metrics listener", slog.Any("cause", err))
		}
		<-ended
	}
}

// metricsHandler answers /healthz as long as the process can, and /readyz as long as
// requests are taken.
func (s *Server) metricsHandler(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		got, err := s.health.Check(r.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
