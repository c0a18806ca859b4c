package server

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/keyward/keyward/pkg/telemetry"
)

// Run serves the services until ctx ends, drains, and closes them in reverse order. It owns the
// services from the call on, and also closes them if it fails to start.
func Run(ctx context.Context, cfg Config, t *telemetry.Telemetry, services ...Service) (err error) {
	defer func() { err = errors.Join(err, CloseAll(services)) }()
	s, err := New(cfg, t, services...) //nolint:contextcheck // requests bring their own contexts
	if err != nil {
		return err
	}
	p, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	return s.serve(ctx, p)
}

// serve serves on the ports, and closes them.
func (s *Server) serve(ctx context.Context, p ports) error {
	if p.metrics != nil {
		defer s.ServeMetrics(ctx, p.metrics, s.telemetry.Metrics)()
	}
	return s.Serve(ctx, p.grpc)
}

// ports are the listeners of a program.
type ports struct {
	grpc, metrics net.Listener // metrics may be nil
}

func listen(ctx context.Context, cfg Config) (p ports, err error) {
	var listen net.ListenConfig
	if p.grpc, err = listen.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return p, fmt.Errorf("listen: %w", err)
	}
	if cfg.Metrics.Listen != "" {
		if p.metrics, err = listen.Listen(ctx, "tcp", cfg.Metrics.Listen); err != nil {
			return p, errors.Join(fmt.Errorf("listen for metrics: %w", err), p.grpc.Close())
		}
	}
	return p, nil
}

func (p ports) close() error {
	err := p.grpc.Close()
	if p.metrics != nil {
		err = errors.Join(err, p.metrics.Close())
	}
	return err
}

// CloseAll closes services in reverse order.
func CloseAll(services []Service) error {
	var errs []error
	for i := len(services) - 1; i >= 0; i-- {
		errs = append(errs, services[i].Close())
	}
	return errors.Join(errs...)
}
