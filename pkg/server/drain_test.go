package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// closing is a fake that says when it is closed.
type closing struct {
	*fake
	closed chan struct{}
}

func (c closing) Close() error {
	close(c.closed)
	return nil
}

func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	owner := env.Owner(t, "acme")
	entered, release := make(chan struct{}), make(chan struct{})
	svc := closing{closed: make(chan struct{}), fake: &fake{get: func(context.Context) error {
		close(entered)
		<-release
		return nil
	}}}
	running := env.Start(t, svc)
	client := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, owner))
	answer := make(chan error, 1)
	go func() { answer <- getSecret(t, client) }()
	<-entered

	stopped := make(chan struct{})
	go func() {
		running.Stop()
		close(stopped)
	}()
	late := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, owner))
	eventually(t, "refusal of new calls", func() bool { return status.Code(getSecret(t, late)) == codes.Unavailable })
	select {
	case <-svc.closed:
		t.Error("the service was closed while a request was under way")
	case err := <-answer:
		t.Errorf("GetSecret() = %v before it was released", err)
	default:
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the request under way = %v, want OK", err)
	}
	<-stopped
	<-svc.closed
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Limits.Drain = 50 * time.Millisecond })
	entered := make(chan struct{})
	running := env.Start(t, &fake{get: func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}})
	client := vaultv1.NewVaultServiceClient(env.Dial(t, running.Addr, env.Owner(t, "acme")))
	answer := make(chan error, 1)
	go func() { answer <- getSecret(t, client) }()
	<-entered
	running.Stop()
	if log := env.Log.String(); !strings.Contains(log, `"drain_ms":`) || strings.Contains(log, `"drained":`) {
		t.Errorf("the log does not say how many milliseconds the drain took:\n%s", log)
	}
	if err := <-answer; status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Errorf("the request that took too long = %v, want an end", err)
	}
}

func TestWatcherOfHealthDoesNotHoldUpTheDrain(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, func(c *server.Config) { c.Limits.Drain = time.Hour })
	running := env.Start(t, &fake{})
	health := healthv1.NewHealthClient(env.Dial(t, running.Addr, servertest.Caller{}))
	watch, err := health.Watch(t.Context(), &healthv1.HealthCheckRequest{Service: "keyward.vault.v1.VaultService"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := watch.Recv()
	if err != nil || first.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("Watch() = %v, %v, want SERVING", first, err)
	}
	running.Stop() // would take an hour
}

func TestServerThatIsStoppedBeforeItServesEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	for range 50 {
		s, _, _ := newServer(t)
		lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx, lis); err != nil {
			t.Fatalf("Serve() with a context that has ended = %v, want nil", err)
		}
	}
}
