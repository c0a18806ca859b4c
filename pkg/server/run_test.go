package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// listenAndServe serves until the test ends and returns the address.
func listenAndServe(t *testing.T, s *server.Server) string {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v, want nil", err)
		}
	})
	return lis.Addr().String()
}

// addresses finds where a server says that it listens.
func addresses(t *testing.T, env *servertest.Env) (grpc, metrics string) {
	t.Helper()
	eventually(t, "listening", func() bool { return strings.Contains(env.Log.String(), `"msg":"serving","`) })
	for _, line := range env.Log.Lines() {
		var entry struct {
			Msg    string
			Listen json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("line of the log is no JSON: %v: %s", err, line)
		}
		switch entry.Msg {
		case "serving":
			grpc = strings.Trim(string(entry.Listen), `[]"`)
		case "serving metrics":
			metrics = strings.Trim(string(entry.Listen), `"`)
		}
	}
	return grpc, metrics
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	owner := env.Owner(t, "acme")
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	svc := closing{fake: &fake{}, closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, env.Config(), observed, svc) }()

	addr, metrics := addresses(t, env)
	if err := getSecret(t, vaultv1.NewVaultServiceClient(env.Dial(t, addr, owner))); err != nil {
		t.Errorf("GetSecret() = %v, want OK", err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, _ := get(t, "http://"+metrics+path); code != http.StatusNoContent {
			t.Errorf("GET %s = %d, want 204", path, code)
		}
	}
	_, text := get(t, "http://"+metrics+"/metrics")
	for _, want := range []string{`grpc_server_handled_total{grpc_code="OK",grpc_method="GetSecret"`, "go_goroutines"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics does not have %s", want)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reload", func() bool { return strings.Contains(env.Log.String(), "reloaded") })

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	<-svc.closed
}

func TestMetricsAskForTheTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first-" + canary)
	env := servertest.New(t, func(c *server.Config) {
		c.Metrics.Listen, c.Metrics.TokenFile, c.ReloadInterval = "127.0.0.1:0", path, 5*time.Millisecond
	})
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, env.Config(), observed, &fake{}) }()
	_, metrics := addresses(t, env)
	scrape := func(token string) int {
		code, _ := get(t, "http://"+metrics+"/metrics", "Authorization", "Bearer "+token)
		return code
	}
	if code, _ := get(t, "http://"+metrics+"/metrics"); code != http.StatusUnauthorized {
		t.Errorf("GET /metrics without a token = %d, want 401", code)
	}
	if code := scrape("first-" + canary); code != http.StatusOK {
		t.Errorf("GET /metrics with the token = %d, want 200", code)
	}
	write("second-" + canary)
	eventually(t, "the new token", func() bool { return scrape("second-"+canary) == http.StatusOK })
	if code := scrape("first-" + canary); code != http.StatusUnauthorized {
		t.Errorf("GET /metrics with the token before = %d, want 401", code)
	}
	if code, _ := get(t, "http://"+metrics+"/readyz"); code != http.StatusNoContent {
		t.Errorf("GET /readyz without a token = %d, want 204", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}

func TestRunClosesServicesItCannotServe(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	svc := closing{fake: &fake{}, closed: make(chan struct{})}
	cfg := env.Config()
	cfg.Auth.Policy = cfg.TLS.Key // no policy, that
	err = server.Run(t.Context(), cfg, observed, svc)
	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Run() with a broken policy = %v, want an error", err)
	}
	servertest.MustNotHold(t, "the error", err.Error(), "BEGIN PRIVATE KEY")
	<-svc.closed
}
