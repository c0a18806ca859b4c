package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
)

// storing is a fake that stores data.
type storing struct {
	*fake
	full *atomic.Bool
}

func (s storing) DiskFull() bool { return s.full.Load() }

func TestAServiceWithAFullDiskIsServingAndNotReady(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	svc := storing{&fake{}, new(atomic.Bool)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, env.Config(), observed, svc) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	}()
	addr, metrics := addresses(t, env)
	url := "http://" + metrics + "/readyz"
	health := healthv1.NewHealthClient(env.Dial(t, addr, servertest.Caller{}))
	for _, full := range []bool{false, true, false} {
		svc.full.Store(full)
		code, text := get(t, url)
		if full && (code != http.StatusServiceUnavailable || !strings.Contains(text, "disk full")) || !full && code != http.StatusNoContent {
			t.Errorf("GET /readyz = %d %q while the disk is full: %v", code, text, full)
		}
		if code, _ := get(t, url+"?exclude=disk"); code != http.StatusNoContent {
			t.Errorf("GET /readyz?exclude=disk = %d, want 204 while the disk is full: %v", code, full)
		}
		got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health = %v, %v, want SERVING, because reads continue", got.GetStatus(), err)
		}
	}
}
