package server_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

var errAway = errors.New("the provider is away")

func awaits(err error) string {
	if errors.Is(err, errAway) {
		return "the provider"
	}
	return ""
}

func TestPortsAreOpenWhileTheServiceWaits(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	owner := env.Owner(t, "acme")
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	svc := closing{fake: &fake{}, closed: make(chan struct{})}
	var there atomic.Bool
	opening := server.Opening{Awaits: awaits, Open: func(context.Context) (server.Service, error) {
		if !there.Load() {
			return nil, errAway
		}
		return svc, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.RunOpening(ctx, env.Config(), observed, opening) }()

	eventually(t, "the waiting server", func() bool { return strings.Contains(env.Log.String(), "serving health only") })
	addr, metrics := waitingAddresses(t, env)
	conn := env.Dial(t, addr, owner)
	for _, name := range []string{"", "keyward.vault.v1.VaultService"} {
		got, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health of %q = %v, %v, want NOT_SERVING", name, got.GetStatus(), err)
		}
	}
	watch, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watched health = %v, %v, want NOT_SERVING", got.GetStatus(), err)
	}
	err = getSecret(t, vaultv1.NewVaultServiceClient(conn))
	if status.Code(err) != codes.Unavailable || reasonOf(err) != "UNAVAILABLE" {
		t.Errorf("GetSecret() = %v, want UNAVAILABLE with its reason", err)
	}
	if code, text := get(t, "http://"+metrics+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "waiting for the provider") {
		t.Errorf("GET /readyz = %d %q, want 503 with the reason", code, text)
	}
	if code, _ := get(t, "http://"+metrics+"/healthz"); code != http.StatusNoContent {
		t.Errorf("GET /healthz = %d, want 204: the program lives", code)
	}

	there.Store(true)
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ends with %v, want UNAVAILABLE", err)
	}
	eventually(t, "the server", func() bool { return strings.Contains(env.Log.String(), `"msg":"serving","`) })
	if err := getSecret(t, vaultv1.NewVaultServiceClient(env.Dial(t, addr, owner))); err != nil {
		t.Errorf("GetSecret() at the same address = %v, want OK", err)
	}
	eventually(t, "readiness", func() bool {
		code, _ := get(t, "http://"+metrics+"/readyz")
		return code == http.StatusNoContent
	})
	if n := strings.Count(env.Log.String(), "the service cannot open"); n != 1 {
		t.Errorf("the log has the same error %d times, want once", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("RunOpening() = %v, want nil", err)
	}
	<-svc.closed
}

// This test has the process to itself, because a signal reaches all servers in it.
func TestAWaitingServerReloadsItsFilesOnSIGHUP(t *testing.T) { //nolint:paralleltest // see above
	survive := make(chan os.Signal, 1)
	signal.Notify(survive, syscall.SIGHUP) // if the server does not
	defer signal.Stop(survive)
	token := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("the-first-metrics-token")
	env := servertest.New(t, func(c *server.Config) {
		c.Metrics.Listen, c.Metrics.TokenFile = "127.0.0.1:0", token
		c.ReloadInterval = time.Hour
	})
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- server.RunOpening(ctx, env.Config(), observed, server.Opening{Awaits: awaits, Open: func(context.Context) (server.Service, error) {
			return nil, errAway
		}})
	}()
	logged := func(text string) func() bool {
		return func() bool {
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Error(err)
			}
			return strings.Contains(env.Log.String(), text)
		}
	}
	eventually(t, "the waiting server", func() bool { return strings.Contains(env.Log.String(), "serving health only") })
	eventually(t, "the reload", logged(`"msg":"reloaded"`))
	write("short")
	eventually(t, "the refusal of a wrong file", logged(`"msg":"reload failed`))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("RunOpening() = %v, want nil", err)
	}
}

// waitingAddresses finds where a program that waits listens.
func waitingAddresses(t *testing.T, env *servertest.Env) (grpc, metrics string) {
	t.Helper()
	for _, line := range env.Log.Lines() {
		_, listen, found := strings.Cut(line, `"listen":"`)
		address, _, _ := strings.Cut(listen, `"`)
		switch {
		case found && strings.Contains(line, "serving health only"):
			grpc = address
		case found && strings.Contains(line, "serving metrics"):
			metrics = address
		}
	}
	return grpc, metrics
}

func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func TestWaitingEndsWithTheProgramAndWithErrorsThatStay(t *testing.T) {
	t.Parallel()
	errWrong := errors.New("the wrong key")
	for name, test := range map[string]struct {
		errs []error // of one attempt after the other; then the program is asked to stop
		want error
	}{
		"a wrong key at once":   {[]error{errWrong}, errWrong},
		"a wrong key later":     {[]error{errAway, errWrong}, errWrong},
		"a program that stops":  {[]error{errAway}, nil},
		"a stop before it asks": {nil, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := servertest.New(t)
			observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			attempt := 0
			err = server.RunOpening(ctx, env.Config(), observed, server.Opening{Awaits: awaits, Open: func(ctx context.Context) (server.Service, error) {
				if attempt == len(test.errs) {
					cancel()
					return nil, ctx.Err()
				}
				attempt++
				return nil, test.errs[attempt-1]
			}})
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("RunOpening() = %v, want %v", err, test.want)
			}
		})
	}
}
