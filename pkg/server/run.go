package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/keyward/keyward/pkg/telemetry"
)

// Run serves the services as the configuration says until ctx ends, drains, and
// closes them, the last one first. It owns the services from the call on and closes
// them also when it fails to start. SIGHUP makes it read the policy and the
// certificates anew.
func Run(ctx context.Context, cfg Config, t *telemetry.Telemetry, services ...Service) (err error) {
	defer func() { err = errors.Join(err, closeAll(services)) }()
	s, err := New(cfg, t, services...) //nolint:contextcheck // requests bring their own contexts
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	lis, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if cfg.MetricsListen != "" {
		observed, err := listen.Listen(ctx, "tcp", cfg.MetricsListen)
		if err != nil {
			return errors.Join(fmt.Errorf("listen for metrics: %w", err), lis.Close())
		}
		defer s.ServeMetrics(ctx, observed, t.Metrics)()
	}
	defer s.reloadOnHangup(ctx)()
	return s.Serve(ctx, lis)
}

func closeAll(services []Service) error {
	var errs []error
	for i := len(services) - 1; i >= 0; i-- {
		errs = append(errs, services[i].Close())
	}
	return errors.Join(errs...)
}

// reloadOnHangup reloads at each SIGHUP until the function it returns is called.
func (s *Server) reloadOnHangup(ctx context.Context) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-hangups:
				s.reloadAndLog(ctx)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
		<-ended
	}
}

func (s *Server) reloadAndLog(ctx context.Context) {
	if err := s.Reload(); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "reload refused; what was loaded before stays", slog.Any("cause", err))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "reloaded policy and certificates")
}
