package site

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// pollInterval is short, because it is part of the measured time of a start.
const pollInterval = 2 * time.Millisecond

// AwaitGRPC waits until a server answers a health check.
func AwaitGRPC(ctx context.Context, address string, cfg *tls.Config) error {
	return poll(ctx, func() error { return checkHealth(ctx, address, cfg) })
}

// AwaitHTTP waits until a server answers anything over HTTPS.
func AwaitHTTP(ctx context.Context, address string, cfg *tls.Config) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
	return poll(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

func poll(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(pollInterval)
	}
}

// checkHealth uses a new connection, because an old one waits before it connects again.
func checkHealth(ctx context.Context, address string, cfg *tls.Config) error {
	conn, err := Dial(address, cfg, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}
