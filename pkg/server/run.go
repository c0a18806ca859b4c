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
	var listen net.ListenConfig
	lis, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if cfg.Metrics.Listen != "" {
		observed, err := listen.Listen(ctx, "tcp", cfg.Metrics.Listen)
		if err != nil {
			return errors.Join(fmt.Errorf("listen for metrics: %w", err), lis.Close())
		}
		defer s.ServeMetrics(ctx, observed, t.Metrics)()
	}
	return s.Serve(ctx, lis)
}

// CloseAll closes services in reverse order.
func CloseAll(services []Service) error {
	var errs []error
	for i := len(services) - 1; i >= 0; i-- {
		errs = append(errs, services[i].Close())
	}
	return errors.Join(errs...)
}
