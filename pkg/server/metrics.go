package server

import (
	"context"
	"errors"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/telemetry"
)

// ServeMetrics serves /metrics, /healthz, and /readyz until the returned function is called. Call
// it after the drain, so that the end can be observed. Requests need the configured token, if
// there is one.
func (s *Server) ServeMetrics(ctx context.Context, lis net.Listener, metrics prometheus.Gatherer) (stop func()) {
	return telemetry.Monitor{Metrics: metrics, Ready: s.ready, Disk: s.room, Token: s.token, Log: s.log}.Serve(ctx, lis)
}

// The reasons of a server that is not ready.
var (
	errNotServing = errors.New("the health is NOT_SERVING")
	errDiskFull   = errors.New("disk full: changes are refused, and reads continue")
)

// ready returns nil if the server accepts requests.
func (s *Server) ready(ctx context.Context) error {
	got, err := s.health.Check(ctx, &healthv1.HealthCheckRequest{})
	if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		return errNotServing
	}
	return nil
}

// room returns nil if all services have space for changes.
func (s *Server) room() error {
	for _, svc := range s.services {
		if writer, ok := svc.(DiskWriter); ok && writer.DiskFull() {
			return errDiskFull
		}
	}
	return nil
}
